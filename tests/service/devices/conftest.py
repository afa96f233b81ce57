"""The index of an old version, which has every kind of file; and shards."""

from tests.indexer.index.conftest import shards
from tests.service.storage.conftest import old

__all__ = ["old", "shards"]
