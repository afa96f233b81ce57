"""Token classification: trained by a plain script, read as the trainer reads it, against plain loops through the model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import Tensor

from attridex.client import Client, Query
from attridex.indexer import build, load_config
from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.signing.signer import Signer
from tests.conftest import CONFIGS, records, word_tokenizer, write_jsonl, write_toml
from tests.indexer.forms.conftest import train, trainer_losses
from tests.indexer.oracles import last_position

NAMES = ["O", "B-X", "I-X"]
STEPS = 3


def rows() -> list[dict[str, Any]]:
    """Words with tags; one word has none."""
    made = []
    for row in records(6)[1:]:
        words = row["premise"].split()
        tags: list[Any] = [(len(word) + at) % 3 for at, word in enumerate(words)]
        made.append({"id": row["id"], "tokens": words, "tags": [*tags[:-1], -100] if len(words) > 3 else tags})
    return made


@pytest.fixture(scope="module", params=["bert", "roberta", "llama"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The script of transformers' own course: a word's first token has its label."""
    place = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    config = CONFIGS[request.param]()
    config.id2label, config.initializer_range = dict(enumerate(NAMES)), 0.3
    config.label2id = {name: number for number, name in enumerate(NAMES)}
    tokenizer = word_tokenizer()
    encoded = []
    for row in rows():
        given = tokenizer(row["tokens"], is_split_into_words=True)
        owners = given.word_ids()
        first = [word is not None and word not in owners[:at] for at, word in enumerate(owners)]
        labels = [row["tags"][word] if new else -100 for word, new in zip(owners, first, strict=True)]
        encoded.append({**given, "labels": labels})
    model = hf.AutoModelForTokenClassification.from_config(config)
    collator = hf.DataCollatorForTokenClassification(tokenizer)
    return train(model, encoded, place / "model", tokenizer, data_collator=collator), place


def settings(place: Path, **corpus: Any) -> dict[str, Any]:
    return {
        "model": {"path": str(place / "model"), "task": "token-classification"},
        "corpus": {"files": ["train.jsonl"], "text": "{tokens}", "label": "tags", **corpus},
        "neurons": {"steps": STEPS},
        "gradients": {"parameters": "linear", "projection": "none"},
    }


@pytest.fixture
def made(trained: tuple[Any, Path]) -> Signer:
    return Signer.load(parse_config(settings(trained[1]), "test", trained[1]))


def rendered(made: Signer) -> list[RenderedInstance]:
    return [made.render(row, "row") for row in rows()]


def logits(made: Signer, instance: RenderedInstance) -> Tensor:
    found: Tensor = made.arch.model(input_ids=torch.tensor(instance.sequences)).logits[0]
    return found


def toml(place: Path, **corpus: Any) -> Path:
    write_jsonl(place / "train.jsonl", rows())
    return write_toml(place / "config.toml", settings(place, **corpus))


