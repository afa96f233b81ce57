"""An index under a bound on memory: the same answers to the bit, the bound kept, too little refused with what would do."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.client import Client, Query
from attridex.client.benchmarks.synthetic import Shape, write_synthetic
from attridex.client.errors import ClientError
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import GRADIENTS
from attridex.service.answering.served import ServedIndex
from attridex.service.methods.registry import load_methods
from attridex.service.storage.memory import VECTORS, Kept, Memory, always, kept_within, structure_bytes, vector_bytes
from attridex.service.storage.store import Store
from attridex.v1 import requests
from attridex.v1.requests import Scoring
from tests.processes import running

LARGE = Shape(3_500, 8192, 512, "float32")
COMMAND = [sys.executable, "-c", "from attridex.client.commands.app import main; main()"]
ASKED = tuple(Query.instance(f"t{number}") for number in (3, 5, 8))
QUESTIONS = [
    requests.AttributeInstancesRequest(ASKED, Scoring("grad-dot"), 7),
    requests.AttributeInstancesRequest(ASKED[:1], Scoring("grad-cos"), 40, ascending=True),
    requests.AttributeInstancesRequest(ASKED[:1], Scoring("influence", "fisher"), 5),
    requests.AttributeInstancesRequest(ASKED, Scoring("rep-sim"), 5),
    requests.AttributeInstancesRequest(ASKED, Scoring("tracin"), 5),
    requests.AttributeInstancesRequest(ASKED, Scoring("grad-dot"), 3, group="genre"),
    requests.FindInstancesByNeuronsRequest(ASKED, k=5, similarity="activation"),
    requests.FindInstancesByNeuronsRequest(ASKED, k=5, similarity="attribution"),
]


def answered(served: ServedIndex) -> Iterator[Any]:
    """What stands in each answer."""
    for question in QUESTIONS:
        yield [result.hits for result in served.answer(question).results]
    for dtype in ("float32", "float64"):
        blocks = served.rank(requests.RankInstancesRequest(ASKED, Scoring("grad-dot"), dtype=dtype))
        yield np.concatenate([np.reshape(block.scores, (len(ASKED), -1)) for block in blocks], 1).tolist()


def test_vectors_on_the_disk_answer_every_kind_of_question_to_the_bit(old: Path) -> None:
    answers = []
    for memory in (None, Memory(0)):
        store = Store(old, memory=memory)
        if memory:
            with store.version() as version:
                room = always(version._held)
            store.keep_within(Memory(0, room=room))
            with store.version() as version:
                assert version._kept == Kept()
        served = ServedIndex(store, None, "old", load_methods())
        answers.append(list(answered(served)))
        served.close()
    assert answers[0] == answers[1]
    assert all(answers[0])


def test_what_fits_is_kept_gradients_first_then_the_smallest_structures(old: Path) -> None:
    with Store(old, memory=Memory(0)).version() as version:
        held = version._held
        size = {name: sum(vector_bytes(shard.held, [name]) for shard in held.shards) for name in VECTORS}
        size |= {kind: structure_bytes(held, kind) for kind in ("sq8", "rabitq", "ivf")}
        assert min(size.values()) > 0
        first = min(("sq8", "rabitq", "ivf"), key=size.__getitem__)
        base = always(held)
        assert kept_within(Memory(0, room=base), held) == Kept()
        assert kept_within(Memory(0, room=base + size[first]), held) == Kept(structures=frozenset({first}))
        both = kept_within(Memory(0, room=base + size[GRADIENTS] + size[first]), held)
        assert both == Kept(frozenset({GRADIENTS}), frozenset({first}))
        everything = kept_within(Memory(0, room=base + sum(size.values())), held)
        assert everything == Kept(frozenset(VECTORS), frozenset({"sq8", "rabitq", "ivf"}))
        with pytest.raises(InputError, match="too little for old; 17MiB would do"):
            kept_within(Memory(0, room=base - 1), held)


def test_a_structure_beside_vectors_on_the_disk_finds_what_it_found_in_memory(old: Path) -> None:
    question = requests.AttributeInstancesRequest(ASKED, Scoring("grad-dot", approximate="rabitq"), 4)
    answers = []
    for kept in (None, Kept(structures=frozenset({"rabitq"}))):
        store = Store(old)
        with store.version() as version:
            version._kept = kept
            del version.__dict__["gradients"]
        served = ServedIndex(store, None, "old", load_methods())
        answers.append(served.answer(question))
        served.close()
    assert answers[0].results == answers[1].results
    assert not answers[1].info.exact
    assert answers[1].info.recall


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 109 MiB of vectors."""
    index = tmp_path_factory.mktemp("large") / "index"
    write_synthetic(index, LARGE)
    return index


def test_a_server_stays_within_its_memory_which_it_could_not_with_the_vectors(large: Path) -> None:
    command = [*COMMAND, "serve", str(large), "--no-model", "--listen", "127.0.0.1:0", "--threads", "2", "--memory"]
    with running([*command, "64MiB", "--no-verify"]) as refused:
        said = refused.communicate(timeout=60)[1]
    assert refused.returncode == 2
    (most,) = map(int, re.findall(r"^error: --memory 64MiB: too little for index; (\d+)MiB would do", said, re.MULTILINE))
    with running([*command, f"{most}MiB"]) as server:
        assert server.stderr is not None
        assert next(server.stderr) == "index: in memory: hidden; on the disk: gradients\n"
        port = next(found[1] for line in server.stderr if (found := re.search(r"listening on 127.0.0.1:(\d+)", line)))
        with Client(f"127.0.0.1:{port}") as client:
            vectors = np.random.default_rng(5).standard_normal((16, LARGE.dim), np.float32)
            found = client.attribute_instances([Query.vector(vector) for vector in vectors], k=100)
            (alone,) = client.attribute_instances([Query.vector(vectors[3])], k=100).results
            client.attribute_instances([Query.instance("instance-7")], where="label = 'a'", k=1000)
            assert found.results[3].hits == alone.hits
        status = Path(f"/proc/{server.pid}/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s+(\d+)", status)
    assert int(peak) <= most << 10
    assert (int(peak) << 10) + LARGE.rows * LARGE.dim * 4 > most << 20, "the bound has room for the vectors: it shows nothing"


def test_in_process_a_bound_is_refused_where_it_is_too_small_or_no_size(large: Path) -> None:
    with pytest.raises(InputError, match=r"--memory 1MiB: too little for index; \d+MiB would do"):
        Client.local(large, model=False, verify=False, memory="1MiB")
    for wrong in ("much", "-3", "0"):
        with pytest.raises((InputError, ClientError), match="a size is needed, as 4GiB"):
            Client.local(large, model=False, verify=False, memory=wrong)
