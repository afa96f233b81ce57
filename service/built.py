"""What answering needs to know of how an index was built: the one place that looks into its configuration."""

from collections.abc import Sequence
from typing import Any

from attridex.indexer.config import Config
from attridex.indexer.index.layout import Manifest
from attridex.indexer.index.tables import OWN_COLUMNS
from attridex.v1.requests import LabelSource


def configuration(manifest: Manifest) -> Config:
    """The whole configuration, checked again."""
    return Config.model_validate(manifest.config)


def label_source(manifest: Manifest) -> LabelSource:
    """Whose loss the stored gradients are of."""
    return "predicted" if manifest.label == "predicted" else "gold"


def neuron_rule(manifest: Manifest) -> str:
    """How neuron scores were integrated."""
    return str(manifest.config["neurons"]["rule"])


def neuron_site(manifest: Manifest) -> str:
    """Where neurons were read."""
    return str(manifest.config["neurons"]["site"])


def checkpoint_rates(manifest: Manifest) -> list[float]:
    """Learning rate of each checkpoint."""
    return list(manifest.config["model"]["checkpoint_rates"])


def named_columns(manifest: Manifest) -> tuple[str, str]:
    """What the corpus calls its columns of ids and labels."""
    return str(manifest.config["corpus"]["id"]), str(manifest.config["corpus"]["label"])


def text_fields(manifest: Manifest) -> Sequence[str]:
    """Columns that texts are rendered from."""
    fields: list[Any] = manifest.corpus["text_fields"]
    return [str(name) for name in fields]


def own_columns(manifest: Manifest) -> tuple[str, ...]:
    """Columns that are attridex's own, not the corpus's, in the order of the table."""
    influence = {"self_influence", *(f"self_influence_{kind}" for kind in manifest.curvatures)}
    return tuple(name for name, _ in manifest.columns if name == "row" or name in OWN_COLUMNS or name in influence)
