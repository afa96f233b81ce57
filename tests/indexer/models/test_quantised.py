"""Quantised models answer as their own layers do; gradients of a LoRA over one equal autograd; what is not there is a line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers as hf
from torch import Tensor, nn
from transformers.quantizers import HfQuantizer, auto, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from attridex.indexer.config import parse_config
from attridex.indexer.models import quantised
from attridex.indexer.signing.signer import Signer
from tests.conftest import SHOWN, records

TOY = {"quant_method": "toy"}


class Rounded(nn.Linear):
    """A linear layer whose weight is held as whole numbers and a scale for each output."""

    def __init__(self, layer: nn.Linear) -> None:
        """Round a layer."""
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None)
        scale = layer.weight.detach().abs().amax(1, keepdim=True) / 7
        self.register_buffer("scale", scale)
        self.weight = nn.Parameter((layer.weight.detach() / scale).round().to(torch.int8), requires_grad=False)
        self.bias = layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """Unpack and multiply."""
        return nn.functional.linear(input, self.weight * self.scale, self.bias)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A method of quantisation that has no way back of its own, as GPTQ and AWQ have none."""

    @register_quantization_config("toy")
    class ToyConfig(QuantizationConfigMixin):
        def __init__(self, **_settings: Any) -> None:
            self.quant_method = "toy"

    @register_quantizer("toy")
    class ToyQuantizer(HfQuantizer):
        requires_calibration = False
        is_trainable = True
        is_serializable = True

        def _process_model_after_weight_loading(self, model: Any, **_more: Any) -> None:
            for name, module in list(model.named_modules()):
                if isinstance(module, nn.Linear) and ".layers." in f".{name}":
                    parent, _, own = name.rpartition(".")
                    setattr(model.get_submodule(parent), own, Rounded(module))

    monkeypatch.setattr(quantised, "WEIGHTS_ALONE", [*quantised.WEIGHTS_ALONE, "toy"])
    yield
    for table in (auto.AUTO_QUANTIZER_MAPPING, auto.AUTO_QUANTIZATION_CONFIG_MAPPING):
        del table["toy"]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("family", ["opt", "llama"])
def test_a_quantised_base_and_the_lora_over_it_are_those_of_peft(
    family: str, model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    base, task = model_dir(family, "causal-lm"), "causal-lm"
    loaded = hf.AutoModelForCausalLM.from_pretrained(base, quantization_config=auto.AutoQuantizationConfig.from_dict(TOY))
    assert any(isinstance(module, Rounded) for module in loaded.modules())
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(loaded, settings).eval()
    with torch.no_grad():
        for weight in (each for name, each in model.named_parameters() if "lora_" in name):
            weight.copy_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(tmp_path / "adapter")
    config = {
        "model": {"path": str(base), "adapter": str(tmp_path / "adapter"), "task": task, "quantization": TOY},
        "corpus": {"files": ["x"], **SHOWN[task]},
        "gradients": {"parameters": "adapter", "projection": "none"},
        "neurons": {"steps": 3},
    }
    made = Signer.load(parse_config(config, "test", tmp_path))
    names = {name.removeprefix("base_model.model.").replace(".default.weight", ""): w for name, w in model.named_parameters()}
    weights = [names[block.name].requires_grad_(True) for block in made.gradients.blocks]
    for row in records(3):
        instance = made.render(row, "row")
        (signature,) = made.sign([instance])
        logits = model(torch.tensor([instance.sequences[0]])).logits[0, list(instance.reads)]
        loss = nn.functional.cross_entropy(logits, torch.tensor(instance.wanted))
        assert signature.loss == pytest.approx(loss.item(), rel=1e-5)
        wanted = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)])
        torch.testing.assert_close(torch.tensor(signature.gradient), wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.usefixtures("toy")
def test_an_index_keeps_how_its_model_is_quantised(project: Callable[..., Path], tmp_path: Path, attridex: Any) -> None:
    config = project()
    text = config.read_text()
    config.write_text(text.replace("[model]", '[model]\nquantization = {quant_method = "toy"}'))
    assert attridex("build", config, "--out", tmp_path / "i").code == 0
    config.write_text(text)
    ran = attridex("build", config, "--out", tmp_path / "i")
    assert "begun with model.quantization = {'quant_method': 'toy'}, now it is None" in ran.err
    ran = attridex("query", "ia", "--index", tmp_path / "i", "--queries", tmp_path / "queries.jsonl", "--json")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, ["the model is quantised", "cannot be loaded here"]),
        ({"quant_method": "awq", "bits": 4}, ["the model is quantised", "gptqmodel"]),
        ({"load_in_4bit": True, "quant_method": "bitsandbytes"}, ["the model is quantised", "bitsandbytes"]),
        ({"load_in_8bit": True, "quant_method": "bitsandbytes"}, ["bitsandbytes in 8 bits", "save the model dequantised"]),
        ({"quant_method": "fp8"}, ["quantised by fp8", "save the model dequantised"]),
        ({"quant_method": "nonsense"}, ["cannot be loaded here", "nonsense"]),
    ],
    ids=lambda case: case["quant_method"] if isinstance(case, dict) else "",
)
def test_what_cannot_be_loaded_is_refused_in_a_line_before_any_work(
    settings: dict[str, Any],
    words: list[str],
    project: Callable[..., Path],
    tmp_path: Path,
    attridex: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("bitsandbytes", "gptqmodel", "optimum"):  # as where none of them is installed
        for module in ("quantizer_bnb_4bit", "quantizer_gptq", "quantizer_awq"):
            monkeypatch.setattr(f"transformers.quantizers.{module}.is_{package}_available", lambda: False, raising=False)
    config = project()
    saved = Path(config.read_text().split('path = "')[1].split('"')[0])
    (tmp_path / "model").mkdir()
    for path in saved.iterdir():
        (tmp_path / "model" / path.name).symlink_to(path)
    own = json.loads((saved / "config.json").read_text())
    (tmp_path / "model" / "config.json").unlink()
    (tmp_path / "model" / "config.json").write_text(json.dumps({**own, "quantization_config": settings}))
    config.write_text(config.read_text().replace(str(saved), "model"))
    ran = attridex("build", config, "--out", tmp_path / "i")
    assert ran.code == 2, ran.err
    assert len(ran.err.splitlines()) == 1
    for word in words:
        assert word in ran.err
    assert not (tmp_path / "i").exists()
