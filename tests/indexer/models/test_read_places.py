"""The place that `show` marks is the one that the head reads."""

from pathlib import Path

import pytest
import torch
import transformers as hf

from attridex.indexer.config import parse_config
from attridex.indexer.errors import InputError
from attridex.indexer.models.renderers import make_renderer
from tests.conftest import word_tokenizer
from tests.indexer.models.model_types import MODELS

IDS = (5, 6, 7, 8)


@pytest.mark.parametrize("name", ["bert", "distilbert", "xlnet", "gpt2", "llama"])
def test_the_place_that_is_marked_decides(name: str, tmp_path: Path) -> None:
    config = MODELS[name]()
    torch.manual_seed(0)
    model = hf.AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    data = {"model": {"path": str(tmp_path)}, "corpus": {"files": ["a.jsonl"], "text": "{text}"}}
    (tmp_path / "a.jsonl").write_text("{}\n")
    place = make_renderer(parse_config(data, "c", tmp_path)).vocabulary.read(IDS)
    last: list[torch.Tensor] = []
    hook = model.base_model.register_forward_hook(lambda _module, _given, made: last.append(made[0]))
    with torch.enable_grad():
        logits = model(input_ids=torch.tensor([IDS])).logits
        (gradient,) = torch.autograd.grad(logits.sum(), last[0])
    hook.remove()
    assert gradient[0].abs().sum(1).nonzero()[:, 0].tolist() == [place]


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_a_text_without_the_token_that_is_read_is_refused_before_any_weights_are_loaded(name: str, tmp_path: Path) -> None:
    config = MODELS[name]()
    config.architectures = [type(hf.AutoModelForSequenceClassification.from_config(config)).__name__]
    config.save_pretrained(tmp_path)
    tokenizer = word_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    config.eos_token_id = tokenizer.convert_tokens_to_ids("park")
    config.save_pretrained(tmp_path)
    data = {"model": {"path": str(tmp_path)}, "corpus": {"files": ["a.jsonl"], "text": "{text}", "label": "label"}}
    (tmp_path / "a.jsonl").write_text("{}\n")
    renderer = make_renderer(parse_config(data, "c", tmp_path))
    assert renderer.render({"id": "a", "text": "dog park", "label": 0}, "a:1").sequences[0][-1] == config.eos_token_id
    with pytest.raises(InputError, match=r"^a:2: the text has no token 'park' .*, where the model reads its answer"):
        renderer.render({"id": "b", "text": "dog", "label": 0}, "a:2")
