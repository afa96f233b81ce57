"""The renderer of a model: its tokenizer, its special tokens, its longest sequence and the input form."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers.dynamic_module_utils import get_class_from_dynamic_module

from attridex.indexer.config import Config, CorpusConfig, ModelConfig
from attridex.indexer.corpus.reading import label_names
from attridex.indexer.corpus.rendering import Renderer
from attridex.indexer.errors import InputError
from attridex.indexer.forms.checks import Checked
from attridex.indexer.forms.documents import Documents
from attridex.indexer.forms.encoded import Encoded
from attridex.indexer.forms.encoding import Form
from attridex.indexer.forms.messages import Messages
from attridex.indexer.forms.segments import Segments
from attridex.indexer.forms.special_tokens import SpecialTokens, own_special_tokens
from attridex.indexer.forms.texts import Texts
from attridex.indexer.forms.vocabulary import Vocabulary
from attridex.indexer.index.layout import shown_name, stored_name
from attridex.indexer.models.adapters import read_adapter
from attridex.indexer.models.families import Family
from attridex.indexer.models.remarks import remarks_on
from attridex.indexer.models.sources import load_hf_config, resolve_labels, task_config
from attridex.indexer.models.tokenizers import (
    ENDLESS,
    check_padding,
    length_of,
    model_tokenizer,
    text_of_ids,
    tokenizer_source,
    vocabulary_of,
)  # fmt: skip
from attridex.indexer.structure.decoding import start_token
from attridex.indexer.structure.heads import auto_model
from attridex.indexer.task_forms.encoded_pairs import DecoderInput, EncodedPairs
from attridex.indexer.task_forms.source_target import SourceTarget
from attridex.indexer.task_forms.words import Words

NAMED_TASKS = ("sequence-classification", "multi-label", "token-classification")
"""Tasks whose labels are names of the model's outputs."""


