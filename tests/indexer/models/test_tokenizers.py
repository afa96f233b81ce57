"""Tokenizers: found where the training saved them, refused where texts would become other tokens than the model's."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, normalizers

from attridex.indexer.building.plan import survey_corpus
from attridex.indexer.config import Config, ModelConfig, parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.models.identity import model_identity
from attridex.indexer.models.loading import load_model
from attridex.indexer.models.renderers import make_renderer
from attridex.indexer.models.tokenizers import any_tokenizer, text_of_ids, tokenizer_source
from tests.conftest import CONFIGS, records, word_tokenizer, write_jsonl

VOCAB = 24
RECORD = {"id": "x", "premise": "the dog", "hypothesis": "a cat", "label": 1}


def saved(directory: Path, tokenizer: Any, family: str = "llama", **changed: Any) -> Path:
    """A tiny model with a tokenizer beside it."""
    torch.manual_seed(0)
    config = CONFIGS[family]()
    for name, value in {"vocab_size": VOCAB, **changed}.items():
        setattr(config, name, value)
    hf.AutoModelForSequenceClassification.from_config(config).save_pretrained(directory)
    if tokenizer is not None:
        tokenizer.save_pretrained(directory)
    return directory


def configured(directory: Path, model: dict[str, Any] | None = None, **corpus: Any) -> Config:
    """A configuration of the model in a directory."""
    shown = {"files": ["train.jsonl"], "segments": ["{premise}"], **corpus}
    shown = {key: value for key, value in shown.items() if value is not None}
    return parse_config({"model": {"path": str(directory), **(model or {})}, "corpus": shown}, "c", directory.parent)


@pytest.mark.parametrize("family", ["llama", "bert", "gpt2", "roberta", "gemma", "opt"])
def test_a_model_without_tokenizer_files_is_refused(family: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer lies there") as error:
        make_renderer(configured(saved(tmp_path / "m", None, family, vocab_size=40)))
    assert "\n" not in str(error.value)


def test_a_class_that_makes_words_of_its_own_is_no_tokenizer_of_the_model(tmp_path: Path) -> None:
    hf.T5Config(vocab_size=200).save_pretrained(tmp_path / "t5")
    with pytest.raises(InputError, match="no tokenizer lies there"):
        any_tokenizer(str(tmp_path / "t5"), None)
    hf.ByT5Tokenizer().save_pretrained(tmp_path / "bytes")  # needs no vocabulary
    hf.T5Config(vocab_size=400, tokenizer_class="ByT5Tokenizer").save_pretrained(tmp_path / "bytes")
    assert any_tokenizer(str(tmp_path / "bytes"), None)("ab").input_ids == [100, 101, 1]


def test_a_token_without_an_embedding_is_named_with_its_record(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["extra"])
    config = configured(saved(tmp_path / "m", tokenizer))
    renderer = make_renderer(config)
    assert renderer.render(RECORD, "x").sequences == ((1, 8, 17),)
    with pytest.raises(InputError, match=r"^here: token 'extra' is number 24, the model has 24 embeddings \(0 to 23\)"):
        renderer.render({**RECORD, "premise": "the extra"}, "here")
    write_jsonl(tmp_path / "train.jsonl", [*records(3), {**RECORD, "premise": "extra"}])
    with pytest.raises(InputError, match=r"train\.jsonl:4: token 'extra'"):
        survey_corpus(config)


def test_a_padding_token_without_an_embedding_is_refused_for_a_classifier(tmp_path: Path) -> None:
    tokenizer = word_tokenizer(pad=False)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    with pytest.raises(InputError, match=r"padding token '\[PAD\]' is number 24"):
        make_renderer(configured(saved(tmp_path / "m", tokenizer)))
    hf.AutoModelForCausalLM.from_config(hf.AutoConfig.from_pretrained(tmp_path / "m")).save_pretrained(tmp_path / "m")
    loaded = load_model(configured(tmp_path / "m", {"task": "causal-lm"}, target="{hypothesis}"))
    assert loaded.pad < VOCAB


def test_a_token_type_without_an_embedding_is_refused(tmp_path: Path) -> None:
    tokenizer = hf.BertTokenizer(
        vocab={word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the"])}
    )
    directory = saved(tmp_path / "m", tokenizer, "bert", type_vocab_size=1)
    config = configured(directory, segments=None, pair=["premise", "hypothesis"])
    with pytest.raises(InputError, match=r"^x: token type 1, the model has 1 \(0 to 0\)"):
        make_renderer(config).render(RECORD, "x")


@pytest.mark.parametrize("form", ["segments", "text"])
@pytest.mark.parametrize("template", ["{premise}", "Premise : {premise} / :", "{premise} {hypothesis}", "pair", "pair turned"])
@pytest.mark.parametrize("text", ["☃", "☃☃ ☃"])
def test_a_text_of_which_nothing_is_left_is_refused_as_an_empty_one_is(
    text: str, template: str, form: str, tmp_path: Path
) -> None:
    names = ["premise", "hypothesis"]
    pair = {"pair": names if template == "pair" else names[::-1]}
    shown = pair if "pair" in template else {form: template if form == "text" else [template]}
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("☃", "")
    renderer = make_renderer(configured(saved(tmp_path / "m", tokenizer), **{"segments": None, **shown}))
    assert renderer.render(RECORD, "x")
    with pytest.raises(InputError, match=r"^x: column 'premise' holds '.*', of which the tokenizer makes no tokens"):
        renderer.render({**RECORD, "premise": text}, "x")
    assert renderer.render({**RECORD, "premise": "zebra"}, "x")  # an unknown word is one


@pytest.mark.parametrize("shown", [{"segments": ["{premise}"]}, {"text": "{premise}"}])
def test_a_text_of_special_tokens_alone_is_refused(shown: Any, tmp_path: Path) -> None:
    renderer = make_renderer(configured(saved(tmp_path / "m", word_tokenizer()), **{"segments": None, **shown}))
    with pytest.raises(InputError, match=r"^x: the text has no tokens of its own"):
        renderer.render({**RECORD, "premise": "<s> <pad>"}, "x")


def test_an_old_index_reads_a_text_of_which_nothing_is_left_as_it_did(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("☃", "")
    renderer = make_renderer(configured(saved(tmp_path / "m", tokenizer), rendering=1))
    assert renderer.render({**RECORD, "premise": "☃"}, "x").sequences == ((1,),)


@pytest.fixture
def adapted(tmp_path: Path) -> Callable[[Any], Config]:
    """A base model with its tokenizer, and an adapter with one of its own beside it."""

    def make(tokenizer: Any) -> Config:
        peft = pytest.importorskip("peft")
        base = saved(tmp_path / "base", word_tokenizer(), "llama", vocab_size=30)
        model = hf.AutoModelForSequenceClassification.from_pretrained(base)
        settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["q_proj"])
        peft.get_peft_model(model, settings).save_pretrained(tmp_path / "adapter")
        if tokenizer is not None:
            tokenizer.save_pretrained(tmp_path / "adapter")
        return configured(base, {"adapter": str(tmp_path / "adapter")})

    return make


def test_the_tokenizer_beside_the_adapter_wins(adapted: Callable[[Any], Config], tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    tokenizer.add_tokens(["extra"])
    config = adapted(tokenizer)
    record = {**RECORD, "premise": "the extra"}
    assert make_renderer(config).render(record, "x").sequences == ((1, 8, 24),)
    assert load_model(config).tokenizer("the extra").input_ids == [8, 24]
    old = config.model_copy(update={"corpus": config.corpus.model_copy(update={"rendering": 1})})
    assert make_renderer(old).render(record, "x").sequences == ((1, 8, 2),)
    before = model_identity(config.model)
    assert before.tokenizer != model_identity(config.model, rendering=1).tokenizer
    (tmp_path / "adapter/tokenizer.json").write_text((tmp_path / "adapter/tokenizer.json").read_text() + " ")
    assert model_identity(config.model).tokenizer != before.tokenizer


def test_an_adapter_without_a_tokenizer_has_that_of_its_base(adapted: Callable[[Any], Config]) -> None:
    config = adapted(None)
    assert tokenizer_source(config.model, 2) == config.model.path
    assert model_identity(config.model).tokenizer == model_identity(config.model, rendering=1).tokenizer


@pytest.mark.parametrize("name", ["tekken.json", "qwen.tiktoken", "source.spm", "entity_vocab.json", "bpe.codes"])
def test_every_file_of_a_tokenizer_is_of_its_identity_but_for_indices_that_were_built_without_a_look_at_it(
    name: str, model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    model = ModelConfig(path=str(shutil.copytree(model_dir("opt"), tmp_path / "m")))
    bare = [model_identity(model, rendering).tokenizer for rendering in (2, 3)]
    assert bare[0] == bare[1]
    found = []
    for content in ("one", "other"):
        (tmp_path / "m" / name).write_text(content)
        found.append([model_identity(model, rendering).tokenizer for rendering in (2, 3)])
    (old, new), (same, changed) = found
    assert (old, same) == (bare[0], bare[0])
    assert len({bare[1], new, changed}) == 3


def test_tiny_models_of_the_tests_read_their_words(model_dir: Callable[..., Path]) -> None:
    for family in ("qwen2", "bert", "roberta", "gpt2"):
        tokenizer = any_tokenizer(str(model_dir(family)), None)
        assert len(set(tokenizer("the dog saw", add_special_tokens=False).input_ids)) == 3


def test_special_tokens_part_lines_and_pieces_are_joined_where_a_tokenizer_does_not_say_how() -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "to", "##day", "is"]
    vocabulary = {word: number for number, word in enumerate(words)}
    pieces = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    for tokenizer in (hf.BertTokenizer(vocab=vocabulary), hf.PreTrainedTokenizerFast(tokenizer_object=pieces, sep_token="[SEP]")):
        decode = tokenizer.decode([5, 6])
        assert text_of_ids(tokenizer)([3, 3, 5, 6, 7, 3, 5, 1, 3]) == "today is\nto [UNK]"
        assert tokenizer.decode([5, 6]) == decode, "the tokenizer itself is left as it is"
