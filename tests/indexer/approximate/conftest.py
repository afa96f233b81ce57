"""Shards."""

from tests.indexer.index.conftest import shards

__all__ = ["shards"]
