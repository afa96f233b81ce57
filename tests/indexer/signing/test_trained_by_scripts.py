"""Models trained by plain Trainer scripts with their own tokenizer calls: an index says of each row what the trainer says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from attridex.indexer.building.build import build
from attridex.indexer.config import parse_config
from tests.conftest import CONFIGS, PIECES, WORDS, piece_tokenizer, records, word_tokenizer, write_jsonl

ROWS = 6
LIMIT = 9
CLOSE = 1e-5
"""The issue's bound; float32 sums in another order differ by 1e-6."""


def wordpiece() -> Any:
    """CLS, SEP and token types, as BERT has them."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return hf.BertTokenizer(vocab={word: number for number, word in enumerate([*specials, *WORDS.lower().split()])})


def templated(pad: str, *, types: bool = False) -> Any:
    """BOS in front, EOS behind, both between the parts of a pair; with `pad` as the padding token."""
    specials = ["<pad>", "<s>", "</s>", "<unk>"]
    raw = Tokenizer(models.WordLevel({word: at for at, word in enumerate(specials + WORDS.split())}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pair = "<s>:0 $A:0 </s>:0 <s>:1 $B:1 </s>:1"
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 1), ("</s>", 2)])
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": pad}
    more = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]} if types else {}
    return hf.PreTrainedTokenizerFast(tokenizer_object=raw, **named, **more)


TWO_SIDES = {f"{side}_{name}": 2 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")}
FFNS = {"encoder_ffn_dim": 40, "decoder_ffn_dim": 40}
TRAINED = {**CONFIGS, "bart": lambda: hf.BartConfig(d_model=24, vocab_size=60, **TWO_SIDES, **FFNS)}
"""Configurations of families."""
MODELS: dict[str, tuple[str, Callable[[], Any]]] = {
    "encoder": ("bert", wordpiece),
    "BOS and EOS": ("llama", lambda: templated("<pad>")),
    "EOS that pads": ("llama", lambda: templated("</s>")),
    "no template": ("opt", word_tokenizer),
    "byte pieces": ("qwen2", piece_tokenizer),
    "token types of a decoder": ("gpt2", lambda: templated("<pad>", types=True)),
    "an encoder's own decoder": ("bart", lambda: templated("<pad>")),
}
"""A family, and the kind of tokenizer that it was trained with."""

Encode = Callable[[Any, Mapping[str, Any]], dict[str, Any]]
"""The user's own call: encode(tokenizer, record)."""


@dataclass(frozen=True)
class Script:
    """What a user's script does, and the configuration that says the same."""

    encode: Encode
    corpus: dict[str, Any]
    task: str = "sequence-classification"
    model: dict[str, Any] = field(default_factory=lambda: {"max_length": 64})


def labelled(encode: Encode) -> Encode:
    """A classifier's rows."""
    return lambda tokenizer, record: {**encode(tokenizer, record), "label": record["label"]}


def language(encode: Encode) -> Encode:
    """Rows of which every token is learned."""

    def rows(tokenizer: Any, record: Mapping[str, Any]) -> dict[str, Any]:
        found = encode(tokenizer, record)
        return {**found, "labels": list(found["input_ids"])}

    return rows


