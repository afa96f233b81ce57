"""The table of docs/models.md, from the tiny models that attridex is compared on: `python -m tests.indexer.models.model_page`."""

import re
from collections.abc import Iterator
from pathlib import Path

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture
from tests.indexer.models.test_model_types import BY_PADDING, CASES, made

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"
MARKED = re.compile(r"(?<=<!-- models -->\n).*?(?=<!-- end of models -->)", re.DOTALL)
READS = {"first": "the first token", "last": "the last token", "each": "each token for itself", "whole": "all tokens together"}


def neurons_of(arch: Architecture) -> str:
    """The FFN of a model's first layer, or why it has no neurons."""
    try:
        arch.check_site("post")
    except InputError as error:
        return f"none: {str(error).removeprefix(f'{arch.where}: ')}"
    names = {module: name for name, module in arch.layers[0].named_modules()}
    return ", ".join(f"`{names[module]}`" for module in arch.ffns[0].layers) + (" (gated)" if arch.ffns[0].gated else "")


def rows() -> Iterator[list[str]]:
    """A row for each model type and task."""
    for name, task in CASES:
        arch = Architecture(made(name, task))
        yield [f"`{name}`", f"`{task}`", "yes" if arch.causal else "no", READS[arch.structure.reads], neurons_of(arch)]
    for name in BY_PADDING:
        try:
            Architecture(made(name, "sequence-classification"))
        except InputError as error:
            yield [f"`{name}`", "refused", "", "", str(error).partition(": ")[2]]


def table() -> str:
    """Markdown."""
    head = ["model type", "task", "causal", "the head reads", "neurons: inputs of the last of"]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows()))


if __name__ == "__main__":
    PAGE.write_text(MARKED.sub(lambda _found: table(), PAGE.read_text()))
