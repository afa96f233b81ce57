"""A model's outline is made without weights, and leaves how others begin as it was."""

from concurrent.futures import ThreadPoolExecutor

import torch
import transformers

from attridex.indexer.structure.outline import bare_model
from tests.conftest import tiny_model


def test_outlines_made_at_once_leave_the_weights_of_later_models_as_they_were() -> None:
    auto, hf = transformers.AutoModelForSequenceClassification, tiny_model("gpt2").config
    before = tiny_model("gpt2").state_dict()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: bare_model(auto, hf, remote_code=False), range(24)))
    assert all(weight.is_meta for model in made for weight in model.parameters())
    after = tiny_model("gpt2").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
