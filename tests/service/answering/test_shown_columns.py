"""A text may show columns that are called as attridex's own: the answers are those of the same columns under other names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attridex.client import Client, Query
from attridex.indexer import build, load_config
from attridex.indexer.errors import InputError
from attridex.indexer.index.layout import RESERVED, is_reserved, shown_name, stored_name
from tests.conftest import tiny_model, word_tokenizer, write_jsonl, write_toml

WORDS = ["dog", "cat", "park", "lawyer"]
ROWS = [{"id": f"{n}", "Tokens": f"the {WORDS[n]} saw", "loss": WORDS[n - 1], "label": WORDS[n - 2]} for n in range(4)]
RENAMED = [{"id": row["id"], "a": row["Tokens"], "b": row["loss"], "c": row["label"], "d": row["id"]} for row in ROWS]
FORMS: dict[str, Callable[..., dict[str, Any]]] = {
    "text": lambda tokens, loss, label, id: {"text": f"{{{tokens}}} {{{id}}} / {{{loss}}} :", "target": f" {{{label}}}"},
    "segments": lambda tokens, loss, label, id: {"segments": [f"{{{tokens}}}", f"{{{id}}} {{{loss}}}"], "target": f"{{{label}}}"},
}


@pytest.fixture
def indexed(tmp_path: Path) -> Callable[..., Path]:
    """An index of rows."""

    def make(name: str, rows: list[dict[str, str]], task: str = "causal-lm", **corpus: Any) -> Path:
        place = tmp_path / name
        tiny_model("gpt2", task).save_pretrained(place / "m")
        word_tokenizer().save_pretrained(place / "m")
        write_jsonl(place / "rows.jsonl", rows)
        sections = {
            "model": {"path": "m", "task": task}, "corpus": {"files": ["rows.jsonl"], **corpus},
            "gradients": {"parameters": "linear", "dim": 16}, "neurons": {"enabled": False},
        }  # fmt: skip
        build(load_config(write_toml(place / "c.toml", sections)), place / "index", show_progress=False)
        return place / "index"

    return make


def answers(index: Path, queries: list[Any]) -> list[Any]:
    """Ids and scores by gradients and by words."""
    with Client.local(index) as client:
        found = [client.attribute_instances(queries, k=4, method=method).results for method in ("grad-dot", "bm25")]
    return [[(hit.id, pytest.approx(hit.score)) for hit in each.hits] for results in found for each in results]


@pytest.mark.parametrize("form", FORMS)
def test_columns_called_as_attridex_s_own_are_read_as_any_other(form: str, indexed: Callable[..., Path]) -> None:
    own = indexed("own", ROWS, **FORMS[form]("Tokens", "loss", "label", "id"))
    other = indexed("other", RENAMED, **FORMS[form]("a", "b", "c", "d"))
    expected = answers(other, list(RENAMED))
    assert answers(own, list(ROWS)) == expected
    assert answers(own, [Query.instance(row["id"]) for row in ROWS]) == expected
    with Client.local(own) as client:
        (result,) = client.attribute_instances([ROWS[0]], k=1, fields=["shown_label", "shown_Tokens"]).results
        row = ROWS[int(result.hits[0].id)]
        assert dict(result.hits[0].fields) == {"shown_label": row["label"], "shown_Tokens": row["Tokens"]}


def test_a_classifier_may_see_its_label(indexed: Callable[..., Path]) -> None:
    rows = [{"id": str(n), "words": WORDS[n], "label": n % 3} for n in range(4)]
    own = indexed("own", rows, "sequence-classification", text="{words} {label}")
    other = indexed("other", [{**row, "seen": row["label"]} for row in rows], "sequence-classification", text="{words} {seen}")
    by_id = [Query.instance(row["id"]) for row in rows]
    assert answers(own, by_id) == answers(other, by_id) == answers(own, list(rows))


def test_every_name_has_another_in_the_index_that_leads_back_to_it(indexed: Callable[..., Path]) -> None:
    for name in (*RESERVED, "Label", "self_influence_fisher", "genre", "shown_genre"):
        assert shown_name(stored_name(name)) == name
        assert not is_reserved(stored_name(name))
    rows = [{**row, "shown_label": "dog"} for row in ROWS]
    with pytest.raises(InputError, match="the index calls the column 'label' 'shown_label', which is another's"):
        indexed("twice", rows, text="{loss}", target=" {label}", metadata=["shown_label"])
