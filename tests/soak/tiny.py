"""An index of a tiny model, made in seconds."""

from pathlib import Path

from attridex.indexer.building.build import build
from attridex.indexer.config import load_config
from tests.conftest import SEGMENTS, records, tiny_model, word_tokenizer, write_jsonl, write_toml


def tiny_index(directory: Path, count: int) -> Path:
    """An index of so many instances, t0 and so on, beside its model and corpus.

    Args:
        directory: where all of it is written.
        count: instances.
    """
    tiny_model("opt").save_pretrained(directory / "model")
    word_tokenizer().save_pretrained(directory / "model")
    write_jsonl(directory / "train.jsonl", records(count))
    settings = {
        "model": {"path": str(directory / "model"), "task": "sequence-classification"},
        "corpus": {"files": [str(directory / "train.jsonl")], "metadata": ["genre"], "segments": SEGMENTS},
        "gradients": {"curvature": ["hessian", "fisher"]},
        "neurons": {"rule": "gradient"},
    }
    write_toml(directory / "config.toml", settings)
    build(load_config(directory / "config.toml"), directory / "index", show_progress=False)
    return directory / "index"


def server_process() -> int:
    """The server that this process has started."""
    children = (int(each) for path in Path("/proc/self/task").glob("*/children") for each in path.read_text().split())
    return next(each for each in children if b"\0serve\0" in Path(f"/proc/{each}/cmdline").read_bytes())
