"""Remarks on how a tokenizer is called: none where all is as usual, else a line a difference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from attridex.indexer.building.plan import survey_corpus
from attridex.indexer.config import Config, parse_config
from attridex.indexer.models.renderers import make_renderer
from tests.conftest import CONFIGS, WORDS, records, word_tokenizer, write_jsonl


def templated(after: str = "") -> Any:
    """BOS in front, as Llama has it; `after` stands behind."""
    raw = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["<pad>", "<s>", "<unk>", *WORDS.split()])}, "<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(f"<s> $A {after}".strip(), special_tokens=[("<s>", 1), ("<pad>", 0)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", unk_token="<unk>", pad_token="<pad>")


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """A configuration of a model of a family with a tokenizer."""

    def make(tokenizer: Any, family: str = "llama", model: dict[str, Any] | None = None, **corpus: Any) -> Config:
        CONFIGS[family]().save_pretrained(tmp_path / "m")
        tokenizer.save_pretrained(tmp_path / "m")
        write_jsonl(tmp_path / "train.jsonl", records(4))
        shown = {"files": ["train.jsonl"], **(corpus or {"segments": ["{premise}"]})}
        return parse_config({"model": {"path": "m", **(model or {})}, "corpus": shown}, "c", tmp_path)

    return make


def test_nothing_is_said_where_segments_are_what_the_tokenizer_would_make(configured: Callable[..., Config]) -> None:
    assert make_renderer(configured(templated())).remarks == ()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.lower().split()]
    encoder = hf.BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    assert make_renderer(configured(encoder, "bert")).remarks == ()


@pytest.mark.parametrize(
    ("tokenizer", "called"), [(word_tokenizer, "TEXT"), (lambda: templated("<pad>"), "<s> TEXT <pad>")], ids=["none", "more"]
)
def test_segments_that_the_tokenizer_would_put_between_other_tokens_are_said(
    tokenizer: Callable[[], Any], called: str, configured: Callable[..., Config]
) -> None:
    (line,) = make_renderer(configured(tokenizer())).remarks
    assert f'a text is read as "<s> TEXT", tokenizer(text) gives "{called}"' in line
    assert make_renderer(configured(tokenizer(), text="{premise}")).remarks == ()


def test_tokens_without_an_embedding_are_said_before_one_occurs(configured: Callable[..., Config]) -> None:
    tokenizer = templated()
    tokenizer.add_tokens([f"extra{number}" for number in range(20)])
    (line,) = make_renderer(configured(tokenizer)).remarks
    assert f"{len(tokenizer) - 40} tokens for which the model has no embedding" in line


def test_a_file_that_transformers_reads_as_another_tokenizer_is_said(configured: Callable[..., Config]) -> None:
    remarks = make_renderer(configured(word_tokenizer(), "qwen2", text="{premise}")).remarks
    assert any("tokenizer.json parts a text into other tokens than the Qwen2Tokenizer" in line for line in remarks)


@pytest.mark.parametrize("switch", ["enable_truncation", "enable_padding"])
def test_a_file_that_was_saved_with_its_training_s_cuts_or_padding_is_no_other_tokenizer(
    switch: str, configured: Callable[..., Config]
) -> None:
    config = configured(templated(), text="{premise}")
    path = str(Path(config.model.path) / "tokenizer.json")
    saved = Tokenizer.from_file(path)
    getattr(saved, switch)(**({"max_length": 2} if switch == "enable_truncation" else {"length": 20}))
    saved.save(path)
    assert make_renderer(config).remarks == ()


def test_texts_that_begin_as_segments_do_are_counted(configured: Callable[..., Config]) -> None:
    assert survey_corpus(configured(templated(), segments=["{premise}"])).remarks == ()
    (line,) = survey_corpus(configured(templated(), segments=["<s> {premise}"])).remarks
    assert line.startswith("4 of 4 sequences begin with a special token twice")
    assert survey_corpus(configured(templated(), text="<s> {premise}")).remarks == (line,)


def test_a_corpus_of_unknown_words_is_said(configured: Callable[..., Config]) -> None:
    (line,) = survey_corpus(configured(templated(), text="x y z {premise}")).remarks
    assert "of the tokens are '<unk>', the unknown one" in line


def test_a_build_and_a_dry_run_say_each_remark_in_a_line(
    project: Callable[..., Path], attridex: Callable[..., Any], tmp_path: Path
) -> None:
    for more in (["--dry-run"], []):
        ran = attridex("build", project(count=4), "--out", tmp_path / "i", *more)
        assert ran.code == 0
        assert sum(line.startswith("corpus.segments: a text is read as") for line in ran.err.splitlines()) == 1
