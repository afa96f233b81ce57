"""Indices from training scripts go on, verify and answer as any other."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from attridex.client import Client, Query
from attridex.client.errors import InvalidArgumentError, NotFoundError
from attridex.indexer import KeepCheckpoints, from_trainer
from attridex.indexer.errors import InputError
from attridex.indexer.trainers.rows import text_columns
from tests.conftest import records, tiny_model, word_tokenizer, write_jsonl
from tests.indexer.trainers.scripts import (
    SMALL,
    classifier,
    language_model,
    own_losses,
    stored_losses,
    tuned,
)


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


def test_columns_of_texts_are_kept_unless_others_are_asked_for(tmp_path: Path) -> None:
    trainer = classifier(tmp_path / "out")
    from_trainer(trainer, tmp_path / "index", settings={"neurons": {"enabled": False}}, show_progress=False)
    with Client.local(tmp_path / "index") as client:
        assert {"premise", "hypothesis", "genre", "answer", "text"} <= set(client.get_index().columns)
        found = [each.fields for each in client.list_instances(fields=["premise", "answer"])]
        with pytest.raises(NotFoundError, match="no instance 't3' in version 1 of index; ids are as '0', '1', '2'"):
            client.attribute_instances([Query.instance("t3")])
    assert found == [{name: row[name] for name in ("premise", "answer")} for row in records(7)]


def test_names_that_an_index_has_itself_are_left_to_it() -> None:
    row = {"id": "a", "Text": "b", "text": "c", "Document": "d", "loss": "e", "a": "f", "A": "g", "n": 1, "key": "k"}
    assert text_columns(row, "key") == ("text", "a")
    assert text_columns(["a"], "") == ()


@pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
def test_the_page_s_script_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attridex: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[3] / "docs/training-script.md").read_text()
    monkeypatch.chdir(tmp_path)
    tiny_model("bert").save_pretrained("base")
    tokenizer = word_tokenizer()
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained("base")
    names = ["entailment", "neutral", "contradiction"]
    write_jsonl(tmp_path / "train.jsonl", [{**row, "label": names[row["label"]]} for row in records(8)])
    script, asking = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(script, "script.py", "exec"), {})
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("index: 8 instances, their ids are column 'id'; attridex query ia --index index --instance 't0'")
    )
    exec(compile(asking, "ask.py", "exec"), {})
    assert capsys.readouterr().out.count("InstanceHit") == 3
    for command in re.findall(r"^\$ attridex ((?!serve).*)$", page, re.MULTILINE):
        ran = attridex(*command.split())
        assert ran.code == 0, ran.err
    with Client.local(tmp_path / "index") as client:
        assert client.attribute_instances([Query.instance("t3")], method="tracin", k=2).results[0].hits
        assert [each.fields["genre"] for each in client.list_instances(fields=["genre"])] == ["phone", "travel"] * 4
        assert [each.fields["label"] for each in client.list_instances(fields=["label"])] == [*names, *names, *names[:2]]
        with pytest.raises(InvalidArgumentError, match=r"missing column 'input_ids'.*\[dict\(tokenizer\(text\)\)\]"):
            client.attribute_instances([{"premise": "the dog", "hypothesis": "a dog"}])
