"""A padding token that stands in texts too, as EOS or the unknown one: it has a loss, or none as under transformers' collator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from attridex.indexer.building.plan import content_settings, survey_corpus
from attridex.indexer.config import Config, parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer
from tests.conftest import CONFIGS, WORDS, write_jsonl

TEXTS = ["the dog ran today", "a hippopotamus saw some hippopotamus", "doctor"]
FORMS: dict[str, dict[str, Any]] = {
    "text": {"text": "{text}"},
    "target": {"text": "{text} /", "target": " {text}"},
    "documents": {"documents": "text"},
    "encoded": {"encoded": True},
}


def ended(pad: str) -> Any:
    """BOS in front and EOS behind; padding is one of the tokenizer's other tokens."""
    raw = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["</s>", "<s>", "<unk>", *WORDS.split()])}, "<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 0)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token=pad)


def texts_of(form: str) -> list[str]:
    return [f"{text} / {text}" if form == "target" else text for text in TEXTS]


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    """A configuration of an input form, whose tokenizer pads with a token."""

    def make(form: str, pad: str, **corpus: Any) -> Config:
        tokenizer = ended(pad)
        CONFIGS["llama"]().save_pretrained(tmp_path / "m")
        tokenizer.save_pretrained(tmp_path / "m")
        rows = [tokenizer(text)["input_ids"] for text in texts_of(form)]
        columns = [{"text": text, "input_ids": ids, "labels": ids} for text, ids in zip(TEXTS, rows, strict=True)]
        write_jsonl(tmp_path / "train.jsonl", [{"id": str(at), **each} for at, each in enumerate(columns)])
        shown = {"files": ["train.jsonl"], **FORMS[form], **corpus}
        return parse_config({"model": {"path": "m", "task": "causal-lm", "max_length": 32}, "corpus": shown}, "c", tmp_path)

    return make


def losses(config: Config) -> list[dict[int, int]]:
    """Tokens with a loss by their places, of each text."""
    found: list[dict[int, int]] = []
    survey_corpus(config, lambda each: found.append(dict(zip((at + 1 for at in each.reads), each.wanted, strict=True))))
    return found


@pytest.mark.parametrize("pad", ["</s>", "<unk>", "<s>"])
@pytest.mark.parametrize("form", FORMS)
def test_the_tokens_with_a_loss_are_those_of_the_collator(form: str, pad: str, configured: Callable[..., Config]) -> None:
    config = configured(form, pad, loss_on_padding=False)
    tokenizer = ended(pad)
    collate = hf.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    wanted, whole = [], []
    for text, found in zip(texts_of(form), TEXTS, strict=True):
        labels = collate([tokenizer(text)])["labels"][0].tolist()
        start = len(tokenizer(found)["input_ids"]) if form == "target" else 1  # BOS and the prompt, without EOS but with "/"
        wanted.append({at: label for at, label in enumerate(labels) if at >= start and label != -100})
        whole.append({at: token for at, token in enumerate(tokenizer(text)["input_ids"]) if at >= start})
    assert losses(config) == wanted
    assert losses(configured(form, pad)) == whole, "unless said otherwise each token has a loss"


@pytest.mark.parametrize("form", FORMS)
def test_a_build_says_that_padding_has_a_loss_until_it_is_said_whether_it_had_one(
    form: str, configured: Callable[..., Config]
) -> None:
    (line,) = survey_corpus(configured(form, "</s>")).remarks
    assert line.startswith("3 of 3 instances have a loss at '</s>', which is the tokenizer's padding token")
    for said in (True, False):
        assert survey_corpus(configured(form, "</s>", loss_on_padding=said)).remarks == ()
    assert survey_corpus(configured(form, "<s>")).remarks == (), "which stands in front, where there is no loss"


def test_only_a_loss_that_is_left_out_belongs_to_the_plan(configured: Callable[..., Config]) -> None:
    plans = [content_settings(configured("text", "</s>", loss_on_padding=said)) for said in (None, True, False)]
    assert plans[0] == plans[1]
    assert plans[2] == {**plans[0], "corpus.loss_on_padding": False}


def test_what_leaves_nothing_to_learn_is_refused(configured: Callable[..., Config], tmp_path: Path) -> None:
    config = configured("encoded", "</s>", loss_on_padding=False)
    renderer = make_renderer(config)
    with pytest.raises(InputError, match=r"^q: the padding token alone would have a loss \(corpus.loss_on_padding\)"):
        renderer.render({"input_ids": [5, 6, 0], "labels": [-100, -100, 0]}, "q")
    parts = renderer.instances({"input_ids": [5, 6, 7, 0], "labels": [-100, 6, -100, 0], "position_ids": [0, 1, 0, 1]}, "q")
    assert [(each.id, each.wanted) for each in parts] == [("#0", (6,))], "a packed text that teaches nothing is left out"
    hf.PreTrainedTokenizerFast(tokenizer_object=ended("</s>").backend_tokenizer, unk_token="<unk>").save_pretrained(
        tmp_path / "m"
    )
    with pytest.raises(InputError, match="the tokenizer has no padding token"):
        make_renderer(config)
    with pytest.raises(InputError, match=r'corpus.loss_on_padding is for task = "causal-lm" only, this is "sequence-class'):
        parse_config({"model": {"path": "m"}, "corpus": {"files": ["x"], "text": "{a}", "loss_on_padding": True}}, "c", tmp_path)
