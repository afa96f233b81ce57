"""Indices from training scripts: their losses are the trainer's own, and they go on, answer and are refused as any other."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import peft
import pytest
import torch
import transformers as hf
from trl import SFTConfig, SFTTrainer

from attridex.client import Client, Query
from attridex.indexer import KeepCheckpoints, from_trainer
from attridex.indexer.errors import InputError
from tests.conftest import CONFIGS, records, tiny_model, word_tokenizer, write_jsonl

QUIET: dict[str, Any] = {
    "per_device_train_batch_size": 2, "max_steps": 4, "learning_rate": 1e-2, "report_to": [], "disable_tqdm": True,
    "log_level": "error", "save_strategy": "no", "logging_strategy": "no", "use_cpu": True, "dataloader_pin_memory": False,
}  # fmt: skip
"""Arguments of a training of four steps that says nothing."""
TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {{ eos_token }} {% endfor %}"
CHATS = [
    {"prompt": [{"role": "Premise", "content": row["premise"]}], "completion": [{"role": "Answer", "content": row["answer"]}]}
    for row in records(6)
]
SMALL: dict[str, Any] = {"neurons": {"steps": 3}, "index": {"shard_rows": 4}}


def classifier(out: Path, **more: Any) -> hf.Trainer:
    """A plain script: sentence pairs, tokenised beforehand, padded by the collator."""
    tokenizer = word_tokenizer()
    data = datasets.Dataset.from_list(records(7)).map(lambda row: tokenizer(row["premise"], row["hypothesis"]))
    arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
    return hf.Trainer(tiny_model("bert"), arguments, train_dataset=data, processing_class=tokenizer, **more)


def language_model(out: Path, **more: Any) -> hf.Trainer:
    """A plain script: texts that the language-model collator makes labels of."""
    tokenizer = word_tokenizer()
    rows = [dict(tokenizer("<s> " + row["premise"] + " Answer : " + row["answer"])) for row in records(6)]
    arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
    collator = hf.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    model = tiny_model("llama", "causal-lm")
    return hf.Trainer(model, arguments, train_dataset=rows, data_collator=collator, processing_class=tokenizer, **more)


def tuned(out: Path, base: Any = None, lora: bool = False, **settings: Any) -> SFTTrainer:
    """TRL's script: chats, whose completions have a loss."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = SFTConfig(output_dir=str(out), bf16=False, **{**QUIET, "max_length": 24, **settings})
    adapter = peft.LoraConfig(r=2, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM") if lora else None
    model = base or tiny_model("llama", "causal-lm")
    data = datasets.Dataset.from_list(CHATS)
    return SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer, peft_config=adapter)


def flattened(out: Path) -> hf.Trainer:
    """A script whose batches are one row: texts one behind the other, told apart by their positions."""
    trainer = language_model(out)
    trainer.data_collator = hf.DataCollatorWithFlattening(return_flash_attn_kwargs=True)
    return trainer


def own_losses(trainer: Any) -> list[float]:
    """What the trainer's model says of each row by itself."""
    trainer.model.eval()
    loader = trainer.get_train_dataloader()
    with torch.no_grad():
        return [float(trainer.model(**loader.collate_fn([row])).loss) for row in loader.dataset]


def stored_losses(index: Path) -> list[float]:
    """Losses of all instances of an index, by row; of the parts of a packed row their mean over tokens."""
    with Client.local(index) as client:
        return [each.fields["loss"] for each in client.list_instances(fields=["loss"])]


