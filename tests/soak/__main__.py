"""What takes longer than tests may: `make soak`, or one of these commands. Each writes what it found to a JSON file.

python -m tests.soak load tests/results/soak/load.json
python -m tests.soak steady tests/results/soak/steady.json --minutes 30
python -m tests.soak malformed tests/results/soak/malformed.json --requests 100000
python -m tests.soak deadlines tests/results/soak/deadlines.json
"""

import typer

from tests.soak import deadlines, load, malformed

app = typer.Typer(help=__doc__)
app.command("load")(load.load)
app.command("steady")(load.steady)
app.command("malformed")(malformed.run)
app.command("deadlines")(deadlines.run)

if __name__ == "__main__":
    app()
