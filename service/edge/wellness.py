"""What Health says: whether each index can be asked, and whether it is the version that should be served."""

from collections.abc import Callable, Iterable, Mapping

from attridex.service.answering.served import ServedIndex

ServingStatus = Callable[[str, bool], None]
"""Sets whether a service, by its name, is served."""


class Wellness:
    """Keeps Health as the indices are."""

    def __init__(self, tell: ServingStatus, services: Iterable[str], indexes: Mapping[str, ServedIndex]) -> None:
        """Tell of these indices, by name, once it is `begun`.

        Args:
            tell: takes what is to be said.
            services: names that stand for all indices: not served once none of them is.
            indexes: each is SERVICE/NAME, and SERVICE/NAME/current is whether CURRENT's version is the one served.
        """
        self._tell, self._services, self._indexes = tell, tuple(services), dict(indexes)

    def begin(self, first: Callable[[], None]) -> None:
        """Tell, and from now on whenever something changes, once `first` is done."""

        def changed() -> None:
            first()
            self.refresh()

        for index in self._indexes.values():
            index.store.changed = changed
        changed()

    def refresh(self) -> None:
        """Tell how the indices are."""
        stores = {name: index.store for name, index in self._indexes.items()}
        whole = any(not store.damaged for store in stores.values())
        for service in self._services:
            self._tell(service, whole)
            for name, store in stores.items():
                self._tell(f"{service}/{name}", not store.damaged)
                self._tell(f"{service}/{name}/current", not store.problem)
