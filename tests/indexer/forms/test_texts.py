"""Texts and pairs: the very ids and token types of the tokenizer's own call, whatever the tokenizer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from attridex.indexer.config import CorpusConfig
from attridex.indexer.errors import InputError
from attridex.indexer.forms.texts import Texts
from tests.conftest import WORDS, piece_tokenizer, records, word_tokenizer

ROWS = [{**row, "text": f"{row['premise']} {row['hypothesis']}"} for row in records(9)]


def wordpiece() -> Any:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.lower().split(), "##s", "la", "##wy"]
    return hf.BertTokenizer(vocab={word: number for number, word in enumerate(dict.fromkeys(words))})


def templated() -> Any:
    """BOS in front and EOS behind, again for the second of a pair; cut from the left."""
    raw = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["<pad>", "<s>", "<unk>", *WORDS.split()])}, "<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A <pad>", pair="<s>:0 $A:0 <pad>:0 $B:1 <pad>:1", special_tokens=[("<s>", 1), ("<pad>", 0)]
    )
    named = {"bos_token": "<s>", "eos_token": "<pad>", "unk_token": "<unk>", "pad_token": "<pad>"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, **named, model_input_names=inputs, truncation_side="left")


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "no template": word_tokenizer,
    "CLS and SEP": wordpiece,
    "BOS and EOS, left": templated,
    "byte pieces": piece_tokenizer,
    "Python": hf.ByT5Tokenizer,
}


def made(tokenizer: Any, limit: int = 512, *, language: bool = False, **corpus: Any) -> Texts:
    return Texts(CorpusConfig(files=["x"], **corpus), tokenizer, limit, choices=False, language=language)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("side", [None, "left", "right"])
def test_ids_and_types_are_those_of_the_call(name: str, side: str | None) -> None:
    for strategy, limit in product((True, "longest_first", "only_first", "only_second", False), (11, 512)):
        tokenizer, plain = TOKENIZERS[name](), TOKENIZERS[name]()
        plain.truncation_side = side or plain.truncation_side
        cut = {"truncation": strategy, "truncation_side": side} if strategy else {}
        forms = {"pair": ["premise", "hypothesis"]} | ({} if strategy in ("only_first", "only_second") else {"text": "{text}"})
        options = {"truncation": strategy, "max_length": limit} if strategy else {}
        for (form, shown), row in product(forms.items(), ROWS):
            texts = [row["text"]] if form == "text" else [row["premise"], row["hypothesis"]]
            try:
                wanted = plain(*texts, verbose=False, **options)
            except Exception:  # the tokenizers' own, when nothing can be cut
                wanted = {"input_ids": [0] * (limit + 1)}
            encode = made(tokenizer, limit, **{form: shown}, **cut).encode
            if len(wanted["input_ids"]) > limit:
                with pytest.raises(InputError, match=r"^here: .*(tokens over the limit|cannot shorten it)"):
                    encode(row, "here")
                continue
            (found,) = encode(row, "here")
            assert found.sequences == (tuple(wanted["input_ids"]),)
            assert found.types == ((tuple(wanted["token_type_ids"]),) if "token_type_ids" in wanted else ())
            assert found.truncated == (len(plain(*texts, verbose=False)["input_ids"]) > limit)
        assert tokenizer.truncation_side == TOKENIZERS[name]().truncation_side


@pytest.mark.parametrize("name", TOKENIZERS)
def test_what_the_target_adds_has_a_loss(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    form = made(tokenizer, language=True, text="{premise}", target=" {answer}")
    for row in ROWS:
        (found,) = form.encode(row, "here")
        alone, whole = tokenizer(row["premise"])["input_ids"], tokenizer(f"{row['premise']} {row['answer']}")["input_ids"]
        shared = next((at for at, (one, other) in enumerate(zip(alone, whole, strict=False)) if one != other), len(alone))
        assert list(found.sequences[0]) == whole
        assert list(found.wanted) == whole[max(shared, 1) :]
        assert found.reads == tuple(range(len(whole) - len(found.wanted) - 1, len(whole) - 1))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_target_that_is_cut_has_a_loss_for_what_is_left_of_it(side: str) -> None:
    row = {"id": "x", "premise": "the a doctor lawyer", "answer": "saw helped paid"}
    tokenizer = word_tokenizer()
    settings = {"text": "{premise}", "target": " {answer}", "truncation": True, "truncation_side": side}
    ids = tokenizer(f"{row['premise']} {row['answer']}")["input_ids"]
    for limit in range(2, 8):
        form = made(tokenizer, limit, language=True, **settings)
        if side == "right" and limit < 5:
            with pytest.raises(InputError, match="nothing that has a loss is left of the target"):
                form.encode(row, "here")
            continue
        (found,) = form.encode(row, "here")
        kept = ids[:limit] if side == "right" else ids[-limit:]
        assert list(found.sequences[0]) == kept
        assert list(found.wanted) == [token for token in kept if token in ids[4:]][-(limit - 1) :]


def test_threads_that_render_at_once_get_what_one_alone_gets() -> None:
    tokenizer = word_tokenizer()
    form = made(tokenizer, 6, text="{text}", truncation=True)
    alone = [form.encode(row, "here") for row in ROWS * 20]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda row: form.encode(row, "here"), ROWS * 20)) == alone


@pytest.mark.parametrize("shown", [{"text": "premise"}, {"pair": ["the {{premise}}", "x {{y}}"]}])
def test_a_form_that_shows_no_column_is_refused(shown: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^corpus\.(text|pair): .* shows no column"):
        made(word_tokenizer(), **shown)


def test_a_pair_may_name_any_column_or_put_columns_together() -> None:
    form = made(word_tokenizer(), pair=["sentence 1", "{a} / {b}"])
    (found,) = form.encode({"id": "x", "sentence 1": "the dog", "a": "a", "b": "cat"}, "here")
    assert found.sequences[0] == tuple(word_tokenizer()("the dog", "a / cat")["input_ids"])
    assert form.fields == ("sentence 1", "a", "b")


class Shaped(hf.PreTrainedTokenizerFast):
    """Gives a shape of each token, as RoCBert's tokenizer does."""

    def __call__(self, *texts: Any, **options: Any) -> Any:
        """See `PreTrainedTokenizerBase.__call__`."""
        given = super().__call__(*texts, **options)
        return {**given, "input_shape_ids": [0] * len(given["input_ids"])}


def test_inputs_that_a_model_would_not_be_handed_are_refused() -> None:
    tokenizer = Shaped(tokenizer_object=word_tokenizer().backend_tokenizer, unk_token="<unk>", pad_token="<pad>")
    form = Texts(CorpusConfig(files=["x"], text="{text}"), tokenizer, 64, choices=False, language=False)
    with pytest.raises(InputError, match="the tokenizer gives 'input_shape_ids' beside the ids, which attridex does not hand"):
        form.encode(ROWS[0], "train.jsonl:1")
