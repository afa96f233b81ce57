"""Model families: what is known of a model type before its weights are loaded, and what packages of others say of it.

The parts of a model are found by structure (see `indexer.structure`). A family that this does not fit is described by an entry
point of the group `attridex.families`, whose name is the model type.
"""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

from attridex.indexer.errors import InputError, first_line
from attridex.indexer.structure.family import Family
from attridex.indexer.structure.outline import outline

__all__ = ["Family", "family_of", "give_logits_alone", "known_families"]
GROUP = "attridex.families"
BESIDE_LOGITS = ("output_router_logits", "output_hidden_states", "output_attentions")
"""Settings of a model's configuration that let it give more than logits."""


def known_families() -> dict[str, Family]:
    """Families by model type that others have registered.

    Loading a family of others teaches transformers its model, so this comes before a model's configuration is read.

    Raises:
        InputError: one of another package cannot be loaded, or has a name that is taken.
    """
    known: dict[str, Family] = {}
    for point in registered(tuple(sys.path)):
        if point.name in known:
            raise InputError(f"{GROUP}: '{point.value}' is named '{point.name}' as another family is; rename or uninstall it")
        known[point.name] = load_family(point)
    return known


@lru_cache(maxsize=1)
def registered(_path: tuple[str, ...]) -> EntryPoints:
    """The group's entry points of the packages on a path, which are read once: every load of a model asks for them."""
    return entry_points(group=GROUP)


def load_family(point: EntryPoint) -> Family:
    """The family that an entry point names.

    Raises:
        InputError: it cannot be loaded, or is no `Family`.
    """
    where = f"the model family '{point.name}' ({point.value})"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # code of others: whatever it raises
        raise InputError(f"{where} cannot be loaded: {first_line(error)}; mend or uninstall it") from error
    if not isinstance(found, Family):
        raise InputError(f"{where} is no Family but {type(found).__name__}")
    return found


def family_of(auto_class: Any, hf: Any, where: str, *, remote_code: bool = False) -> Family:
    """The family of a model: a plugin's, else what its modules say before its weights are loaded.

    Args:
        auto_class: of transformers, for the task.
        hf: the model's own configuration.
        where: names the model in errors.
        remote_code: whether code that lies beside the model may run.

    Raises:
        InputError: transformers has no such model for the task, or cannot make it.
    """
    plugins = known_families()
    if hf.model_type in plugins:
        return plugins[hf.model_type]
    try:
        return outline(auto_class, hf, remote_code=remote_code)
    except Exception as error:  # of the model's own code: whatever it raises
        wanted = auto_class.__name__.removeprefix("AutoModel")
        raise InputError(f"{where}: no {wanted} can be made of a {hf.model_type} model: {first_line(error)}") from None


def give_logits_alone(config: Any) -> None:
    """Let a model give logits by name and nothing beside them: the balance of its router is a matter of its training."""
    for each in (config, config.get_text_config()):
        each.return_dict = True
        for name in BESIDE_LOGITS:
            if getattr(each, name, False):
                setattr(each, name, False)