def positions(hf: Any, family: Family) -> int:
    """Longest sequence that a model takes; T5 and its kin name one (`n_positions`), but count distances alone; XLNet names -1."""
    text = hf.get_text_config()
    if hf.is_encoder_decoder and getattr(text, "relative_attention_num_buckets", None):
        return ENDLESS
    told = (getattr(text, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len"))
    limit = int(next((each for each in told if each and each > 0), ENDLESS))
    return limit - hf.pad_token_id - 1 if family.positions_after_padding else limit


def known_start(start: int | None) -> int:
    """The token that a decoder begins with.

    Raises:
        InputError: the model's configuration does not say it.
    """
    if start is None:
        raise InputError(
            "model.path: the model's config.json has no decoder_start_token_id; attridex reads decoders that begin with one "
            "token, always the same (an mBART's begins with its label's last)"
        )
    return start


def special_tokens(tokenizer: Any, causal: bool) -> SpecialTokens:
    """BOS for causal models; CLS (or BOS) and SEP for encoders; none where the tokenizer has none."""
    first = tokenizer.bos_token_id if causal or tokenizer.cls_token_id is None else tokenizer.cls_token_id
    last = None if causal else tokenizer.sep_token_id
    return SpecialTokens(*(() if token is None else (int(token),) for token in (first, last)))


def with_class_names(config: Config) -> Config:
    """A configuration whose outputs have names, those of the label's classes, where the model's own are only numbered.

    The order of a ClassLabel column is then that of the outputs, as in the training.
    """
    if config.corpus.labels is not None or config.model.task not in NAMED_TASKS:
        return config
    names = label_names(config.corpus, config.model.task)
    if not names:
        return config
    adapter = read_adapter(config.model.adapter) if config.model.adapter else None
    hf, _ = task_config(config.model, adapter)
    numbered = [f"LABEL_{number}" for number in range(hf.num_labels)]
    own = [hf.id2label.get(number) for number in range(hf.num_labels)]
    one_logit = config.model.task == "sequence-classification" and hf.num_labels == 1  # decides between two
    return with_labels(config, names) if own == numbered and len(names) == (2 if one_logit else hf.num_labels) else config


def with_labels(config: Config, names: list[str]) -> Config:
    """A configuration with names of the outputs."""
    return config.model_copy(update={"corpus": config.corpus.model_copy(update={"labels": names})})


def with_length(config: Config) -> Config:
    """A configuration that says how long an input may be.

    Raises:
        InputError: there is no such model, adapter or tokenizer.
    """
    if config.model.max_length is not None:
        return config
    load_hf_config(config.model.path, config.model.revision, remote_code=config.model.trust_remote_code)
    length = length_of(config, model_tokenizer(config.model, config.corpus.rendering))
    return config.model_copy(update={"model": config.model.model_copy(update={"max_length": length})})


def make_renderer(config: Config) -> Renderer:
    """The rendering of a configuration with its model's tokenizer; no weights are loaded."""
    adapter = read_adapter(config.model.adapter) if config.model.adapter else None
    hf, family = task_config(config.model, adapter)
    tokenizer = model_tokenizer(config.model, config.corpus.rendering)
    vocabulary = vocabulary_of(tokenizer, hf, adapter, typed=takes_types(model_class(config.model, hf)))
    check_padding(tokenizer, vocabulary, config.model.task, tokenizer_source(config.model, config.corpus.rendering))
    labels = resolve_labels(config.corpus.labels, hf, config.model.task, config.corpus.rendering)
    last = family.causal or bool(hf.is_encoder_decoder) or getattr(hf, "summary_type", "") == "last"
    reads = Reads(tokenizer, vocabulary, family.causal, positions(hf, family), start_token(hf), family.end, last)
    return renderer_for(config, labels, reads)


def model_class(model: ModelConfig, hf: Any) -> Any:
    """The class that a task's model is made of, by its own code where that may run; None where transformers knows none."""
    auto_class = auto_model(model.task, hf)
    own = (getattr(hf, "auto_map", None) or {}).get(auto_class.__name__)
    if own and model.trust_remote_code:
        return get_class_from_dynamic_module(own, model.path, revision=model.revision)
    found = auto_class._model_mapping.get(type(hf), None)
    return found[0] if isinstance(found, tuple | list) else found


def takes_types(model: Any) -> bool:
    """Whether a model (or its class) is called with token types: a Trainer hands them over only where it names them."""
    return model is not None and "token_type_ids" in inspect.signature(model.forward).parameters


@dataclass(frozen=True)
class Reads:
    """What a model reads.

    Attributes:
        tokenizer: of the model.
        vocabulary: what is known of its tokens.
        causal: whether the model is a causal one.
        positions: tokens of a sequence at most.
        start: the token that a decoder begins with.
        end: the token whose last place a classifier reads; None where it looks for none.
        last: whether a classifier without an `end` reads the last token.
    """

    tokenizer: Any
    vocabulary: Vocabulary
    causal: bool
    positions: int
    start: int | None = None
    end: int | None = None
    last: bool = False

    @property
    def special(self) -> SpecialTokens:
        """What `segments` puts around a text."""
        own = self.end is not None
        return own_special_tokens(self.tokenizer) if own else special_tokens(self.tokenizer, self.causal)


def renderer_for(config: Config, labels: Sequence[str], model: Reads) -> Renderer:
    """The rendering for a model with these outputs; see `form_of` for what it raises."""
    doubted = model.tokenizer.pad_token_id if doubts_padding(config) else None
    vocabulary = replace(model.vocabulary, causal=model.last, end=model.end, doubted=doubted)
    remarks, task = remarks_on(config, model.tokenizer, vocabulary, model.special), config.model.task
    return Renderer(config.corpus, form_of(config, model), labels, model.tokenizer.decode, vocabulary, remarks, task)


def form_of(config: Config, model: Reads) -> Form:
    """The input form of a corpus, its tokens checked."""
    unlearned = unlearned_token(config.corpus, model.tokenizer)
    known = replace(model.vocabulary, end=model.end)
    form = Checked(unchecked_form(config, model), known, config.corpus.rendering, unlearned, stored_name)
    taken = [*config.corpus.metadata, *form.fields, *form.adds]
    if twice := [name for name in form.fields if shown_name(name) != name and taken.count(name) > 1]:
        raise InputError(
            f"corpus: the index calls the column '{shown_name(twice[0])}' '{twice[0]}', which is another's; rename it"
        )
    return form


def unlearned_token(corpus: CorpusConfig, tokenizer: Any) -> int | None:
    """The token that has no loss: that of padding, where the corpus says so.

    Raises:
        InputError: the tokenizer has none.
    """
    if corpus.loss_on_padding is not False:
        return None
    if tokenizer.pad_token_id is None:
        raise InputError(
            "corpus.loss_on_padding = false: the tokenizer has no padding token; save the training's there, which had one"
        )
    return int(tokenizer.pad_token_id)


def doubts_padding(config: Config) -> bool:
    """Whether nobody says if a language model learned its padding token; of chats TRL's collator has it learned."""
    return config.corpus.loss_on_padding is None and config.model.task == "causal-lm" and config.corpus.form != "messages"


def unchecked_form(config: Config, model: Reads) -> Form:
    """The input form of a corpus; a call that cuts to more tokens than the model takes would not shorten an input for it."""
    tokenizer, task, length = model.tokenizer, config.model.task, length_of(config, model.tokenizer)
    limit, whole = min(length, model.positions), length > model.positions
    corpus = config.corpus.model_copy(update={"truncation": False}) if whole else config.corpus
    choices, language = task == "multiple-choice", task == "causal-lm"
    match corpus.form:
        case "segments":
            return Segments(corpus, lambda text: plain_ids(tokenizer, text), model.special, limit, choices=choices)
        case "text" | "pair" if task == "seq2seq-lm":
            return SourceTarget(corpus, tokenizer, limit, known_start(model.start))
        case "encoded" if task == "seq2seq-lm":
            decoder = DecoderInput(known_start(model.start), model.vocabulary.padding)
            return EncodedPairs(corpus, text_of_ids(tokenizer), limit, decoder)
        case "text" if task == "token-classification":
            return Words(corpus, tokenizer, limit)
        case "text" | "pair":
            return Texts(corpus, tokenizer, limit, choices=choices, language=language)
        case "messages":
            return Messages(corpus, tokenizer, limit)
        case "documents":
            return Documents(corpus, tokenizer, limit, whole=whole)
        case _:
            return Encoded(corpus, text_of_ids(tokenizer), limit, task)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text without special tokens."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
