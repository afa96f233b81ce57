"""Encoder-decoder models: trained by a plain Trainer script, and read as it reads them; neurons are the decoder's."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from attridex.client import Client, Query
from attridex.indexer import build, load_config
from attridex.indexer.config import parse_config
from attridex.indexer.corpus.instances import RenderedInstance
from attridex.indexer.errors import InputError
from attridex.indexer.signing.edits import NeuronEdit
from attridex.indexer.signing.signer import Signer
from attridex.indexer.training.start import begin
from tests.conftest import records, word_tokenizer, write_jsonl, write_toml
from tests.indexer.forms.conftest import train, trainer_losses
from tests.indexer.oracles import last_position

STEPS = 3
BART = {
    "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 40, "vocab_size": 40, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 1, "forced_eos_token_id": None,
}  # fmt: skip
CONFIGS: dict[str, Callable[[], Any]] = {
    "t5": lambda: hf.T5Config(
        d_model=24, d_kv=6, d_ff=40, num_layers=2, num_heads=4, vocab_size=40, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, dropout_rate=0.0,
    ),
    "flan-t5": lambda: hf.T5Config(
        d_model=24, d_kv=6, d_ff=40, num_layers=2, num_heads=4, vocab_size=40, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False, dropout_rate=0.0,
    ),
    "bart": lambda: hf.BartConfig(**BART),
}  # fmt: skip


def rows() -> list[dict[str, str]]:
    return [{"id": row["id"], "question": row["premise"], "answer": row["answer"]} for row in records(6)]


@pytest.fixture(scope="module", params=CONFIGS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """`tokenizer(question, text_target=answer)`, with an end of text behind each, and transformers' own collator."""
    place = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    model = hf.AutoModelForSeq2SeqLM.from_config(CONFIGS[request.param]())
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A <s>", special_tokens=[("<s>", 1)])
    encoded = [dict(tokenizer(row["question"], text_target=row["answer"])) for row in rows()]
    collator = hf.DataCollatorForSeq2Seq(tokenizer, model=model)
    trainer = train(model, encoded, place / "model", tokenizer, data_collator=collator)
    return trainer, place


def settings(place: Path) -> dict[str, Any]:
    return {
        "model": {"path": str(place / "model"), "task": "seq2seq-lm"},
        "corpus": {"files": ["train.jsonl"], "text": "{question}", "target": "{answer}"},
        "neurons": {"steps": STEPS},
        "gradients": {"parameters": "linear", "projection": "none"},
    }


@pytest.fixture
def made(trained: tuple[Any, Path]) -> Signer:
    return Signer.load(parse_config(settings(trained[1]), "test", trained[1]))


def rendered(made: Signer) -> list[RenderedInstance]:
    return [made.render(row, "row") for row in rows()]


def logits(made: Signer, instance: RenderedInstance, until: int | None = None) -> Tensor:
    found: Tensor = made.arch.model(
        input_ids=torch.tensor([instance.source]), decoder_input_ids=torch.tensor([instance.sequences[0][:until]])
    ).logits[0]
    return found


def test_an_index_has_the_trainer_s_losses(trained: tuple[Any, Path], tmp_path: Path) -> None:
    trainer, place = trained
    wanted = trainer_losses(trainer, trainer.train_dataset)
    write_jsonl(place / "train.jsonl", rows())
    build(load_config(write_toml(place / "config.toml", settings(place))), tmp_path / "index", show_progress=False)
    with Client.local(tmp_path / "index") as client:
        stored = list(client.list_instances(fields=["loss", "label"]))
        asked = client.predict(rows()).results
        again = client.predict([Query.instance(each.id) for each in stored]).results
        assert client.attribute_instances(rows()[:2], k=3).results[1].hits
    for loss, row, instance, *results in zip(wanted, rows(), stored, asked, again, strict=True):
        assert instance.fields["loss"] == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert results[0].baseline.loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert results[1].baseline.loss == pytest.approx(loss, rel=1e-5, abs=1e-5)
        assert instance.fields["label"] == row["answer"]


def test_gradients_equal_autograd_of_each_instance_alone(made: Signer) -> None:
    layers = made.arch.linear_layers()
    for instance, signature in zip(rendered(made)[:4], made.sign(rendered(made)[:4], neurons=False), strict=True):
        weights = [module.weight.requires_grad_(True) for module in layers.values()]
        loss = torch.nn.functional.cross_entropy(logits(made, instance), torch.tensor(instance.wanted))
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        for weight in weights:
            weight.requires_grad_(False)
        torch.testing.assert_close(torch.tensor(signature.gradient), flat, rtol=1e-3, atol=1e-5 * float(flat.abs().max()))
    assert any("encoder" in name for name in layers)


