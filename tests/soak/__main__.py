"""What takes longer than tests may: `make soak`, or one of these commands. Each writes what it found to a JSON file.

python -m tests.soak load tests/results/soak/load.json
python -m tests.soak steady tests/results/soak/steady.json --minutes 30
python -m tests.soak malformed tests/results/soak/malformed.json --requests 100000
python -m tests.soak deadlines tests/results/soak/deadlines.json
python -m tests.soak kills tests/results/soak/kills.json --rounds 100
python -m tests.soak files tests/results/soak/files.json
python -m tests.soak disks tests/results/soak/disks.json
python -m tests.soak growing tests/results/soak/growing.json --instances 10000
python -m tests.soak growing tests/results/soak/growing-opt-125m.json --instances 10000 --opt-125m --no-fresh
python -m tests.soak engines tests/results/soak/engines.json --rounds 20
python -m tests.soak overhead tests/results/soak/overhead.json
python -m tests.soak groups tests/results/soak/groups.json --rounds 20
python -m tests.soak walk tests/results/soak/walk.json --walks 20 --steps 40
"""

import typer

from tests.soak import deadlines, disks, engines, files, groups, growing, kills, load, malformed, overhead, walk

app = typer.Typer(help=__doc__)
app.command("load")(load.load)
app.command("steady")(load.steady)
app.command("malformed")(malformed.run)
app.command("deadlines")(deadlines.run)
app.command("kills")(kills.run)
app.command("files")(files.run)
app.command("disks")(disks.run)
app.command("growing")(growing.run)
app.command("engines")(engines.run)
app.command("overhead")(overhead.run)
app.command("groups")(groups.run)
app.command("walk")(walk.run)

if __name__ == "__main__":
    app()
