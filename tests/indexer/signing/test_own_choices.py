"""The encoders' own classes for multiple choice, whose head reads what their sequence classifiers' do not always read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from attridex.indexer.models.batches import pad
from attridex.indexer.signing.signer import Signer
from tests.conftest import CONFIGS, records, word_tokenizer
from tests.indexer.signing.test_tasks import signer

OTHERS: dict[str, Callable[[], Any]] = {
    "distilbert": lambda: hf.DistilBertConfig(dim=24, n_layers=2, n_heads=4, hidden_dim=40, vocab_size=40, pad_token_id=0),
    "electra": lambda: hf.ElectraConfig(
        hidden_size=24, embedding_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, vocab_size=40,
        pad_token_id=0,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "electra"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    config = {**CONFIGS, **OTHERS}[request.param]()
    config.initializer_range = 0.3
    hf.AutoModelForMultipleChoice.from_config(config).save_pretrained(path)
    word_tokenizer().save_pretrained(path)
    return path


def test_probabilities_losses_and_gradients_are_the_class_s_own(saved: Path) -> None:
    made: Signer = signer(saved, "multiple-choice", gradients={"parameters": "linear", "projection": "none"})
    assert type(made.arch.model).__name__.endswith("ForMultipleChoice")
    layers = made.arch.linear_layers()
    for row in records(5)[1:4]:
        instance = made.render(row, "row")
        batch = pad(instance.sequences, 0, torch.device("cpu"))
        weights = [module.weight.requires_grad_(True) for module in layers.values()]
        own = made.arch.model(input_ids=batch.ids[None], attention_mask=batch.mask[None], labels=torch.tensor([instance.label]))
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(own.loss, weights)])
        for weight in weights:
            weight.requires_grad_(False)
        signature = made.sign([instance])[0]
        np.testing.assert_allclose(signature.probabilities, own.logits[0].softmax(-1).detach(), rtol=1e-4, atol=1e-6)
        assert signature.loss == pytest.approx(own.loss.item(), rel=1e-4)
        np.testing.assert_allclose(signature.gradient, flat, rtol=1e-3, atol=1e-5 * float(flat.abs().max()))
        assert signature.scores is not None
        assert np.isfinite(signature.scores).all()
