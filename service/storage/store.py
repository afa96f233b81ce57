"""An index being served: the store swaps versions under readers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.errors import AttridexError, DamageError, InputError
from attridex.indexer.index.directory import list_versions, read_deletes, read_manifest, read_served
from attridex.indexer.index.records import Manifest
from attridex.indexer.lifecycle.liveness import served_manifest
from attridex.indexer.lifecycle.versions import activate as make_current
from attridex.indexer.sections import SOURCES
from attridex.service.errors import DamagedIndexError, UnknownIndexError, VersionGoneError
from attridex.service.storage.roots import Roots
from attridex.service.storage.version import IndexVersion

PAGE_SECONDS = 600.0
"""How long a version is held for the next page of a listing that began with it."""
APART = (*SOURCES, "skip_bad", "metadata")
"""Settings of a corpus that say where its records lie and what else is kept of them."""
KEPT = 4
"""Versions that are held for pages, beside the served one."""
OWN_CODE = (
    "the model may come with Python code of its own (model.trust_remote_code); read it, and serve with --trust-remote-code, "
    "or without the model (--no-model)"
)
log = logging.getLogger("attridex.service")


@dataclass
class Lease:
    """A version with the number of its readers; it closes once it is retired and nobody has it or may come back for it.

    Attributes:
        version: the version.
        readers: how many hold it.
        retired: whether another is served.
        wanted: until when its next page may be asked for, by the monotonic clock.
        damage: what was found wrong with its files; nothing is answered from it then.
    """

    version: IndexVersion
    readers: int = 0
    retired: bool = False
    wanted: float = 0.0
    damage: str = ""

    @property
    def over(self) -> bool:
        """Whether it may close."""
        return self.retired and self.readers == 0 and self.wanted <= time.monotonic()


def signs(manifest: Manifest) -> tuple[object, ...]:
    """What decides how an index's queries are read and signed: its model and settings.

    Not where its corpus lies, nor its curvatures, which are read with each version.
    """
    config = manifest.config
    corpus = config.corpus.model_copy(update=dict.fromkeys(APART))
    gradients = config.gradients.model_copy(update={"curvature": None})
    return manifest.model, manifest.checkpoints, config.model, corpus, gradients, config.neurons


class Store:
    """An index directory being served: readers hold the version that they began with while another takes its place.

    Attributes:
        index: the directory.
        changed: called after a swap, and when `problem` or `damaged` may have changed.
    """

    def __init__(
        self,
        index: Path,
        *,
        verify: bool = True,
        mapped: bool = False,
        roots: Roots | None = None,
        model: bool | str = True,
        own_code: bool = True,
    ) -> None:
        """Open the current version; see `IndexVersion` for what it raises.

        Args:
            index: the directory.
            verify: whether every file is read and checked first.
            mapped: whether posting lists are mapped.
            roots: where it, and what it names, may lie; see `Roots.check`.
            model: whether its model is loaded; or where that lies now.
            own_code: whether Python code that lies beside its model may run.
        """
        self.index, self._roots, self._model, self._own_code = index, roots or Roots(), model, own_code
        self.changed: Callable[[], None] = lambda: None
        self._verify, self._mapped = verify, mapped
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._lease = Lease(self._current())
        self._old: list[Lease] = []
        self._newer = ""

    def _current(self) -> IndexVersion:
        """The version that CURRENT names; one that another process removes meanwhile is no longer that."""
        current = read_served(self.index)
        while True:
            try:
                self._roots.check(self.index, current.version, self._model)
                seq = current.log.seq if current.log else None  # what comes later is of the next look at CURRENT
                return IndexVersion(self.index, current.version, verify=self._verify, mapped=self._mapped, seq=seq)
            except DamagedIndexError:
                before, current = current, read_served(self.index)
                if current == before:
                    raise

    @property
    def place(self) -> str | None:
        """Where its model lies now, if not where it says."""
        return self._model if isinstance(self._model, str) else None

    def check_code(self, config: Config) -> None:
        """Refuse a model that may bring code, where that may not run."""
        if config.model.trust_remote_code and not self._own_code:
            raise InputError(f"{self.index}: {OWN_CODE}")

    def admit(self, config: Config) -> None:
        """Refuse to sign by a configuration whose model may bring code that may not run, or that names what lies elsewhere."""
        try:
            self.check_code(config)
            self._roots.check_model(config)
            self._roots.check_files(config)
        except InputError as error:
            raise InputError(f"{error}; or mend it by `attridex repair` where it lies") from None

    @property
    def damaged(self) -> str:
        """What is wrong with the files of the served version, from which nothing is answered then; empty where nothing is."""
        return self._lease.damage

    @property
    def problem(self) -> str:
        """What is wrong with the served version, or with the one that should be served instead; empty where nothing is."""
        return self.damaged or self._newer

    @contextmanager
    def version(self, *, whole: bool = True) -> Iterator[IndexVersion]:
        """The served version, open until the block ends; one that is not `whole` may be looked at where it is said so.

        Raises:
            DamagedIndexError: its files are no longer what was written.
        """
        with self._lock:
            lease = self._lease
            lease.readers += 1
        with self._reading(lease, whole):
            yield lease.version

    @contextmanager
    def reading(self, version: IndexVersion) -> Iterator[None]:
        """Read from a version that is held already.

        Raises:
            DamagedIndexError: its files are no longer what was written.
        """
        with self._lock:
            lease = next(lease for lease in (self._lease, *self._old) if lease.version is version)
            lease.readers += 1
        with self._reading(lease):
            yield

    @contextmanager
    def at(self, number: str) -> Iterator[IndexVersion]:
        """A version that a listing began with, open until the block ends.

        Raises:
            VersionGoneError: it is no longer on disk.
            DamagedIndexError: its files are no longer what was written.
        """
        lease = self._held(number)
        if lease is None:
            with self._turn:  # two pages at once open it once
                lease = self._held(number) or self._reopened(number)
        with self._reading(lease):
            yield lease.version

    def _held(self, number: str) -> Lease | None:
        """The lease of an open version, with one reader more."""
        with self._lock:
            for lease in (self._lease, *self._old):
                if lease.version.manifest.version == number:
                    lease.readers += 1
                    return lease
        return None

    def _reopened(self, number: str) -> Lease:
        """A version that is on disk although it is no longer served; what is read of it is verified when it is read."""
        directory, _, seq = number.partition("+")
        gone = f"page_token: version {number}, with which the listing began, is gone or was replaced long ago; begin anew"
        if directory not in list_versions(self.index) or not self._recent(int(seq or 0)):
            raise VersionGoneError(gone)
        try:
            lease = Lease(self._light(number), readers=1, retired=True)
        except DamagedIndexError:
            if directory in list_versions(self.index):
                raise
            raise VersionGoneError(gone) from None
        with self._lock:
            self._old.append(lease)
        return lease

    def _recent(self, seq: int) -> bool:
        """Whether a listing may have begun under so many entries of the log of deletes and still go on.

        Anybody can make up a token: what was deleted before that is shown to nobody. Format 2 does not say when that was.
        """
        log = read_deletes(self.index)
        if log is None or seq > log.head.seq:
            return False
        now, window = datetime.now(UTC), timedelta(seconds=PAGE_SECONDS)  # a clock may have been set back since
        return all(abs(now - datetime.fromisoformat(entry.at)) <= window for entry in log.entries[seq + 1 :])

    def _light(self, number: str) -> IndexVersion:
        """A version that is on disk, without its vectors in memory; what is read of it is verified when it is read."""
        directory, _, seq = number.partition("+")
        self._roots.check(self.index, directory, self._model)
        return IndexVersion(self.index, directory, verify=False, mapped=self._mapped, light=True, seq=int(seq or 0))

    @contextmanager
    def _reading(self, lease: Lease, whole: bool = True) -> Iterator[None]:
        """A reader of a lease, counted before; what it finds damaged is remembered."""
        try:
            if whole and lease.damage:
                raise DamagedIndexError(lease.damage)
            yield
        except DamageError as error:
            self.mark(lease.version, str(error))
            raise DamagedIndexError(str(error)) from error
        finally:
            with self._lock:
                lease.readers -= 1
            self.sweep()

    def mark(self, version: IndexVersion, damage: str) -> None:
        """Answer nothing more from an open version; an empty `damage` takes that back."""
        with self._lock:
            found = [lease for lease in (self._lease, *self._old) if lease.version is version]
            told = [lease for lease in found if lease.damage != damage]
            for lease in told:
                lease.damage = damage
        if told:
            log.log(logging.ERROR if damage else logging.WARNING, "%s: %s", self.index.name, damage or "whole again")
            self.changed()

    def inspect(self) -> str:
        """What is wrong with the files of the served version on the disk, if anything; what is damaged is not answered from.

        A file that is missing may be about to be replaced: whoever looks again marks it.
        """
        with self.version(whole=False) as version:
            found = version.look()
            if found and not found.endswith(": missing"):
                self.mark(version, found)
            return found

    def keep(self, version: IndexVersion) -> None:
        """Hold a version for the next page of a listing, a bounded time."""
        number = version.manifest.version
        with self._lock:
            found = [lease for lease in (self._lease, *self._old) if lease.version.manifest.version == number]
            found[-1].wanted = time.monotonic() + PAGE_SECONDS

    def sweep(self) -> None:
        """Close what nobody reads any more, and the oldest of too many that are held for pages."""
        with self._lock:
            for lease in [lease for lease in self._old if lease.readers == 0][:-KEPT]:
                lease.wanted = 0.0
            over = [lease for lease in self._old if lease.over]
            self._old = [lease for lease in self._old if lease not in over]
        for lease in over:
            lease.version.close()

    def reload(self) -> str:
        """Serve the version that CURRENT names; queries under way finish on theirs.

        Reloads take turns and each reads CURRENT in its own, so that none puts an earlier version in the place of a later.
        """
        with self._turn:
            number = self._reload()
        self.sweep()
        self.changed()
        return number

    def _reload(self) -> str:
        try:
            current, lease = read_served(self.index), self._lease
            same = (current.version, current.manifest) == (lease.version.number, lease.version.sha256) and not lease.damage
            if same:
                damage, self._newer = self.inspect(), ""
                if damage:
                    raise DamagedIndexError(damage)
                if current.log is None or current.log.seq == lease.version.seq:
                    return lease.version.manifest.version
            log = read_deletes(self.index)
            log = log.until(current.log.seq) if log and current.log else log
            fresh = Lease(lease.version.under(log) if same else self._fitting())
        except (InputError, DamageError) as error:
            raise DamagedIndexError(self._refused(error)) from error
        except AttridexError as error:
            self._refused(error)
            raise
        light = [] if same else self._for_pages(self._lease)
        with self._lock:
            old, self._lease, self._newer = self._lease, fresh, ""
            old.retired, old.wanted = True, 0.0 if light else old.wanted
            self._old += [old, *light]
        return fresh.version.manifest.version

    def _fitting(self) -> IndexVersion:
        """The version that CURRENT names, where its queries are read and signed as those of the served one."""
        version = self._current()
        try:
            self._check_fits(version.manifest)
        except VersionGoneError:
            version.close()
            raise
        return version

    def _check_fits(self, manifest: Manifest) -> None:
        """Refuse a version whose queries would be read or signed in another way than those of the served one."""
        if signs(manifest) != signs(self._lease.version.manifest):
            raise VersionGoneError(f"{self.index}: built anew with another model or other settings; stop and serve it again")

    def _refused(self, error: AttridexError) -> str:
        """Remember and log, once, why what CURRENT names is not served."""
        if self._newer != str(error):
            log.error("%s: version %s stays open: %s", self.index.name, self._lease.version.manifest.version, error)
        self._newer = str(error)
        self.changed()
        return self._newer

    def _for_pages(self, lease: Lease) -> list[Lease]:
        """What stands for a version that is about to retire and whose next page may be asked for: it without its vectors."""
        if lease.wanted <= time.monotonic():
            return []
        try:
            version = self._light(lease.version.manifest.version)
        except DamagedIndexError as error:
            log.warning("%s: %s", self.index.name, error)
            return []
        return [Lease(version, retired=True, wanted=lease.wanted)]

    @property
    def number(self) -> str:
        """The served version's number."""
        return self._lease.version.number

    @property
    def served(self) -> str:
        """The served version as answers name it: its number, and the entries of the log of deletes."""
        return self._lease.version.manifest.version

    def versions(self) -> list[Manifest]:
        """Manifests of the versions on disk, oldest first, as they are served under what is deleted now."""
        log = read_deletes(self.index)
        return [served_manifest(self.index, number, log) for number in list_versions(self.index)]

    def activate(self, number: str) -> str:
        """Make a version the current one and serve it; one that is damaged, or would not be served, does not become it."""
        known = list_versions(self.index)
        if number not in known:
            raise UnknownIndexError(f"no version '{number}' of {self.index.name}; there are {', '.join(known)}", "version")
        try:
            self._roots.check(self.index, number, self._model)
            self._check_fits(read_manifest(self.index, number))
            make_current(self.index, number)
        except DamageError as error:
            raise DamagedIndexError(str(error)) from error
        return self.reload()

    def close(self) -> None:
        """Close every open version."""
        with self._lock:
            leases, self._old = [self._lease, *self._old], []
        for lease in leases:
            lease.version.close()
