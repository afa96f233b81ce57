"""What takes longer than tests may: `make soak`, or one of these commands. Each writes what it found to a JSON file.

python -m tests.soak kills tests/results/soak/kills.json --rounds 100
python -m tests.soak disks tests/results/soak/disks.json
"""

import typer

from tests.soak import disks, kills

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)
app.command("kills")(kills.run)
app.command("disks")(disks.run)

if __name__ == "__main__":
    app()
