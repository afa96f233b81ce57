"""Grouped IA: a document's score is the sum of its windows' scores, whatever the method, and the best documents come first."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client, Query
from attridex.client.errors import ServiceError
from attridex.indexer import build, load_config
from tests.conftest import WORDS

TEXTS = {f"d{n}": " ".join(WORDS.split()[(3 * n + at * (n + 1)) % 18] for at in range(6 + 5 * n)) for n in range(4)}


@pytest.fixture(scope="module")
def client(model_dir: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    place = tmp_path_factory.mktemp("documents")
    (place / "d.jsonl").write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in TEXTS.items()))
    (place / "c.toml").write_text(
        f'[model]\npath = "{model_dir("gpt2", "causal-lm")}"\ntask = "causal-lm"\nmax_length = 6\n'
        '[corpus]\nfiles = ["d.jsonl"]\ndocuments = "text"\nstride = 1\n[gradients]\ndim = 64\ncurvature = ["fisher"]\n'
        "[index]\nshard_rows = 3\n"
    )
    build(load_config(place / "c.toml"), place / "index", show_progress=False)
    with Client.local(place / "index") as made:
        yield made


ASKED = [{"id": "q", "text": "the dog ran today"}, {"id": "p", "text": "a cat paid some doctor"}]


@pytest.mark.parametrize("method", ["grad-dot", "grad-cos", "influence", "rep-sim", "bm25", "random"])
@pytest.mark.parametrize("ascending", [False, True])
def test_a_document_s_score_is_the_sum_of_its_rows(client: Client, method: str, ascending: bool) -> None:
    rows = sum(1 for _ in client.list_instances(fields=["document"]))
    every = client.attribute_instances(ASKED, method=method, k=rows, fields=["document"])
    found = client.attribute_instances(ASKED, method=method, k=2, group="document", ascending=ascending, fields=["text"])
    assert "summed over instances with the same document" in found.info.scale
    for alone, grouped in zip(every.results, found.results, strict=True):
        sums: dict[str, list[Any]] = {}
        for hit in alone.hits:
            sums.setdefault(hit.fields["document"], []).append(hit)
        order = sorted(sums, key=lambda name: sum(hit.score for hit in sums[name]) * (1 if ascending else -1))[:2]
        assert [hit.id for hit in grouped.hits] == order
        for hit in grouped.hits:
            assert hit.score == pytest.approx(sum(each.score for each in sums[hit.id]), rel=1e-9, abs=1e-12)
            assert hit.instances == len(sums[hit.id])
            best = max(sums[hit.id], key=lambda each: each.score)
            assert (hit.best, hit.row) == (best.id, best.row)
            assert set(hit.fields) == {"text"}


def test_a_sum_does_not_depend_on_what_else_is_asked(client: Client) -> None:
    both = client.attribute_instances(ASKED, group="document", where="tokens > 3").results[1]
    alone = client.attribute_instances(ASKED[1:], group="document", where="tokens > 3").results[0]
    assert [(hit.id, hit.score) for hit in both.hits] == [(hit.id, hit.score) for hit in alone.hits]


def test_only_rows_that_the_filter_lets_through_are_summed(client: Client) -> None:
    found = client.attribute_instances([Query.instance("d1#0")], group="document", where="id LIKE '%#0'").results[0]
    assert {hit.instances for hit in found.hits} == {1}
    assert all(hit.best == f"{hit.id}#0" for hit in found.hits)


@pytest.mark.parametrize("similarity", ["dcns", "activation", "attribution"])
def test_a_document_s_likeness_through_neurons_is_the_sum_of_its_rows(client: Client, similarity: str) -> None:
    rows, where = sum(1 for _ in client.list_instances(fields=["document"])), "tokens > 3"
    asked = [*map(Query.record, ASKED), Query.instance("d2#1")]
    asked += [Query.neurons([(0, 1), (1, 3), (2, 5), (2, 30)])] if similarity == "dcns" else []
    every = client.find_instances_by_neurons(asked, similarity=similarity, k=rows, where=where, fields=["document"])
    found = client.find_instances_by_neurons(asked, similarity=similarity, k=3, where=where, group="document", fields=["text"])
    assert found.info.scale == f"{every.info.scale}; summed over instances with the same document"
    for alone, grouped in zip(every.results, found.results, strict=True):
        hits: dict[str, list[Any]] = {}
        for hit in alone.hits:
            hits.setdefault(hit.fields["document"], []).append(hit)
        assert hits
        order = sorted(hits, key=lambda name: (-sum(hit.score for hit in hits[name]), name))[:3]
        assert [hit.id for hit in grouped.hits] == order
        for hit in grouped.hits:
            assert hit.score == pytest.approx(sum(each.score for each in hits[hit.id]), rel=1e-9, abs=1e-12)
            best = max(hits[hit.id], key=lambda each: each.score)
            assert (hit.instances, hit.best, hit.row) == (len(hits[hit.id]), best.id, best.row)
            shared: dict[tuple[int, int], float] = {}
            for neuron in (neuron for each in hits[hit.id] for neuron in each.shared):
                shared[neuron.layer, neuron.unit] = shared.get((neuron.layer, neuron.unit), 0.0) + neuron.score
            assert {(each.layer, each.unit): each.score for each in hit.shared} == pytest.approx(shared)
    with pytest.raises(ServiceError, match="group: unknown column 'documents'"):
        client.find_instances_by_neurons(ASKED, group="documents")


def test_what_cannot_be_summed_is_refused(client: Client) -> None:
    with pytest.raises(ServiceError, match=r"group: unknown column 'documents'; .*document"):
        client.attribute_instances(ASKED, group="documents")
