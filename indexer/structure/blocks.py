"""The transformer blocks of a model: the modules that turn states into states, one behind the other."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from attridex.indexer.structure.calls import SEQUENCES, TOKENS, Call


def block_lists(model: nn.Module) -> dict[nn.Module, list[nn.Module]]:
    """The lists of modules in a model, each with its members."""
    return {module: list(module) for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)}


def block_calls(model: nn.Module, calls: Sequence[Call]) -> list[Call]:
    """The calls of a model's blocks in a traced pass, in order; none where it has no blocks.

    They are the members of the outermost list whose members give states of the shape that they take; of several such lists
    of the one that is used last. Where each member only calls those of a list inside (ALBERT's groups), these are the blocks.
    """
    lists = {key: of_members(members, calls) for key, members in block_lists(model).items()}
    fitting = {key: found for key, found in lists.items() if found and all(map(keeps_states, found))}
    outer = [found for key, found in fitting.items() if not any(key in within(other) for other in fitting if other is not key)]
    if not outer:
        return []
    blocks = max(outer, key=lambda found: found[-1].ended)
    while inner := inner_calls(blocks, list(fitting.values())):
        blocks = inner
    return blocks


def up_to(blocks: Sequence[Call]) -> list[Call]:
    """Blocks' calls with all that is called from the block before on: XLM's last part of a block is a norm."""
    before = [0, *(block.ended for block in blocks)]
    return [replace(block, began=start - 1) for block, start in zip(blocks, before, strict=False)]


def inner_calls(blocks: Sequence[Call], lists: Sequence[Sequence[Call]]) -> list[Call]:
    """The calls of lists inside the blocks, where the blocks do nothing else; none where they do."""
    modules = {call.module for call in blocks}
    inside = {inner for module in modules for inner in within(module)}
    found = sorted((call for calls in lists for call in calls if call.module in inside), key=lambda call: call.began)
    alike = len({type(call.module) for call in found}) == 1  # T5's blocks are lists of attention and FFN, which are no blocks
    return found if alike and covers(found, blocks) else []


def within(module: nn.Module) -> set[nn.Module]:
    """All modules inside one."""
    return set(module.modules()) - {module}


def of_members(members: Sequence[nn.Module], calls: Sequence[Call]) -> list[Call]:
    """Calls of modules."""
    inside = set(members)
    return [call for call in calls if call.module in inside]


def keeps_states(call: Call) -> bool:
    """Whether a call turns states [S, T, h] (or [T, S, h]) into states; texts may be filled up to whole windows."""
    shape = call.given.shape
    return len(shape) == 3 and min(shape[:2]) == SEQUENCES and max(shape[:2]) >= TOKENS and call.made.shape == shape


def covers(inner: Sequence[Call], outer: Sequence[Call]) -> bool:
    """Whether outer calls do nothing but make the inner ones, one behind the other."""
    parts = [[call for call in inner if whole.holds(call)] for whole in outer]
    return all(
        part and part[0].given is whole.given and part[-1].made is whole.made for part, whole in zip(parts, outer, strict=True)
    )
