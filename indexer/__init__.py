"""Indexer: a corpus and a fine-tuned model become a persistent attribution index.

Public from Python, each loaded when it is first asked for, so that no part of attridex pays for another:

- `load_config(path)` reads a configuration file; `Config.model_validate(data)` makes the same of a dict.
- `build(config, index)` builds an index or finishes one, and gives a `Built`.
- `finetune(config, out)` trains the model of a configuration.
- `AttridexError` is what all of them raise where a user can mend it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attridex.indexer.building.build import Built as Built
    from attridex.indexer.building.build import build as build
    from attridex.indexer.config import Config as Config
    from attridex.indexer.config import load_config as load_config
    from attridex.indexer.errors import AttridexError as AttridexError
    from attridex.indexer.training.finetuning import finetune as finetune
else:
    HOMES = {
        "AttridexError": "errors",
        "Built": "building.build",
        "Config": "config",
        "build": "building.build",
        "finetune": "training.finetuning",
        "load_config": "config",
    }

    def __dir__() -> list[str]:
        """The public names."""
        return sorted(HOMES)

    def __getattr__(name: str) -> Any:
        """A public name from the module that it lives in."""
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