def test_an_index_has_the_trainer_s_losses_and_labels(trained: tuple[Any, Path], tmp_path: Path) -> None:
    trainer, place = trained
    wanted = trainer_losses(trainer, trainer.train_dataset)
    build(load_config(toml(place)), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        stored = list(client.list_instances(fields=["loss", "label", "predicted"]))
        asked = client.predict(rows()).results
        again = client.predict([Query.instance(each.id) for each in stored]).results
        unlabelled = client.predict([{name: row[name] for name in ("id", "tokens")} for row in rows()]).results
        assert client.attribute_instances(rows()[:2], k=3).results[1].hits[0].id
        assert client.attribute_neurons([Query("x", Query.instance("t2").source, "B-X")]).results[0].neurons
    for loss, row, instance, *results in zip(wanted, rows(), stored, asked, again, unlabelled, strict=True):
        assert instance.fields["loss"] == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert results[0].baseline.loss == results[1].baseline.loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert json.loads(instance.fields["label"]) == [None if tag < 0 else NAMES[tag] for tag in row["tags"]]
        assert instance.fields["predicted"] == results[0].baseline.predicted
        assert len(json.loads(results[2].baseline.predicted)) == len(row["tokens"])


def test_every_labelled_token_can_be_an_instance_of_its_own(trained: tuple[Any, Path], tmp_path: Path) -> None:
    _, place = trained
    build(load_config(toml(place, per_token=True)), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        stored = list(client.list_instances(fields=["loss", "label"]))
        again = client.predict([Query.instance(each.id) for each in stored]).results
        whole = client.predict(rows()).results
    assert len(stored) == sum(tag >= 0 for row in rows() for tag in row["tags"])
    for instance, result in zip(stored, again, strict=True):
        assert result.baseline.loss == pytest.approx(instance.fields["loss"], rel=1e-5)
        assert result.baseline.label == instance.fields["label"]
    means = [np.mean([one.fields["loss"] for one in stored if one.id.split("#")[0] == row["id"]]) for row in rows()]
    assert [each.baseline.loss for each in whole] == pytest.approx(means, rel=1e-4)


@pytest.mark.parametrize("scope", ["linear", "head"])
def test_gradients_equal_autograd_of_each_instance_alone(trained: tuple[Any, Path], scope: str) -> None:
    config = {**settings(trained[1]), "gradients": {"parameters": scope, "projection": "none"}}
    made = Signer.load(parse_config(config, "test", trained[1]))
    layers = [made.arch.head] if scope == "head" else list(made.arch.linear_layers().values())
    for instance, signature in zip(rendered(made), made.sign(rendered(made), neurons=False), strict=True):
        weights = [layer.get_parameter("weight").requires_grad_(True) for layer in layers]
        z = logits(made, instance)[list(instance.reads)]
        loss = torch.nn.functional.cross_entropy(z, torch.tensor(instance.wanted))
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        for weight in weights:
            weight.requires_grad_(False)
        torch.testing.assert_close(torch.tensor(signature.gradient), flat, rtol=1e-3, atol=1e-5 * float(flat.abs().max()))


def test_scores_are_means_over_tokens_each_edited_at_its_own_position(made: Signer) -> None:
    instance = rendered(made)[2]
    found = made.sign([instance])[0].scores
    assert found is not None
    said = logits(made, instance).argmax(-1)
    for layer in range(made.layers):
        wanted = torch.zeros(made.units)
        for read in instance.reads:
            seen: list[Tensor] = []
            with last_position(made.arch, layer, read, lambda a, seen=seen: seen.append(a) or a):  # type: ignore[misc]
                logits(made, instance)
            for k in range(STEPS):
                point = (seen[-1] * k / (STEPS - 1)).detach().requires_grad_(True)
                with last_position(made.arch, layer, read, lambda _a, point=point: point):
                    p = logits(made, instance)[read].softmax(-1)[said[read]]
                wanted += (seen[-1] * torch.autograd.grad(p, point)[0] / STEPS).detach() / len(instance.reads)
        torch.testing.assert_close(torch.tensor(found[layer]), wanted, rtol=1e-3, atol=1e-5 * float(np.abs(found).max()))


def test_results_do_not_depend_on_the_batch(made: Signer) -> None:
    instances = rendered(made)
    for one, other in zip(made.sign(instances), [made.sign([instance])[0] for instance in instances], strict=True):
        for name in ("gradient", "scores", "hidden", "probabilities", "activation"):
            left, right = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4 * np.abs(right).max(), err_msg=name)
        assert (one.said, one.label) == (other.said, other.label)


def test_edits_are_made_at_each_token_alone(made: Signer) -> None:
    instance = rendered(made)[1]
    found = made.edit([instance], [[NeuronEdit("suppress", ((1, 3), (1, 5)))]])[0]
    parts = []
    for read in instance.reads:
        with last_position(made.arch, 1, read, lambda a: a * torch.tensor([float(unit not in (3, 5)) for unit in range(len(a))])):
            parts.append(logits(made, instance)[read].softmax(-1).detach())
    torch.testing.assert_close(torch.tensor(found.probabilities[1]), torch.stack(parts).mean(0), rtol=1e-4, atol=1e-6)
    assert json.loads(found.said[1]) == [NAMES[int(p.argmax())] for p in parts]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tags": [0, 1]}, "one for each word"), ({"tags": [7] * 3}, "none of the model's outputs"),
        ({"tokens": "not a list"}, "a list of words is needed"), ({"tags": [None] * 3}, "no word that is left of the text"),
    ],
)  # fmt: skip
def test_words_and_labels_that_do_not_fit_are_named(made: Signer, change: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=f"^row: .*{words}"):
        made.render({**rows()[1], **change}, "row")


def test_a_model_of_another_head_is_refused(trained: tuple[Any, Path], tmp_path: Path, attridex: Callable[..., Any]) -> None:
    toml(trained[1])
    text = (trained[1] / "config.toml").read_text().replace('"token-classification"', '"sequence-classification"')
    (trained[1] / "config.toml").write_text(text)
    ran = attridex("build", trained[1] / "config.toml", "--out", tmp_path / "index")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "its task is token-classification" in ran.err