SCRIPTS: dict[str, Callable[[Path], Any]] = {
    "classifier": classifier,
    "language model": language_model,
    "sft": tuned,
    "flattened": flattened,
    "sft packed without padding": lambda out: tuned(out, padding_free=True, max_length=None),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
def test_losses_of_an_index_are_those_of_the_trainer(script: Callable[[Path], Any], tmp_path: Path) -> None:
    trainer = script(tmp_path / "out")
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert built is not None
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


def deciding(task: str) -> Callable[[Path], hf.Trainer]:
    """A plain script of one of transformers' other heads."""

    def make(out: Path) -> hf.Trainer:
        tokenizer, rows = word_tokenizer(), []
        model, collator, label = HEADS[task]()
        for number, row in enumerate(records(6)):
            texts = (
                [f"{row['premise']} {choice}" for choice in row["choices"]]
                if task == "multiple-choice"
                else "<s> " + row["premise"]
            )
            encoded = dict(tokenizer(texts, padding=task == "multiple-choice"))
            rows.append({**encoded, collator[1]: label(number, encoded["input_ids"])})
        arguments = hf.TrainingArguments(output_dir=str(out), **QUIET)
        return hf.Trainer(model, arguments, train_dataset=rows, data_collator=collator[0](tokenizer), processing_class=tokenizer)

    return make


def head(made: Any, **settings: Any) -> Any:
    """A tiny BERT with a head."""
    torch.manual_seed(0)
    config = CONFIGS["bert"]()
    for name, value in settings.items():
        setattr(config, name, value)
    return made(config)


HEADS: dict[str, Callable[[], Any]] = {
    "regression": lambda: (
        head(hf.BertForSequenceClassification, num_labels=1), (hf.DataCollatorWithPadding, "label"), lambda n, _: n / 4 - 0.3
    ),
    "multi-label": lambda: (
        head(hf.BertForSequenceClassification, problem_type="multi_label_classification"),
        (hf.DataCollatorWithPadding, "label"), lambda n, _: [float(n % 2), float(n % 3 == 0), 1.0],
    ),
    "token-classification": lambda: (
        head(hf.BertForTokenClassification), (hf.DataCollatorForTokenClassification, "labels"),
        lambda n, ids: [-100, *((n + at) % 3 for at in range(1, len(ids)))],
    ),
    "multiple-choice": lambda: (
        head(hf.BertForMultipleChoice), (hf.DataCollatorForMultipleChoice, "label"), lambda n, _: n % 3
    ),
}  # fmt: skip
"""Model, collator and label of each other head, by task."""


@pytest.mark.parametrize("task", HEADS)
def test_other_heads_have_the_losses_of_their_trainer(task: str, tmp_path: Path) -> None:
    trainer = deciding(task)(tmp_path / "out")
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert built is not None
    assert built.manifest.task == task
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> hf.Trainer:
    """A language model's training that is done, its checkpoints kept and its model saved by the script."""
    trainer = language_model(tmp_path_factory.mktemp("script") / "out", callbacks=[KeepCheckpoints(2)])
    trainer.train()
    trainer.save_model()
    return trainer


def test_an_index_of_packed_chats_has_an_instance_for_each(tmp_path: Path) -> None:
    trainer = tuned(tmp_path / "out", packing=True, packing_strategy="bfd", padding_free=True, max_length=16)
    trainer.train()
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    alone = tuned(tmp_path / "alone", base=trainer.model)
    assert sorted(stored_losses(tmp_path / "index")) == pytest.approx(sorted(own_losses(alone)), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*adapter.*:UserWarning")
def test_an_adapter_s_index_takes_the_adapter_and_its_base_model(tmp_path: Path, attridex: Any) -> None:
    tiny_model("llama", "causal-lm").save_pretrained(tmp_path / "base")
    word_tokenizer().save_pretrained(tmp_path / "base")
    base = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    trainer = tuned(tmp_path / "out", base, lora=True, learning_rate=0.3)
    trainer.add_callback(KeepCheckpoints(1))
    trainer.train()
    built = from_trainer(trainer, tmp_path / "index", parameters="adapter", settings=SMALL, show_progress=False)
    assert built is not None
    assert built.manifest.config.model.path == str(tmp_path / "base")
    assert built.manifest.config.model.adapter == str(tmp_path / "index" / "source" / "model")
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)
    (tmp_path / "index").rename(tmp_path / "moved")
    with Client.local(tmp_path / "moved") as client:
        assert client.attribute_instances([Query.instance("2")], method="tracin", k=3).results[0].hits
    assert (ran := attridex("verify", tmp_path / "moved")).code == 0, ran.err


def test_the_index_of_a_script_goes_on_verifies_and_answers_by_row_and_by_tokens(
    script: hf.Trainer, tmp_path: Path, attridex: Any
) -> None:
    index = tmp_path / "index"
    built = from_trainer(script, index, curvature=["ekfac"], settings=SMALL, show_progress=False)
    assert built is not None
    config = built.manifest.config
    assert (config.model.path, config.model.task) == (script.args.output_dir, "causal-lm")
    assert (config.neurons.rule, config.gradients.parameters) == ("gradient", "linear")
    schedule = [1e-2 * (4 - step) / 4 for step in (1, 3)]  # linear, over four steps
    assert config.model.checkpoint_rates == pytest.approx(schedule)
    before = stored_losses(index)
    shard = next((index / "shards").iterdir())
    sidecar = (shard / "shard.json").read_bytes()
    shutil.rmtree(shard)
    ran = attridex("build", index / "source" / "config.toml", "--out", index)
    assert ran.code == 0, ran.err
    assert (shard / "shard.json").read_bytes() == sidecar
    assert (ran := attridex("verify", index)).code == 0, ran.err + ran.out
    with (index / "source" / "rows.parquet").open("ab") as stream:
        stream.write(b" ")
    assert "rows.parquet: " in attridex("verify", index).err
    with (index / "source" / "rows.parquet").open("r+b") as stream:
        stream.truncate((index / "source" / "rows.parquet").stat().st_size - 1)
    assert (
        from_trainer(script, index, curvature=["ekfac"], settings=SMALL, show_progress=False) is not None
    )  # again: all is there
    assert stored_losses(index) == before
    row = script.get_train_dataloader().collate_fn([script.train_dataset[3]])
    query = {name: values[0].tolist() for name, values in row.items()}
    with Client.local(index) as client:
        for method, settings in {"grad-cos": {}, "tracin": {}, "influence": {"curvature": "ekfac"}}.items():
            for asked in (query, Query.instance("3")):
                (found,) = client.attribute_instances([asked], method=method, k=2, **settings).results
                assert found.prediction is not None
                assert found.prediction.loss == pytest.approx(before[3], rel=1e-5)
                assert method != "grad-cos" or found.hits[0].id == "3"


def test_ids_and_metadata_come_from_columns_that_the_model_is_not_given(tmp_path: Path) -> None:
    trainer = classifier(tmp_path / "out")
    from_trainer(trainer, tmp_path / "index", id="id", metadata=["genre", "premise"], settings=SMALL, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        found = list(client.list_instances(where="genre = 'phone'", fields=["premise", "label"]))
    assert [each.id for each in found] == ["t0", "t2", "t4", "t6"]
    assert [each.fields["premise"] for each in found] == [row["premise"] for row in records(7)[::2]]
    assert [each.fields["label"] for each in found] == [f"LABEL_{row['label']}" for row in records(7)[::2]]
    with pytest.raises(InputError, match=r"row 0: no column 'genres'; did you mean 'genre'\?"):
        from_trainer(trainer, tmp_path / "other", metadata=["genres"], show_progress=False)
    assert not (tmp_path / "other" / "plan.json").exists()


def test_the_rule_of_neurons_is_said_where_it_is_not_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, (made, neurons, said) in enumerate(
        [(language_model, {}, True), (language_model, {"rule": "gradient"}, False), (language_model, {"enabled": False}, False),
         (classifier, {"steps": 3}, False)]
    ):  # fmt: skip
        from_trainer(made(tmp_path / "out"), tmp_path / str(number), settings={"neurons": neurons})
        assert ('scored by one backward pass (rule = "gradient")' in capsys.readouterr().err) is said


def test_rows_without_a_loss_are_left_out_and_counted(tmp_path: Path) -> None:
    trainer = language_model(tmp_path / "out")
    trainer.data_collator = hf.DataCollatorForSeq2Seq(word_tokenizer())
    for number, row in enumerate(trainer.train_dataset):
        row["labels"] = [-100] * len(row["input_ids"]) if number in (1, 4) else row["input_ids"]
    with pytest.warns(UserWarning, match="2 rows have no token with a loss"):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        assert [each.id for each in client.list_instances()] == ["0", "2", "3", "5"]


def masking(rows: list[Any]) -> Any:
    """Draws what it masks."""
    ids = torch.tensor([rows[0]["input_ids"]])
    return {"input_ids": torch.where(torch.rand(ids.shape) < 0.5, 2, ids), "labels": ids}


def doubling(rows: list[Any]) -> Any:
    """Gives each row twice."""
    ids = torch.tensor([rows[0]["input_ids"]] * 2)
    return {"input_ids": ids, "labels": ids}


def left(rows: list[Any]) -> Any:
    """Pads on the left, so that a model with learned positions sees other ones."""
    ids = torch.tensor([[0] * 9 + rows[0]["input_ids"]])
    mask = torch.tensor([[0] * 9 + [1] * len(rows[0]["input_ids"])])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.where(mask.cumsum(1) > 1, ids, -100)}


def pictures(rows: list[Any]) -> Any:
    """Gives what only a model of pictures reads."""
    return {"input_ids": torch.tensor([rows[0]["input_ids"]]), "pixel_values": torch.zeros(1, 3)}


def pairing(rows: list[Any]) -> Any:
    """Needs two rows."""
    return {"input_ids": torch.tensor([rows[1]["input_ids"]])}


@pytest.mark.parametrize(
    ("collator", "family", "words"),
    [
        (masking, "llama", "row 0: the data collator .* another batch each time"),
        (doubling, "llama", r"makes 'input_ids' of shape \[2, 5\] of one row"),
        (left, "gpt2", "instance '0': its row holds padding before its text, and what GPT2LMHeadModel says of it"),
        (pictures, "llama", "gives 'pixel_values', which attridex does not read; known: input_ids"),
        (pairing, "llama", "makes no batch of one row .IndexError"),
    ],
    ids=["random", "several", "left", "unknown", "pairs"],
)
def test_collators_whose_rows_are_not_what_the_model_saw_are_refused(
    collator: Any, family: str, words: str, tmp_path: Path
) -> None:
    trainer = language_model(tmp_path / "out")
    trainer.model, trainer.data_collator = tiny_model(family, "causal-lm"), collator
    with pytest.raises(InputError, match=words):
        from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert not (tmp_path / "index" / "plan.json").exists()


def test_padding_on_the_left_with_its_positions_is_what_the_model_saw(tmp_path: Path) -> None:
    def collate(rows: list[Any]) -> Any:
        batch = left(rows)
        return {**batch, "position_ids": (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)}

    trainer = language_model(tmp_path / "out")
    trainer.model, trainer.data_collator = tiny_model("gpt2", "causal-lm"), collate
    from_trainer(trainer, tmp_path / "index", settings=SMALL, show_progress=False)
    assert stored_losses(tmp_path / "index") == pytest.approx(own_losses(trainer), rel=1e-5)


class Rows(torch.utils.data.IterableDataset):
    """A stream."""

    def __iter__(self) -> Any:
        return iter([])


def test_what_is_no_whole_training_is_refused_in_a_line(script: hf.Trainer, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="full: not empty and no index of a training"):
        from_trainer(script, tmp_path / "full", show_progress=False)
    with pytest.raises(InputError, match=r"from_trainer: unknown key 'neurons\.enable': did you mean 'enabled'"):
        from_trainer(script, tmp_path / "a", settings={"neurons": {"enable": False}}, show_progress=False)
    for data, words in ((None, "no train_dataset"), (Rows(), "is a stream")):
        other = language_model(tmp_path / "out")
        other.train_dataset = data
        with pytest.raises(InputError, match=words):
            from_trainer(other, tmp_path / "a", show_progress=False)
    other = language_model(tmp_path / "out")
    other.processing_class = other.data_collator = None
    with pytest.raises(InputError, match="no tokenizer"):
        from_trainer(other, tmp_path / "a", show_progress=False)
    assert not (tmp_path / "a").exists()
    other = language_model(tmp_path / "out")
    other.model = hf.T5ForConditionalGeneration(hf.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=40))
    with pytest.raises(InputError, match=r"a T5ForConditionalGeneration is of no task that is known here; give task = "):
        from_trainer(other, tmp_path / "a", show_progress=False)
    sharded = language_model(tmp_path / "out")
    next(sharded.model.parameters()).ds_id = 0
    with pytest.raises(InputError, match="the model is sharded"):
        from_trainer(sharded, tmp_path / "a", show_progress=False)
    from_trainer(language_model(tmp_path / "out"), tmp_path / "b", settings=SMALL, show_progress=False)
    with pytest.raises(InputError, match="holds the index of another training"):
        from_trainer(script, tmp_path / "b", settings=SMALL, show_progress=False)


