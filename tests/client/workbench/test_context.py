import json
from pathlib import Path
from typing import Any

import pytest

from attridex.client.errors import UsageError
from attridex.client.workbench.context import Context, file_in, fingerprint, gold_name, read_queries, sampled
from attridex.client.workbench.settings import Common
from attridex.v1.requests import AttributeInstancesRequest, as_queries
from tests.client.workbench.made import hits_answer, made_context, made_index


def asked_ids(context: Context) -> list[Any]:
    """Ids of the hits of each query."""
    return context.ask(
        "job", context.queries, lambda batch: AttributeInstancesRequest(as_queries(batch)),
        lambda answer: ({"query": each.query_id, "ids": [hit.id for hit in each.hits]} for each in answer.results),
        settings={"k": 1}, chunk=2,
    )  # fmt: skip


def test_a_job_is_asked_once_and_taken_up_where_it_was(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: hits_answer(request, {2: 0.5}))
    lines = [{"query": f"q{at}", "ids": ["t2"]} for at in range(3)]
    assert asked_ids(context) == lines
    assert asked_ids(context) == lines
    assert context.client.asked == 2  # type: ignore[attr-defined]


def test_labels_that_the_model_does_not_know_are_kept_and_not_sent(tmp_path: Path) -> None:
    rows = [{"id": "a", "label": "yes"}, {"id": "b", "label": "maybe"}, {"id": "c", "label": 0}, {"id": "d"}]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_queries(tmp_path / "queries.jsonl", made_index(), 0, 0)
    assert [query.gold for query in found] == ["yes", "maybe", "no", None]
    assert ["label" in query.record for query in found] == [True, False, True, False]
    assert gold_name(True, made_index()) == "True"


def test_a_gold_number_is_a_name_where_outputs_are_named_by_numbers() -> None:
    corpus = {"corpus": {"label": "label", "rendering": 2}}
    stars = made_index(labels=("1", "2"), manifest={"config": corpus})
    assert [gold_name(gold, stars) for gold in (1, 1.0, "1", 2, 0)] == ["1", "1", "1", "2", "0"]
    old = made_index(labels=("1", "2"))
    assert [gold_name(gold, old) for gold in (1, 0, "1")] == ["2", "1", "1"]


def test_so_many_are_drawn_by_the_seed_in_their_order() -> None:
    assert sampled([1, 2, 3], 0, 0) == sampled([1, 2, 3], 9, 0) == [1, 2, 3]
    drawn = sampled(list(range(50)), 5, 1)
    assert drawn == sorted(drawn) == sampled(list(range(50)), 5, 1)
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})


def test_a_gold_label_may_stand_for_several_outputs(tmp_path: Path) -> None:
    context = made_context(tmp_path, lambda request: request)
    assert context.right("yes", "yes")
    assert not context.right("yes", "rather")
    rather = Context(context.client, context.index, (), Common(same={"rather": ("yes",)}), tmp_path, 0)
    assert rather.right("yes", "rather")


def test_a_language_model_has_the_loss_of_its_target_alone(tmp_path: Path) -> None:
    assert made_context(tmp_path, lambda request: request).label == "predicted"
    assert made_context(tmp_path, lambda request: request, task="causal-lm").label == "gold"


def test_a_file_of_the_settings_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tests = 'nowhere': no such file"):
        file_in(tmp_path, "nowhere", "tests")
