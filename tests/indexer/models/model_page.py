"""The table of docs/models.md, from the tiny models that attridex is compared on: `python -m tests.indexer.models.model_page`."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from torch import nn

from attridex.indexer.errors import InputError
from attridex.indexer.models.architectures import Architecture
from attridex.indexer.structure.experts import FusedExperts
from attridex.indexer.structure.parts import Ffn
from tests.indexer.models.plain_models import CASES, REFUSED, found, made

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"
MARKED = re.compile(r"(?<=<!-- models -->\n).*?(?=<!-- end of models -->)", re.DOTALL)
READS = {"first": "the first token", "last": "the last token", "each": "each token for itself", "whole": "all tokens together"}


def neurons_of(arch: Architecture) -> str:
    """The FFN of a model's first layer of each kind, or why it has no neurons."""
    try:
        arch.check_site("post")
    except InputError as error:
        return f"none: {str(error).removeprefix(f'{arch.where}: ')}"
    places = zip(arch.layers, arch.mixtures, arch.shared, strict=True)
    kinds = [part_names(arch.model, layer, part) for layer, *parts in places for part in parts if part]
    return "; ".join(dict.fromkeys(kinds))


def part_names(model: nn.Module, layer: nn.Module, part: Ffn | FusedExperts) -> str:
    """The layers of an FFN, or the fused weights of experts, by their names in their block, or in the model (XLM's)."""
    names = {module: name for whole in (model, layer) for name, module in whole.named_modules()}
    if isinstance(part, Ffn):
        return ", ".join(f"`{names[module]}`" for module in part.layers) + (" (gated)" if part.gated else "")
    weights = [f"`{names[part.module]}.{weight.parameter}`" for weight in part.weights.values()]
    return f"{', '.join(weights)} (of each expert{', gated' if part.module.has_gate else ''})"


def compared() -> Iterator[tuple[str, str, list[str]]]:
    """Each model type and task, and what is found in the model."""
    for name, task in CASES:
        arch = found(name, task)
        yield name, task, ["yes" if arch.causal else "no", READS[arch.structure.reads], neurons_of(arch)]


def rows() -> Iterator[list[str]]:
    """A row for each model type; tasks in which the same is found stand together."""
    for (name, cells), cases in groupby(compared(), key=lambda case: (case[0], case[2])):
        yield [f"`{name}`", ", ".join(f"`{task}`" for _, task, _ in cases), *cells]
    for name in REFUSED:
        try:
            made(name, "sequence-classification")
        except InputError as error:
            yield [f"`{name}`", "refused", "", "", str(error).partition(": ")[2]]


def table() -> str:
    """Markdown."""
    head = ["model type", "task", "causal", "the head reads", "neurons: inputs of the last of"]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows()))


if __name__ == "__main__":
    PAGE.write_text(MARKED.sub(lambda _found: table(), PAGE.read_text()))
