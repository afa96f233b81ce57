"""Rendering: a record becomes token ids in one way, cut where it may be, its label known by name or number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attridex.indexer.config import CorpusConfig, load_config
from attridex.indexer.corpus.labels import LabelReader
from attridex.indexer.corpus.rendering import PART, Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.forms.segments import Segments
from attridex.indexer.forms.special_tokens import SpecialTokens
from attridex.indexer.models.renderers import make_renderer
from tests.conftest import SHOWN, records


def test_only_the_end_of_the_named_segment_is_cut(project: Callable[..., Path]) -> None:
    config = load_config(project(corpus={"truncate": "premise"}, model={"max_length": 14}))
    whole = make_renderer(load_config(project(corpus={"truncate": "premise"})))
    cut = make_renderer(config)
    record = {"id": "x", "premise": "the dog ran park cat some", "hypothesis": "a lawyer slept", "label": 1}
    full, short = whole.render(record, "x"), cut.render(record, "x")
    (full_ids,), (short_ids,) = full.sequences, short.sequences
    assert len(short_ids) == 14
    assert short.truncated
    assert not full.truncated
    excess = len(full_ids) - 14
    end_of_premise = 1 + 2 + 6  # BOS, "Premise :", six words
    assert short_ids == full_ids[: end_of_premise - excess] + full_ids[end_of_premise:]


def test_labels_are_names_or_output_numbers(project: Callable[..., Path]) -> None:
    config = load_config(project(corpus={"labels": ["yes", "no", "maybe"]}))
    labels = LabelReader(config.corpus, make_renderer(config).labels)
    base = {"id": "x", "premise": "a", "hypothesis": "b"}
    assert [labels.read({**base, "label": value}, "x") for value in ("no", 2, "1", 0.0, None)] == [1, 2, 1, 0, None]
    for value in (3, -1, "perhaps", True, 1.5, [1]):
        with pytest.raises(InputError, match="none of the model's outputs"):
            labels.read({**base, "label": value}, "x")


@pytest.mark.parametrize("task", SHOWN)
def test_an_index_s_own_columns_give_the_instance_that_they_were_stored_of(task: str, project: Callable[..., Path]) -> None:
    config = load_config(
        project(task=task, corpus={"id": "key", **({"per_token": True} if task == "causal-lm" else {"label": "gold"})})
    )
    renderer = make_renderer(config)
    for row in records(4):
        for made in renderer.instances({**row, "key": row["id"], "gold": row["label"]}, "x"):
            stored = {"id": made.id, "label": made.label_name, **made.fields}
            assert renderer.stored(stored).key == made.key


def test_a_target_gives_one_instance_for_each_of_its_tokens() -> None:
    corpus = CorpusConfig(files=["x"], segments=["{q}"], target="{a}")
    form = Segments(corpus, lambda text: list(map(ord, text)), SpecialTokens((1,), ()), 20, choices=False)
    letters = Renderer(corpus, form, [], lambda ids: "".join(map(chr, ids)))
    whole = letters.render({"id": "x", "q": "hi", "a": "abc"}, "x")
    assert whole.sequences == ((1, *map(ord, "hiabc")),)
    parts = letters.per_token(whole)
    assert [(part.id, part.outputs, part.sequences[0][-1]) for part in parts] == [
        (f"x{PART}{number}", (letter,), ord(letter)) for number, letter in enumerate("abc")
    ]
    assert len({part.key for part in [whole, *parts]}) == 4
