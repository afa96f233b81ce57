"""Random walks: commands in any order, some killed between two writes, some files damaged, beside an oracle in plain Python.

After every step the live rows and every version's rows are what the oracle says, `verify` finds nothing once what was broken is
repaired, and no text that a compaction removed is in any file. Every few steps answers are compared with a fresh build's: at once
where nothing is told to be stale, and all of them once a copy is refreshed.

python -m tests.soak walk tests/results/soak/walk.json --walks 20 --steps 40
"""

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import pyarrow.parquet as pq
import typer

from attridex.client import Client
from attridex.indexer.config import load_config
from attridex.indexer.errors import AttridexError, InputError
from attridex.indexer.growth.appending import Appender
from attridex.indexer.growth.refreshing import refresh
from attridex.indexer.index.directory import list_versions, read_manifest, read_served
from attridex.indexer.index.shards import open_shards
from attridex.indexer.index.verify import verify
from attridex.indexer.lifecycle.deleting import delete_ids, undelete_ids
from attridex.indexer.lifecycle.snapshots import restore, snapshot
from attridex.indexer.lifecycle.versions import activate, prune
from attridex.indexer.renewal.building import build
from attridex.indexer.renewal.compaction import compact
from attridex.indexer.renewal.repair import repair
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer, write_jsonl, write_toml
from tests.soak.answers import difference, scores
from tests.soak.breaking import DAMAGE, files_of, killed_at
from tests.soak.oracle import Oracle, RefusedError, Row

FIRST, MOST, ASKED = 9, 30, 2
"""Records of the first build, rows that an index may have before it is compacted, and records that questions are of."""


class Step(NamedTuple):
    """A command: its name, what runs it, and what must be then; None where it must be refused."""

    name: str
    work: Callable[[], Any]
    after: Oracle | None


def record(name: str, mark: str, chance: random.Random) -> dict[str, Any]:
    """A record with a mark of its own in its text, and otherwise one of a few."""
    row = records(40)[chance.randrange(40)]
    return {**row, "id": name, "premise": f"{row['premise']} {mark}"}


def place_of(directory: Path, rows: list[dict[str, Any]]) -> Path:
    """Build an index of some records, whose model lies a directory above."""
    directory.mkdir()
    write_jsonl(directory / "train.jsonl", rows)
    settings = {
        "model": {"path": str(directory.parent / "model"), "task": "sequence-classification"},
        "corpus": {"files": [str(directory / "train.jsonl")], "metadata": ["genre"], "segments": SEGMENTS},
        "gradients": {"curvature": ["fisher", "trak"]},
        "neurons": {"rule": "gradient"},
        "index": {"shard_rows": 4, "approximate": ["sq8"]},
    }
    write_toml(directory / "config.toml", settings)
    build(load_config(directory / "config.toml"), directory / "index", show_progress=False)
    return directory / "index"


def texts_in(path: Path) -> bytes:
    """What a file holds, unpacked where it is packed."""
    content = path.read_bytes()
    if path.suffix == ".parquet" or path.name == "columns.copy":
        content += str(pq.read_table(path).to_pydict()).encode()
    elif path.suffix == ".duckdb":
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            for (table,) in connection.sql("SELECT table_name FROM information_schema.tables").fetchall():
                content += str(connection.sql(f'SELECT * FROM "{table}"').fetchall()).encode()
    return content


def mark_of(premise: str) -> str:
    """The mark in a record's text."""
    return premise.rsplit(" ", 1)[1]


def rows_of(index: Path, number: str) -> tuple[Row, ...]:
    """Rows of a version as its shards hold them."""
    manifest, found = read_manifest(index, number), list[Row]()
    for entry, shard in zip(manifest.shards, open_shards(index, manifest.shards), strict=True):
        for row in shard.instances(["id", "premise"]).to_pylist():
            found.append(Row(row["id"], mark_of(row["premise"]), entry.since))
    return tuple(found)