def test_scores_are_of_the_decoder_s_neurons_before_each_target_token(made: Signer) -> None:
    instance = rendered(made)[2]
    found = made.sign([instance])[0].scores
    assert found is not None
    assert found.shape == (2, 40)
    for layer in range(made.layers):
        wanted = torch.zeros(made.units)
        for read, token in zip(instance.reads, instance.wanted, strict=True):
            seen: list[Tensor] = []
            with last_position(made.arch, layer, read, lambda a, seen=seen: seen.append(a) or a):  # type: ignore[misc]
                logits(made, instance, read + 1)
            for k in range(STEPS):
                point = (seen[-1] * k / (STEPS - 1)).detach().requires_grad_(True)
                with last_position(made.arch, layer, read, lambda _a, point=point: point):
                    p = logits(made, instance, read + 1)[read].softmax(-1)[token]
                wanted += (seen[-1] * torch.autograd.grad(p, point)[0] / STEPS).detach() / len(instance.reads)
        torch.testing.assert_close(torch.tensor(found[layer]), wanted, rtol=1e-3, atol=1e-5 * float(np.abs(found).max()))


def test_results_do_not_depend_on_the_batch(made: Signer) -> None:
    instances = rendered(made)
    for one, other in zip(made.sign(instances), [made.sign([instance])[0] for instance in instances], strict=True):
        for name in ("gradient", "scores", "hidden", "probabilities", "activation"):
            left, right = getattr(one, name), getattr(other, name)
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4 * np.abs(right).max(), err_msg=name)


def test_an_edit_of_nothing_changes_nothing(made: Signer) -> None:
    found = made.edit(rendered(made)[:2], [[NeuronEdit("suppress", ())]] * 2)
    for each, signature in zip(found, made.sign(rendered(made)[:2], neurons=False), strict=True):
        np.testing.assert_allclose(each.probabilities, [signature.probabilities] * 2, rtol=1e-4)


def test_what_it_says_next_is_its_own_greedy_continuation(made: Signer) -> None:
    row = rows()[3]
    begun = made.renderer.prompt({"id": "q", "question": row["question"]}, "row")
    assert begun is not None
    said: list[int] = []
    for _ in range(3):
        ids = torch.tensor([[*begun.sequences[0], *said]])
        said.append(int(made.arch.model(input_ids=torch.tensor([begun.source]), decoder_input_ids=ids).logits[0, -1].argmax()))
    said = said[: said.index(1)] if 1 in said else said
    if said:
        assert made.continued(begun, 3).wanted == tuple(said)
    else:
        with pytest.raises(Exception, match="it says nothing"):
            made.continued(begun, 3)


def test_a_t5_reads_more_tokens_than_its_configuration_names(tmp_path: Path) -> None:
    saved(tmp_path / "model", hf.T5ForConditionalGeneration, hf.T5Config(**CONFIGS["t5"]().to_dict(), n_positions=8), "<s>")
    signer = Signer.load(parse_config(settings(tmp_path), "test", tmp_path))
    row = {"question": "the dog ran " * 5, "answer": "a cat"}
    (signed,) = signer.sign([signer.render(row, "row")], neurons=False, gradient=False)
    batch = signer.loaded.tokenizer(row["question"], text_target=row["answer"], return_tensors="pt", return_token_type_ids=False)
    assert signed.loss == pytest.approx(float(signer.arch.model(**batch).loss), rel=1e-5)


CALLS: dict[str, tuple[dict[str, Any], Callable[[Any, dict[str, Any]], dict[str, Any]]]] = {
    "pair": (
        {"pair": ["question", "answer"], "target": "{id} {answer}"},
        lambda tokenizer, row: tokenizer(row["question"], row["answer"], text_target=f"{row['id']} {row['answer']}"),
    ),
    "pair of templates, cut": (
        {"pair": ["{id} of", "question"], "target": "{question}", "truncation": "only_second"},
        lambda tokenizer, row: {
            **tokenizer(f"{row['id']} of", row["question"], truncation="only_second", max_length=5),
            "labels": tokenizer(text_target=row["question"], truncation=True, max_length=5)["input_ids"],
        },
    ),
    "encoded": ({"encoded": True}, lambda tokenizer, row: tokenizer(row["question"], text_target=row["answer"])),
}
"""The corpus's settings, and the user's own call."""


@pytest.mark.parametrize("form", CALLS)
def test_a_source_of_any_form_has_the_model_s_own_loss_of_the_user_s_call(trained: tuple[Any, Path], form: str) -> None:
    trainer, place = trained
    corpus, call = CALLS[form]
    own = settings(place)
    model = {**own["model"], "max_length": 5 if "truncation" in corpus else 64}
    signer = Signer.load(parse_config({**own, "model": model, "corpus": {"files": ["x.jsonl"], **corpus}}, "test", place))
    encoded = [dict(call(trainer.processing_class, row)) for row in rows()]
    records = [{**row, **made} for row, made in zip(rows(), encoded, strict=True)] if form == "encoded" else rows()
    signed = signer.sign([signer.render(record, "row") for record in records], neurons=False, gradient=False)
    assert [each.loss for each in signed] == pytest.approx(trainer_losses(trainer, encoded), rel=1e-5, abs=1e-5)


