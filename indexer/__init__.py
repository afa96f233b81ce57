"""Indexer: a corpus and a fine-tuned model become a persistent attribution index.

Public from Python, each loaded when it is first asked for, so that no part of attridex pays for another:

- `load_config(path)` reads a configuration file; `Config.model_validate(data)` makes the same of a dict.
- `build(config, index)` builds an index or finishes one, and gives a `Built`.
- `append(index, files)` signs new records and adds them, `update(index, files)` replaces changed ones; an `Appender(index)` loads
  the model once for many of both. `refresh(index)` takes anew what is of all records, `add_curvature(index, kinds)` adds to that.
- `finetune(config, out)` trains the model of a configuration.
- `from_trainer(trainer, index)` builds the index of a training, at the end of its own script; `KeepCheckpoints(n)` is a
  callback for its trainer, which keeps what TracIn needs.
- `AttridexError` is what all of them raise where a user can mend it.

Their types stand in `__init__.pyi`.
"""

from importlib import import_module

HOMES = {
    "Appender": "growth.appending",
    "AttridexError": "errors",
    "Built": "building.build",
    "Config": "config",
    "KeepCheckpoints": "training.keeping",
    "add_curvature": "growth.refreshing",
    "append": "growth.appending",
    "build": "renewal.building",
    "finetune": "training.finetuning",
    "from_trainer": "trainers.from_trainer",
    "load_config": "config",
    "refresh": "growth.refreshing",
    "update": "growth.appending",
}
"""The module that each public name lives in."""


def __dir__() -> list[str]:
    """The public names."""
    return sorted(HOMES)


def __getattr__(name: str) -> object:
    """A public name from the module that it lives in."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
