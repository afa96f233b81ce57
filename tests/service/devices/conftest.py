"""The index of an old version, which has every kind of file."""

from tests.service.storage.conftest import old

__all__ = ["old"]