class Walk:
    """An index that is walked through states, and the oracle beside it."""

    def __init__(self, directory: Path, seed: int) -> None:
        """Build the first version."""
        self.chance, self.place, self.counts = random.Random(seed), directory, Counter[str]()
        self.trail, self.texts = list[str](), dict[str, dict[str, Any]]()
        if not (directory / "model").exists():
            tiny_model("opt").save_pretrained(directory / "model")
            word_tokenizer().save_pretrained(directory / "model")
        rows = [self.record(f"t{number}") for number in range(FIRST)]
        self.index = place_of(directory / "walked", rows)
        self.oracle = Oracle({1: tuple(Row(row["id"], mark_of(row["premise"]), 0) for row in rows)}, 1)
        self.appender = Appender(self.index)

    def record(self, name: str) -> dict[str, Any]:
        """A record that never was, of an id."""
        mark = f"zq{len(self.texts)}x"
        self.texts[mark] = record(name, mark, self.chance)
        return self.texts[mark]

    def some(self, names: list[str], most: int = 3) -> list[str]:
        """One or a few of some names, in any order."""
        names = sorted(set(names))
        return self.chance.sample(names, min(len(names), self.chance.randint(1, most)))

    def expected(self, change: Callable[..., Oracle], *given: Any) -> Oracle | None:
        """The state after a change; None where it must be refused."""
        try:
            return change(*given)
        except RefusedError:
            return None

    def batch(self, action: str, names: list[str]) -> Step:
        """Append or update records of these ids."""
        rows = [self.record(name) for name in names]
        marks = {row["id"]: mark_of(row["premise"]) for row in rows}
        path = write_jsonl(self.place / f"batch{len(self.texts)}.jsonl", rows)
        after = self.expected(self.oracle.appended if action == "append" else self.oracle.updated, marks)
        return Step(f"{action} {' '.join(marks)}", lambda: getattr(self.appender, action)([path]), after)

    def append(self) -> Step:
        """Ids that are new, or were deleted; now and then one that is live."""
        fresh = [f"t{FIRST + len(self.texts) + number}" for number in range(3)]
        again = [row.id for row in self.oracle.rows if self.chance.random() < 0.1 or self.oracle.hides(row)]
        return self.batch("append", self.some(fresh + again[:2]))

    def update(self) -> Step:
        """Ids that are there, live or deleted."""
        return self.batch("update", self.some([row.id for row in self.oracle.rows]))

    def delete(self) -> Step:
        """Ids that are there."""
        ids = self.some([row.id for row in self.oracle.rows], 4)
        return Step(f"delete {' '.join(ids)}", lambda: delete_ids(self.index, ids), self.expected(self.oracle.deleted, ids))

    def undelete(self) -> Step:
        """Ids that are hidden, and now and then others."""
        hidden = [row.id for row in self.oracle.rows if self.oracle.hides(row) or self.chance.random() < 0.1]
        ids = self.some(hidden or ["t0"])
        return Step(f"undelete {' '.join(ids)}", lambda: undelete_ids(self.index, ids), self.expected(self.oracle.undeleted, ids))

    def activate(self) -> Step:
        """Any version."""
        number = self.chance.choice(sorted(self.oracle.versions))
        return Step(f"activate {number}", lambda: activate(self.index, str(number)), self.oracle.activated(number))

    def prune(self) -> Step:
        """All but the last one or two."""
        keep = self.chance.randint(1, 2)
        return Step(f"prune {keep}", lambda: prune(self.index, keep), self.oracle.pruned(keep))

    def compact(self) -> Step:
        """Remove what is hidden."""
        return Step("compact", lambda: compact(self.index), self.expected(self.oracle.compacted))

    def refresh(self) -> Step:
        """Take statistics anew, as a version of the same rows."""
        return Step("refresh", lambda: refresh(self.index), self.expected(self.oracle.refreshed))

    def build(self) -> Step:
        """The first build once more, which keeps what came in later or says what differs."""

        def work() -> None:
            with suppress(InputError):
                build(load_config(self.index.parent / "config.toml"), self.index, show_progress=False)

        return Step("build", work, self.oracle)

    def restore(self) -> Step:
        """Snapshot all versions, and go on with what is restored of it."""

        def work() -> None:
            snapshot(self.index, self.place / "all.tar", every=True)
            restore(self.place / "all.tar", self.place / "restored")
            shutil.rmtree(self.index)
            (self.place / "restored").rename(self.index)
            (self.place / "all.tar").unlink()

        return Step("snapshot, restore", work, self.oracle)

    def next(self) -> Step:
        """A command at random."""
        often = {self.append: 4, self.update: 4, self.delete: 5, self.undelete: 3, self.activate: 2, self.prune: 1,
                 self.compact: 2, self.refresh: 1, self.build: 1, self.restore: 1}  # fmt: skip
        if len(self.oracle.rows) > MOST:
            return self.compact()
        return self.chance.choices(list(often), list(often.values()))[0]()

    def step(self) -> None:
        """One command, to its end or killed; then everything is compared."""
        step = self.next()
        kill = self.chance.randint(0, 60) if self.chance.random() < 0.4 and "restore" not in step.name else None
        self.trail.append(step.name if kill is None else f"{step.name} (killed at {kill})")
        self.counts[step.name.split()[0]] += 1
        before, refused, done = self.oracle, False, False
        with nullcontext() if kill is None else killed_at(kill):
            try:
                step.work()
                done = True
            except InputError as error:
                refused = True
                self.trail.append(f"  refused: {error}")
        if refused:
            assert step.after is None, "refused, and should not have been"
        if done:
            assert step.after is not None, "done, and should have been refused"
        self.counts["killed"] += not (done or refused)
        cut = replace(step.after or before, removed=before.removed)  # what is not acknowledged may be there still
        states = [before] if refused else [step.after or before] if done else [before, cut]
        self.adopt(states, step.name.split()[0])
        self.compare(cut_off=not (done or refused))

    def adopt(self, states: list[Oracle], what: str) -> None:
        """Take the state that the disk says, of those that may be.

        A version that was written before the kill, and one that a repair wrote again, is there beside those of the state.
        A compaction merges shards, and a merged one is as new as the newest of its parts: which rows are there is compared then,
        how new they are is taken from the disk, and `look` says whether the right ones are live.
        """

        def compared(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(row._replace(born=0) for row in rows) if what == "compact" else rows

        served = read_served(self.index)
        assert served.log
        seq = served.log.seq
        there = {int(number): rows_of(self.index, number) for number in list_versions(self.index)}
        for state in states:
            known = {compared(rows) for each in (*states, self.oracle) for rows in each.versions.values()}
            if len(state.log) != seq or compared(there[int(served.version)]) != compared(state.rows):
                continue
            unknown = [number for number, rows in there.items() if compared(rows) not in known]
            assert not unknown, f"versions {unknown} have rows that none should have"
            self.oracle = replace(state, versions=there, current=int(served.version))
            return
        raise AssertionError(f"the disk is in none of the states that may be: version {served.version}, {seq} entries")

    def compare(self, *, cut_off: bool) -> None:
        """Compare live rows, then what `verify` says and which texts are left once what was cut off is repaired."""
        self.look()
        if cut_off and self.chance.random() < 0.5:
            return
        if cut_off:
            self.mend("repair")
        else:
            self.whole()
        if self.chance.random() < 0.25:
            self.damage()

    def look(self) -> None:
        """Compare the live rows with the oracle's."""
        with Client.local(self.index) as client:
            found = {(each.id, mark_of(str(each.fields["premise"]))) for each in client.list_instances(fields=["premise"])}
        right = {(row.id, row.mark) for row in self.oracle.live()}
        assert found == right, f"live: {sorted(found - right)} too many, {sorted(right - found)} missing"

    def whole(self) -> None:
        """Nothing is damaged or left over, and no removed text is there."""
        problems = [found.problem for found in verify(self.index) if found.problem]
        assert not problems, problems[0]
        for path in files_of(self.index):
            content = texts_in(path)
            left = [mark for mark in self.oracle.removed if mark.encode() in content]
            assert not left, f"{path}: removed text {left[0]} is there"

    def mend(self, what: str) -> None:
        """Repair, now and then killed on the way; the state is what it was, and everything is whole."""
        if self.chance.random() < 0.3:
            kill = self.chance.randint(0, 120)
            self.trail.append(f"repair (killed at {kill})")
            with killed_at(kill):
                repair(self.index)
        repair(self.index)
        self.counts[what] += 1
        self.trail.append(what)
        self.adopt([self.oracle], what)
        self.look()
        self.whole()

    def damage(self) -> None:
        """Damage a file, or two that do not mend each other; then repair."""
        for path in self.chance.sample(files_of(self.index), self.chance.randint(1, 2)):
            how = self.chance.choice(sorted(DAMAGE))
            self.trail.append(f"{how} {path.relative_to(self.index)}")
            DAMAGE[how](path, self.chance)
            if self.chance.random() < 0.5:
                break
            if path.suffix in (".copy", ".log", ".json") or path.name == "CURRENT":
                break  # what mends it may be the next one
        with suppress(AttridexError):
            self.look()
        self.mend("damage")

    def answers(self) -> None:
        """Compare answers with those of a fresh build of the live rows."""
        live = self.oracle.live()
        if not live:
            return
        fresh = place_of(self.place / "fresh", [self.texts[row.mark] for row in live])
        copy = Path(shutil.copytree(self.index, self.place / "copy"))
        queries = records(ASKED)
        with Client.local(fresh) as client:
            right, _ = scores(client, queries)
        with Client.local(self.index) as client:
            found, stale = scores(client, queries)
        refresh(copy)
        with Client.local(copy) as client:
            refreshed, still = scores(client, queries)
        assert not still, f"stale after a refresh: {still}"
        for name in right:
            told = name.split()[0] in stale
            off = difference(refreshed, right, name)
            assert not off, f"after a refresh another than a fresh build's, {off}"
            off = None if told else difference(found, right, name)
            assert not off, f"not told to be stale, {off}"
        shutil.rmtree(copy)
        shutil.rmtree(fresh.parent)
        self.counts["answers compared"] += 1


def walked(seed: int, steps: int, *, every: int = 6) -> tuple[Counter[str], str | None]:
    """Walk so many steps from a seed; gives what was done, and the trail to a fault if there is one.

    Args:
        seed: of all that is random.
        steps: commands.
        every: so many commands later answers are compared.
    """
    with tempfile.TemporaryDirectory(prefix="walk-") as place:
        walk = Walk(Path(place), seed)
        try:
            for number in range(steps):
                walk.step()
                if number % every == every - 1:
                    walk.answers()
        except Exception as error:
            return walk.counts, "\n".join([*walk.trail, f"{type(error).__name__}: {error}"])
        return walk.counts, None


def run(
    out: Path,
    walks: Annotated[int, typer.Option(help="Each from a seed of its own.")] = 20,
    steps: Annotated[int, typer.Option(help="Commands of each.")] = 40,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
) -> None:
    """Walk from many seeds, and write what was done and what was found."""
    counts, faults = Counter[str](), dict[int, str]()
    for seed in range(first, first + walks):
        done, fault = walked(seed, steps)
        counts += done
        if fault:
            faults[seed] = fault
            typer.echo(f"seed {seed}:\n{fault}")
        found = {"walks": seed - first + 1, "steps": steps, "done": dict(sorted(counts.items())), "faults": faults}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")
    raise typer.Exit(bool(faults))