def test_encoded_rows_without_labels_go_on_as_the_model_generates(trained: tuple[Any, Path]) -> None:
    trainer, place = trained
    signer = Signer.load(parse_config({**settings(place), "corpus": {"files": ["x"], "encoded": True}}, "test", place))
    signer.arch.model.generation_config.begin_suppress_tokens = [1]  # a setting of the model's own: it says something
    for row in rows():
        source = trainer.processing_class(row["question"])["input_ids"]
        begun = signer.renderer.prompt({"input_ids": [*source, 0], "attention_mask": [1] * len(source) + [0]}, "row")
        assert begun is not None
        said = signer.arch.model.generate(torch.tensor([source]), do_sample=False, max_new_tokens=4)[0, 1:].tolist()
        assert signer.continued(begun, 4).wanted == tuple(said[: said.index(1)] if 1 in said else said)


def saved(place: Path, made: Any, config: Any, end: str = "") -> Path:
    """A model of these languages' kind, whose tokenizer ends targets so."""
    torch.manual_seed(0)
    made(config).save_pretrained(place)
    tokenizer = word_tokenizer()
    if end:
        token = tokenizer.convert_tokens_to_ids(end)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, token)])
    tokenizer.save_pretrained(place)
    return place


MBART = {**BART, "decoder_start_token_id": None, "forced_eos_token_id": None}
TURNED: dict[str, tuple[Any, Any, str, str]] = {
    "mbart": (hf.MBartForConditionalGeneration, hf.MBartConfig(**MBART), "<unk>", r"begins with 2, not with its .* \(None\)"),
    "mbart with a start": (
        hf.MBartForConditionalGeneration, hf.MBartConfig(**{**MBART, "decoder_start_token_id": 1}), "<unk>",
        r"labels that end in token 2, MBart.* begins with 2, not with its decoder_start_token_id \(1\)",
    ),
    "plbart without an end": (
        hf.PLBartForConditionalGeneration, hf.PLBartConfig(**{**MBART, "decoder_start_token_id": 1}), "",
        r"PLBartForConditionalGeneration makes a decoder input that begins with .* \(1\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TURNED)
def test_show_refuses_them_as_the_build_does(kind: str, tmp_path: Path, attridex: Any) -> None:
    made, settled, end, words = TURNED[kind]
    saved(tmp_path / "model", made, settled, end)
    write_jsonl(tmp_path / "train.jsonl", rows())
    config = write_toml(tmp_path / "c.toml", settings(tmp_path))
    shown, built = attridex("show", config), attridex("build", config, "--out", tmp_path / "i")
    assert (shown.code, shown.out, shown.err) == (2, "", built.err)
    if kind == "mbart":
        words = "decoder_start_token_id"
    assert re.search(words, built.err)


@pytest.mark.parametrize("kind", TURNED)
@pytest.mark.parametrize("how", ["index", "training"])
def test_models_whose_decoder_begins_with_a_token_of_the_label_are_refused(kind: str, how: str, tmp_path: Path) -> None:
    made, settled, end, words = TURNED[kind]
    path = str(saved(tmp_path / "model", made, settled, end))
    sections = {**settings(tmp_path), "training": {"base": path}}
    config = parse_config(sections, "test", tmp_path)
    with pytest.raises(InputError, match=words):
        (Signer.load if how == "index" else begin)(config)


KEPT: dict[str, tuple[Any, Any]] = {
    "mbart-50, whose every label ends as it starts": (
        hf.MBartForConditionalGeneration, hf.MBartConfig(**{**MBART, "decoder_start_token_id": 1}),
    ),
    "m2m-100, nllb": (hf.M2M100ForConditionalGeneration, hf.M2M100Config(**BART)),
    "marian": (hf.MarianMTModel, hf.MarianConfig(**{**BART, "decoder_start_token_id": 0})),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_models_whose_decoder_begins_with_one_token_have_their_own_losses(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "model", *KEPT[kind], "<s>")
    signer, tokenizer = Signer.load(parse_config(settings(tmp_path), "test", tmp_path)), hf.AutoTokenizer.from_pretrained(path)
    signed = signer.sign(rendered(signer), neurons=False, gradient=False)
    for row, found in zip(rows(), signed, strict=True):
        batch = tokenizer(row["question"], text_target=row["answer"], return_tensors="pt", return_token_type_ids=False)
        assert found.loss == pytest.approx(float(signer.arch.model(**batch).loss), rel=1e-5)
