"""Where a configuration names no length, an input is cut as a call without `max_length` cuts it, in every form that is cut."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from attridex.indexer.building.plan import prepared
from attridex.indexer.config import Config, parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.files import replace_file
from attridex.indexer.index.layout import PLAN
from attridex.indexer.index.records import read_sealed, seal
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.training.start import begin
from tests.conftest import CONFIGS, word_tokenizer
from tests.indexer.forms.conftest import CHAT, chat_tokenizer, turns

OWN = 5
"""The tokenizer's own limit."""
TALK = turns("user the dog", "assistant a cat", "user a park", "assistant slept")
RECORD = {
    "id": "r", "label": 1, "a": "the dog ran park today some", "b": "a lawyer slept", "chat": TALK,
    "words": ["the", "dog", "ran", "park", "today", "some"], "held": [0.0, 1.0, 1.0], "tags": [0, 1, 2, 0, 1, 2],
    "choices": ["a lawyer slept", "not paid"],
}  # fmt: skip
CUT = {"truncation": True}
T5 = {"vocab_size": 40, "d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}

Call = Callable[[Any], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Cut:
    """A way to read `RECORD`, and what the user's own call, without max_length, makes of it."""

    task: str
    corpus: dict[str, Any]
    call: Call
    family: str = "llama"


def pairs(tokenizer: Any) -> list[list[int]]:
    return [tokenizer(RECORD["a"], choice, truncation=True)["input_ids"] for choice in RECORD["choices"]]


WAYS = {
    "text": Cut("sequence-classification", {"text": "{a}", **CUT}, lambda t: [t(RECORD["a"], **CUT)["input_ids"]]),
    "encoder": Cut(
        "multi-label", {"text": "{a}", "label": "held", **CUT}, lambda t: [t(RECORD["a"], **CUT)["input_ids"]], "bert"
    ),
    "pair": Cut(
        "regression", {"pair": ["a", "b"], "truncation": "only_first"},
        lambda t: [t(RECORD["a"], RECORD["b"], truncation="only_first")["input_ids"]],
    ),
    "choices": Cut("multiple-choice", {"pair": ["a", "choice"], **CUT}, pairs),
    "language": Cut("causal-lm", {"text": "{a}", **CUT}, lambda t: [t(RECORD["a"], **CUT)["input_ids"]]),
    "target": Cut("causal-lm", {"text": "{id}", "target": " {a}", **CUT}, lambda t: [t("r " + RECORD["a"], **CUT)["input_ids"]]),
    "words": Cut(
        "token-classification", {"text": "{words}", "label": "tags", **CUT},
        lambda t: [t(RECORD["words"], is_split_into_words=True, **CUT)["input_ids"]],
    ),
    "documents": Cut(
        "causal-lm", {"documents": "a", "stride": 2},
        lambda t: t(RECORD["a"], stride=2, return_overflowing_tokens=True, **CUT)["input_ids"],
    ),
    "seq2seq": Cut(
        "seq2seq-lm", {"text": "{a}", "target": "{a} {b}", **CUT},
        lambda t: [t(RECORD["a"], **CUT)["input_ids"], t(text_target=f"{RECORD['a']} {RECORD['b']}", **CUT)["input_ids"]], "t5",
    ),
}  # fmt: skip


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """A configuration that names no length, of a model whose tokenizer has a limit of its own."""

    def make(way: Cut, limit: int = OWN, tokenizer: Any = None, **sections: Any) -> Config:
        config = hf.T5Config(**T5) if way.family == "t5" else CONFIGS[way.family]()
        config.problem_type = {"multi-label": "multi_label_classification"}.get(way.task)
        config.num_labels = 1 if way.task == "regression" else 3
        config.save_pretrained(tmp_path / "m")
        tokenizer = tokenizer or word_tokenizer()
        tokenizer.model_max_length = limit
        tokenizer.save_pretrained(tmp_path / "m")
        (tmp_path / "f.jsonl").write_text(json.dumps(RECORD) + "\n")
        model = {"path": "m", "task": way.task, **sections.pop("model", {})}
        return parse_config({"model": model, "corpus": {"files": ["f.jsonl"], **way.corpus}, **sections}, "c", tmp_path)

    return make


def read(config: Config) -> list[list[int]]:
    """What the model reads of the record."""
    found = make_renderer(config).instances(RECORD, "x")
    source = [list(found[0].source), list(found[0].wanted)] if found[0].source else []
    return source or [list(ids) for each in found for ids in each.sequences]


@pytest.mark.parametrize("name", WAYS)
def test_an_input_is_cut_where_a_call_without_max_length_cuts_it(name: str, configured: Callable[..., Config]) -> None:
    way = WAYS[name]
    for limit in (OWN, OWN + 1):
        config = configured(way, limit)
        assert read(config) == [list(ids) for ids in way.call(hf.AutoTokenizer.from_pretrained(config.model.path))]
    assert any(len(ids) == limit for ids in read(config))


@pytest.mark.parametrize("name", WAYS)
def test_what_no_call_would_cut_is_read_whole_or_refused(name: str, configured: Callable[..., Config]) -> None:
    way = WAYS[name]
    config = configured(way, int(1e30))
    assert read(config) == [list(ids) for ids in way.call(hf.AutoTokenizer.from_pretrained(config.model.path))]
    if way.family == "t5":  # which takes any number of tokens
        return
    for limit, model in ((int(1e30), {}), (100, {}), (OWN, {"max_length": 100})):
        short = configured(way, limit, model=model)
        saved = json.loads((Path(short.model.path) / "config.json").read_text())
        (Path(short.model.path) / "config.json").write_text(json.dumps({**saved, "max_position_embeddings": OWN}))
        with pytest.raises(InputError, match=r"^x: .*model\.max_length") as refused:
            read(short)
        assert "\n" not in str(refused.value)


def test_a_chat_loses_turns_over_the_tokenizer_s_own_limit(configured: Callable[..., Config]) -> None:
    way = Cut("causal-lm", {"messages": "chat", **CUT}, lambda _: [])
    tokenizer = chat_tokenizer(CHAT)
    whole, last = (tokenizer.apply_chat_template(talk)["input_ids"] for talk in (TALK, TALK[2:]))
    assert read(configured(way, len(whole), tokenizer)) == [whole]
    assert read(configured(way, len(whole) - 1, tokenizer)) == [last]


def test_where_nothing_is_cut_and_in_segments_the_length_is_512(configured: Callable[..., Config]) -> None:
    for corpus in ({"text": "{a}"}, {"segments": ["{a}"], "truncate": "a"}):
        config = configured(Cut("sequence-classification", corpus, lambda _: []))
        assert prepared(weighted(config), Path("none")).plan.settings["model.max_length"] == 512


def weighted(config: Config) -> Config:
    """The same, its model there."""
    hf.AutoModelForSequenceClassification.from_config(hf.AutoConfig.from_pretrained(config.model.path)).save_pretrained(
        config.model.path
    )
    return config


def test_the_plan_says_the_length_and_an_index_keeps_that_of_its_plan(configured: Callable[..., Config], tmp_path: Path) -> None:
    config = weighted(configured(WAYS["text"]))
    plan = prepared(config, tmp_path / "i").plan
    assert plan.config.model.max_length == plan.settings["model.max_length"] == OWN
    (tmp_path / "i").mkdir()
    settings = {**plan.settings, "model.max_length": 512}
    replace_file(tmp_path / "i" / PLAN, seal(settings))
    assert prepared(config, tmp_path / "i").plan.config.model.max_length == 512
    assert read_sealed(tmp_path / "i" / PLAN)["model.max_length"] == 512


def test_a_training_cuts_where_the_build_does(configured: Callable[..., Config], tmp_path: Path) -> None:
    way = WAYS["text"]
    named = replace(way, corpus={**way.corpus, "labels": ["x", "y", "z"]})
    config = weighted(configured(named, training={"base": str(tmp_path / "m")}))
    assert list(begin(config).renderer.render(RECORD, "x").sequences[0]) == read(config)[0]
