"""The facts of an index that people ask for first."""

from pathlib import Path
from typing import TYPE_CHECKING

from attridex.indexer.index.layout import is_of_training

if TYPE_CHECKING:
    from attridex.indexer.files import JsonObject
    from attridex.indexer.fit import Fit
    from attridex.indexer.index.records import Manifest


def summary(manifest: "Manifest", index: Path) -> "JsonObject":
    """The facts of a version of an index, as JSON shows them."""
    adapter = manifest.config.model.adapter
    return {
        "version": manifest.version,
        "created": manifest.created,
        "task": manifest.task,
        "instances": manifest.instances - manifest.deleted,
        "deleted": manifest.deleted,
        "truncated": manifest.truncated,
        "left_out": len(manifest.bad),
        "model": manifest.model.path,
        **({"adapter": adapter} if adapter else {}),
        "family": manifest.model.family,
        "labels": manifest.model.labels,
        "neurons": neuron_words(manifest) if manifest.neurons else "none",
        "parameters": manifest.config.gradients.parameters,
        "gradient_dim": manifest.gradient_dim,
        "precision": manifest.precision,
        "label": manifest.label,
        "curvatures": manifest.curvatures,
        **({"factors": factor_words(manifest)} if manifest.factors_of else {}),
        "recall": [f"{name} {value:.3f}" for name, value in manifest.recall.items()],
        **({"fit": "; ".join(fit_lines(manifest.fit, index)).removeprefix("fit: ")} if manifest.fit else {}),
        "columns": [column.name for column in manifest.columns],
    }


def fit_lines(fit: "Fit | None", index: Path) -> list[str]:
    """How well the model of an index does, and a warning where it does no better than what needs no model."""
    return fit.lines(as_trained=is_of_training(index)) if fit else []


def factor_words(manifest: "Manifest") -> str:
    """What K-FAC's factors are of, where a compaction has removed some of it."""
    from attridex.indexer.index.records import OF_CURVATURE

    gone = manifest.factors_of - manifest.basis(OF_CURVATURE).rows  # rows that came in later are not among them
    return f"of {manifest.factors_of} instances, {gone} of which were removed since; a new build forgets those"


def neuron_words(manifest: "Manifest") -> str:
    """How many neurons there are."""
    model = manifest.model
    if not model.experts:
        return f"{model.layers} layers x {model.units} units"
    shared = sum(model.shared_units)
    beside = f", and {shared} without an expert" if shared else ""
    return f"{model.layers - len(model.dense_layers)} layers x {model.experts} experts x {model.expert_units} units{beside}"


def size_of(index: Path) -> int:
    """Bytes of an index on disk; a file that several versions link counts once."""
    stats = [path.stat() for path in index.rglob("*") if path.is_file()]
    return sum({stat.st_ino: stat.st_size for stat in stats}.values())