@pytest.mark.parametrize(
    ("how", "words"),
    [("ia3", "kind IA3; attridex knows LORA"), ("homeless", "loaded from nowhere"), ("two", "adapters are default, other")],
)
@pytest.mark.filterwarnings("ignore:.*adapter.*:UserWarning")
def test_adapters_that_cannot_be_indexed_are_refused_before_any_work(how: str, words: str, tmp_path: Path) -> None:
    settings = peft.IA3Config(task_type="CAUSAL_LM") if how == "ia3" else peft.LoraConfig(r=2, task_type="CAUSAL_LM")
    trainer, base = language_model(tmp_path / "out"), tiny_model("llama", "causal-lm")
    trainer.model = peft.get_peft_model(base, settings)
    if how == "two":
        trainer.model.add_adapter("other", settings)
    with pytest.raises(InputError, match=words):
        from_trainer(trainer, tmp_path / "index", show_progress=False)
    assert not (tmp_path / "index").exists()


def test_only_the_first_process_builds(script: hf.Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "is_world_process_zero", lambda: False)
    assert from_trainer(script, tmp_path / "index") is None
    assert not (tmp_path / "index").exists()


@pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
def test_the_page_s_script_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attridex: Any) -> None:
    page = (Path(__file__).parents[3] / "docs/training-script.md").read_text()
    monkeypatch.chdir(tmp_path)
    tiny_model("bert").save_pretrained("base")
    tokenizer = word_tokenizer()
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained("base")
    write_jsonl(tmp_path / "train.jsonl", records(8))
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(script, "script.py", "exec"), {})
    for command in re.findall(r"^\$ attridex ((?!serve).*)$", page, re.MULTILINE):
        ran = attridex(*command.split())
        assert ran.code == 0, ran.err
    with Client.local(tmp_path / "index") as client:
        assert client.attribute_instances([Query.instance("t3")], method="tracin", k=2).results[0].hits
        assert [each.fields["genre"] for each in client.list_instances(fields=["genre"])] == ["phone", "travel"] * 4