def answered(tokenizer: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """The usual masking of a prompt, whose own end the template does not close."""
    prompt = tokenizer(record["premise"])["input_ids"]
    prompt = prompt[:-1] if prompt[-1] == tokenizer.eos_token_id and len(prompt) > 1 else prompt
    whole = tokenizer(f"{record['premise']} {record['answer']}")
    return {**whole, "labels": [-100] * len(prompt) + whole["input_ids"][len(prompt) :]}


def choices(first: Callable[[Mapping[str, Any], str], tuple[str, ...]], **options: Any) -> Encode:
    """One call a choice."""

    def rows(tokenizer: Any, record: Mapping[str, Any]) -> dict[str, Any]:
        made = [tokenizer(*first(record, choice), **options) for choice in record["choices"]]
        return {**{name: [each[name] for each in made] for name in made[0]}, "label": record["label"]}

    return rows


def both(record: Mapping[str, Any]) -> str:
    return f"{record['premise']} / {record['hypothesis']}"


CUT = {"truncation": True, "max_length": LIMIT}
SHORT = {"max_length": LIMIT}
SCRIPTS: dict[str, Script] = {
    "text": Script(labelled(lambda t, r: t(both(r))), {"text": "{premise} / {hypothesis}"}),
    "text, cut": Script(
        labelled(lambda t, r: t(both(r), **CUT)), {"text": "{premise} / {hypothesis}", "truncation": True}, model=SHORT
    ),
    "pair": Script(labelled(lambda t, r: t(r["premise"], r["hypothesis"])), {"pair": ["premise", "hypothesis"]}),
    "pair, cut": Script(
        labelled(lambda t, r: t(r["premise"], r["hypothesis"], **CUT)),
        {"pair": ["premise", "hypothesis"], "truncation": True}, model=SHORT,
    ),
    "pair, first cut": Script(
        labelled(lambda t, r: t(r["premise"], r["hypothesis"], truncation="only_first", max_length=11)),
        {"pair": ["premise", "hypothesis"], "truncation": "only_first"}, model={"max_length": 11},
    ),
    "choices in a text": Script(
        choices(lambda r, c: (f"{r['premise']} {c}",)), {"text": "{premise} {choice}"}, "multiple-choice"
    ),
    "choices in a pair": Script(
        choices(lambda r, c: (r["premise"], f"/ {c}"), **CUT),
        {"pair": ["premise", "/ {choice}"], "truncation": True}, "multiple-choice", SHORT,
    ),
    "language, text": Script(language(lambda t, r: t(both(r))), {"text": "{premise} / {hypothesis}"}, "causal-lm"),
    "language, text cut": Script(
        language(lambda t, r: t(both(r), **CUT)), {"text": "{premise} / {hypothesis}", "truncation": True}, "causal-lm", SHORT
    ),
    "language, pair": Script(
        language(lambda t, r: t(r["premise"], r["hypothesis"])), {"pair": ["premise", "hypothesis"]}, "causal-lm"
    ),
    "language, target": Script(answered, {"text": "{premise}", "target": " {answer}"}, "causal-lm"),
}  # fmt: skip


class ChoiceTrainer(hf.Trainer):  # type: ignore[misc]
    """Softmax over the choices of a row, as a script for decoders writes it."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """See `Trainer.compute_loss`."""
        label, count = inputs.pop("labels"), inputs["input_ids"].shape[1]
        logits = model(**{name: value.flatten(0, 1) for name, value in inputs.items()}).logits.reshape(-1, count)
        loss = torch.nn.functional.cross_entropy(logits, label)
        return (loss, {"loss": loss, "logits": logits}) if return_outputs else loss


@dataclass(frozen=True)
class Trained:
    """A trained model's directory, and what its trainer says of each row."""

    directory: Path
    losses: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


def trained(script: Script, family: str, tokenizer: Any, data: list[dict[str, Any]], directory: Path) -> Trained:
    """Run a user's training script: it knows nothing of attridex."""
    torch.manual_seed(0)
    config = TRAINED[family]()
    config.initializer_range = config.init_std = 0.2
    config.vocab_size = max(config.vocab_size, PIECES if family == "qwen2" else len(tokenizer))
    config.pad_token_id = tokenizer.pad_token_id
    config.num_labels = 1 if script.task == "multiple-choice" else 3
    auto = hf.AutoModelForCausalLM if script.task == "causal-lm" else hf.AutoModelForSequenceClassification
    rows = [script.encode(tokenizer, record) for record in data]
    trainer, collator = hf.Trainer, hf.DataCollatorWithPadding(tokenizer)
    if script.task == "causal-lm":
        collator = hf.DataCollatorForSeq2Seq(tokenizer)
    if script.task == "multiple-choice":
        trainer, collator = ChoiceTrainer, hf.DataCollatorForMultipleChoice(tokenizer)
    arguments = hf.TrainingArguments(
        output_dir=str(directory / "run"), max_steps=3, per_device_train_batch_size=3, learning_rate=1e-3, use_cpu=True,
        report_to=[], disable_tqdm=True, save_strategy="no", logging_strategy="no", per_device_eval_batch_size=1,
        dataloader_pin_memory=False,
    )  # fmt: skip
    run = trainer(
        model=auto.from_config(config), args=arguments, train_dataset=rows, data_collator=collator, processing_class=tokenizer
    )
    run.train()
    run.save_model(directory / "model")
    if script.task == "causal-lm":
        return Trained(directory / "model", token_losses(run, rows), None)
    losses = np.array([run.evaluate([row])["eval_loss"] for row in rows])
    said = [run.predict([row]).predictions for row in rows]  # BART's with its encoder's states behind them
    logits = np.concatenate([each[0] if isinstance(each, tuple) else each for each in said]).astype(np.float64)
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return Trained(directory / "model", losses, exponents / exponents.sum(1, keepdims=True))


@torch.no_grad()
def token_losses(run: Any, rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Its loss of each row; `evaluate` divides GPT-2's by one token more than have one."""
    return np.array([float(run.compute_loss(run.model.eval(), run.data_collator([dict(row)]))) for row in rows])


def indexed(index: Path) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Ids, losses and probabilities that an index holds."""
    shards = sorted(path.parent for path in index.glob("shards/*/shard.json"))
    tables = [pq.read_table(shard / "instances.parquet", columns=["id", "loss"]).to_pydict() for shard in shards]
    ids, losses = [each for table in tables for each in table["id"]], [each for table in tables for each in table["loss"]]
    return ids, np.array(losses), np.concatenate([np.load(shard / "predictions.npy") for shard in shards]).astype(np.float64)


COVERED = {
    "encoder": ["text", "text, cut", "pair", "pair, cut", "pair, first cut", "choices in a text", "choices in a pair"],
    "BOS and EOS": list(SCRIPTS),
    "EOS that pads": ["text", "pair, cut", "choices in a pair", "language, text", "language, target"],
    "no template": ["text", "pair", "language, text cut", "language, target"],
    "byte pieces": ["text, cut", "pair, cut", "choices in a text", "language, text", "language, target"],
    "token types of a decoder": ["text", "pair", "choices in a pair", "language, pair"],
    "an encoder's own decoder": ["text", "text, cut", "pair"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in COVERED.items() for name in names])
def test_an_index_says_what_the_trainer_says(kind: str, name: str, tmp_path: Path) -> None:
    (family, make), script = MODELS[kind], SCRIPTS[name]
    data = [{**row, "premise": row["premise"].lower(), "hypothesis": row["hypothesis"].lower()} for row in records(ROWS)]
    known = trained(script, family, make(), data, tmp_path)
    write_jsonl(tmp_path / "train.jsonl", data)
    settings: dict[str, Any] = {
        "model": {"path": str(known.directory), "task": script.task, **script.model},
        "corpus": {"files": ["train.jsonl"], **script.corpus},
        "gradients": {"parameters": "linear", "dim": 64},
        "neurons": {"enabled": False},
    }
    build(parse_config(settings, "c", tmp_path), tmp_path / "index", show_progress=False)
    ids, losses, probabilities = indexed(tmp_path / "index")
    assert ids == [row["id"] for row in data]
    np.testing.assert_allclose(losses, known.losses, rtol=CLOSE, atol=CLOSE)
    if known.probabilities is not None:
        np.testing.assert_allclose(probabilities, known.probabilities, rtol=CLOSE, atol=CLOSE)
