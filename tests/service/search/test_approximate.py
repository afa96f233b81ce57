"""Approximate search: candidates are scored exactly, recall is what it says, and a filter never starves an answer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attridex.client import Client, Query
from attridex.client.errors import ClientError
from attridex.indexer.approximate import structures as approximate
from attridex.indexer.index.directory import read_current, read_manifest
from attridex.indexer.index.layout import version_dir
from attridex.service.edge.options import ServerOptions
from attridex.service.edge.server import Server, open_index
from attridex.service.search.approximate import STARVED, approximate_top
from attridex.service.search.scan import Scanner
from attridex.service.storage.version import IndexVersion

KINDS = ("sq8", "rabitq", "ivf")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, model_dir: Callable[..., Path]) -> Path:
    """400 instances, every structure."""
    from attridex.indexer.building.build import build
    from attridex.indexer.config import parse_config
    from tests.conftest import SHOWN, records, write_jsonl

    directory = tmp_path_factory.mktemp("approximate")
    write_jsonl(directory / "train.jsonl", records(400))
    data = {
        "model": {"path": str(model_dir("opt"))},
        "corpus": {"files": ["train.jsonl"], **SHOWN["sequence-classification"]},
        "gradients": {"parameters": "linear", "projection": "kronecker", "dim": 128, "curvature": ["fisher"]},
        "neurons": {"enabled": True, "steps": 2},
        "index": {"approximate": list(KINDS), "shard_rows": 150},
    }
    build(parse_config(data, "test", directory), directory / "index", show_progress=False)
    return directory / "index"


@pytest.fixture(scope="module")
def local(index: Path) -> Iterator[Client]:
    with Client.local(index) as client:
        yield client


def hits(result: Any) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in result.hits]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("grad-dot", "sq8"),
        ("grad-dot", "rabitq"),
        ("influence", "sq8"),
        ("influence", "rabitq"),
        *(("grad-cos", k) for k in KINDS),
    ],
)
def test_hits_have_the_exact_scores_in_the_exact_order(local: Client, method: str, kind: str) -> None:
    queries = [Query.instance("t3"), {"premise": "the doctor saw a dog", "hypothesis": "the cat slept"}]
    for ascending in (False, True):
        exact = local.attribute_instances(queries, method=method, k=400, ascending=ascending)
        found = local.attribute_instances(queries, method=method, k=10, ascending=ascending, approximate=kind)
        assert exact.info.exact
        assert exact.info.recall is None
        assert not found.info.exact
        measured = "fisher" if method == "influence" else method
        assert found.info.recall == read_manifest(local_path(local), "1").recall[f"{kind}/{measured}"]
        for all_of_it, best in zip(exact.results, found.results, strict=True):
            known = dict(hits(all_of_it))
            assert all(known[identity] == score for identity, score in hits(best))
            order = [pair for pair in hits(all_of_it) if pair[0] in dict(hits(best))]
            assert order == hits(best)
            assert len(best.hits) == 10


def local_path(client: Client) -> Path:
    return Path(client._target)


def test_auto_takes_the_fastest_that_finds_enough(local: Client) -> None:
    found = local.attribute_instances([Query.instance("t3")], method="grad-cos", approximate="auto")
    assert found.info.recall is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "grad-dot", "approximate": "ivf"}, "serves method 'grad-cos' alone"),
        ({"method": "grad-dot", "approximate": "hnsw"}, "unknown 'hnsw'"),
        ({"method": "bm25", "approximate": "sq8"}, "always exact"),
        ({"method": "rep-sim", "approximate": "auto"}, "always exact"),
    ],
)
def test_what_no_structure_serves_is_refused(local: Client, arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        local.attribute_instances([Query.instance("t3")], **arguments)  # type: ignore[arg-type]


def test_an_index_without_the_structure_says_how_to_build_it(project: Callable[..., Path], attridex: Any, tmp_path: Path) -> None:
    assert attridex("build", project(), "--out", tmp_path / "plain").code == 0
    ran = attridex("query", "ia", "--index", tmp_path / "plain", "--instance", "t3", "--approximate", "rabitq")
    assert ran.code == 2
    assert 'index.approximate = ["rabitq"]' in ran.err


def test_a_filter_that_would_starve_the_search_is_answered_exactly(local: Client) -> None:
    query = [Query.instance("t3")]
    for where, exact in (("tokens > 0", False), ("id = 't7' OR id = 't9'", True)):
        plain = local.attribute_instances(query, where=where, k=2)
        found = local.attribute_instances(query, where=where, k=2, approximate="sq8")
        assert found.info.exact is exact
        assert hits(found.results[0]) == hits(plain.results[0])


def test_over_a_socket_from_the_command_line_and_for_neurons(index: Path, attridex: Any) -> None:
    running = Server({"index": open_index(index, "index")}, ServerOptions("127.0.0.1:0"))
    running.start()
    try:
        where = ("--server", f"127.0.0.1:{running.port}", "--instance", "t3", "--approximate", "sq8", "--json")
        for command in ("ia", "ia-neurons"):
            (line,) = attridex("query", command, *where).lines
            assert line["exact"] is False
            assert line["recall"] > 0.9
            assert "found approximately" in " ".join(attridex("query", command, *where[:-1]).out.split())
    finally:
        running.stop(0)
    assert "sq8/grad-dot" in attridex("info", index).out


def test_structures_survive_deletions_and_are_verified(index: Path, attridex: Any) -> None:
    from attridex.indexer.lifecycle.deleting import delete_rows

    assert attridex("verify", index).code == 0
    delete_rows(index, [0, 1, 2])
    with Client.local(index) as client:
        found = client.attribute_instances([Query.instance("t3")], approximate="sq8", k=20)
        assert found.info.index_version == "1+1"
        assert not {"t0", "t1", "t2"} & {hit.id for hit in found.results[0].hits}
        assert hits(found.results[0]) == hits(client.attribute_instances([Query.instance("t3")], k=20).results[0])
    broken = version_dir(index, read_current(index)) / approximate.file_name("sq8", 0)
    content = broken.read_bytes()
    broken.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert attridex("verify", index).code == 1
    broken.write_bytes(content)


def test_structures_are_added_to_an_index_as_a_new_version_that_keeps_its_deletions(
    project: Callable[..., Path], attridex: Any, tmp_path: Path
) -> None:
    from attridex.indexer.lifecycle.deleting import delete_rows

    config = project(count=40)
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    delete_rows(tmp_path / "i", [5])
    config.write_text(config.read_text().replace("[index]", '[index]\napproximate = ["rabitq"]'))
    ran = attridex("build", config, "--out", tmp_path / "i", "--json")
    assert ran.code == 0, ran.err
    assert ran.lines[0]["version"] == "2+1"
    assert ran.lines[0]["signed"] == 0
    assert ran.lines[0]["deleted"] == 1
    assert attridex("verify", tmp_path / "i").code == 0
    assert attridex("build", config, "--out", tmp_path / "i", "--json").lines[0]["version"] == "2+1"
    (line,) = attridex("query", "ia", "--index", tmp_path / "i", "--instance", "t3", "--approximate", "auto", "--json").lines
    assert line["exact"] is False


@pytest.mark.parametrize(("share", "found"), [(STARVED / 2, False), (0.8, True)])
def test_candidates_are_looked_for_only_where_a_filter_lets_enough_through(index: Path, share: float, found: bool) -> None:
    version, scanner = IndexVersion(index, "1", verify=False), Scanner(1)
    mask = np.zeros(version.rows, bool)
    mask[: int(share * version.rows)] = True
    query = version.vector(version.gradients, 3)[None]
    hits = approximate_top(version, scanner, "sq8", version.gradients, query, 5, mask, weighted=True, ascending=False)
    assert (hits is not None) == found
    if hits is not None:
        assert mask[hits[0].rows].all()
        assert np.all(np.diff(hits[0].scores) <= 0)
    scanner.close()
    version.close()
