"""A model that lies elsewhere than an index, or a configuration, says."""

from pathlib import Path

from attridex.indexer.adapter_paths import CONFIG
from attridex.indexer.config import Config


def with_model(config: Config, place: str | None) -> Config:
    """A configuration with its model at another place.

    Args:
        config: that names another place.
        place: a directory, or a name on the Hub; the directory of an adapter takes the place of the adapter alone. Checkpoints
            that lay below the old place are looked for below this one. Nothing changes where None.
    """
    if place is None:
        return config
    model = config.model
    key = "adapter" if model.adapter and (Path(place) / CONFIG).is_file() else "path"
    old, new = str(getattr(model, key)), str(Path(place).resolve()) if Path(place).exists() else place
    places = {key: new, "checkpoints": [below(path, old, new) for path in model.checkpoints]}
    return config.model_copy(update={"model": model.model_copy(update=places)})


def below(path: str, old: str, new: str) -> str:
    """A path as it is below a directory that was moved; as it was, where it did not lie there."""
    return str(Path(new) / Path(path).relative_to(old)) if Path(path).is_relative_to(old) else path
