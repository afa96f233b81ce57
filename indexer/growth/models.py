"""The model of an index, loaded to sign more of it."""

from pathlib import Path

from attridex.indexer.building.plan import checked_signer
from attridex.indexer.config import Config
from attridex.indexer.errors import InputError
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.moved_model import with_model
from attridex.indexer.models.identity import ModelIdentity
from attridex.indexer.signing.signer import Signer


def signer_of(index: Path, manifest: Manifest, place: str | None = None) -> Signer:
    """What signs instances of an index.

    Args:
        index: the index directory.
        manifest: of the version that is to grow.
        place: where the model lies now, if not where it was.

    Raises:
        InputError: there is no model, or it is not the one that the index was built from.
    """
    config: Config = with_model(manifest.config, place)
    signer = checked_signer(config)
    check_model(index, manifest, signer.identity(), config.model.path)
    return signer


def check_model(index: Path, manifest: Manifest, found: ModelIdentity, path: str) -> None:
    """Refuse a model that is not the one that an index was built from.

    Args:
        index: the index directory.
        manifest: of a version.
        found: hashes of the model.
        path: where it lies.

    Raises:
        InputError: it is another.
    """
    if other := found.difference(manifest.model.hash, manifest.model.tokenizer_hash, manifest.checkpoints):
        raise InputError(f"{index}: the model at {path} is not the one that it was built from ({other}); --model names that")
