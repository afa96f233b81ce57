"""How versions of one index are opened by a server: as it was told to, from where it may read, by what it may run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attridex.indexer.config import Config
from attridex.indexer.errors import InputError
from attridex.indexer.index.directory import list_versions, read_deletes, read_served
from attridex.indexer.index.records import Manifest
from attridex.indexer.sections import SOURCES
from attridex.service.errors import DamagedIndexError, VersionGoneError
from attridex.service.storage.far import Spread
from attridex.service.storage.leases import PAGE_SECONDS
from attridex.service.storage.memory import Memory
from attridex.service.storage.roots import Roots
from attridex.service.storage.version import IndexVersion

APART = (*SOURCES, "skip_bad", "metadata")
"""Settings of a corpus that say where its records lie and what else is kept of them."""
OWN_CODE = (
    "the model may come with Python code of its own (model.trust_remote_code); read it, and serve with --trust-remote-code, "
    "or without the model (--no-model)"
)


def signs(manifest: Manifest) -> tuple[object, ...]:
    """What decides how an index's queries are read and signed: its model and settings.

    Not where its corpus lies, nor its curvatures, which are read with each version.
    """
    config = manifest.config
    corpus = config.corpus.model_copy(update=dict.fromkeys(APART))
    gradients = config.gradients.model_copy(update={"curvature": None})
    return manifest.model, manifest.checkpoints, config.model, corpus, gradients, config.neurons


@dataclass(frozen=True)
class Opening:
    """Opens versions of an index.

    Attributes:
        index: its directory.
        verify: whether every file is read and checked first.
        mapped: whether posting lists are mapped.
        roots: where it, and what it names, may lie; see `Roots.check`.
        model: whether its model is loaded; or where that lies now.
        own_code: whether Python code that lies beside its model may run.
        memory: that it may have; as much as it takes where None.
        spread: opens its vectors elsewhere; in this process where None.
    """

    index: Path
    verify: bool
    mapped: bool
    roots: Roots
    model: bool | str
    own_code: bool
    memory: Memory | None = None
    spread: Spread | None = None

    @property
    def place(self) -> str | None:
        """Where its model lies now, if not where it says."""
        return self.model if isinstance(self.model, str) else None

    def current(self, beside: IndexVersion | None = None) -> IndexVersion:
        """The version that CURRENT names, shards of which are not opened again that are open `beside`.

        One that another process removes meanwhile is no longer that version.
        """
        current = read_served(self.index)
        while True:
            try:
                self.check_place(current.version)
                seq = current.log.seq if current.log else None  # what comes later is of the next look at CURRENT
                return self._open(current.version, seq=seq, beside=beside)
            except DamagedIndexError:
                before, current = current, read_served(self.index)
                if current == before:
                    raise

    def light(self, number: str) -> IndexVersion:
        """A version that is on disk, without its vectors in memory; what is read of it is verified when it is read."""
        directory, _, seq = number.partition("+")
        self.check_place(directory)
        return self._open(directory, seq=int(seq or 0), light=True)

    def _open(self, number: str, *, seq: int | None, light: bool = False, beside: IndexVersion | None = None) -> IndexVersion:
        verify = self.verify and not light
        return IndexVersion(
            self.index,
            number,
            verify=verify,
            mapped=self.mapped,
            light=light,
            seq=seq,
            beside=beside,
            spread=self.spread,
            memory=self.memory,
        )

    def older(self, number: str) -> IndexVersion:
        """A version that a listing began with a moment ago, see `light`.

        Raises:
            VersionGoneError: it is no longer on disk, or cannot be the one.
        """
        directory, _, seq = number.partition("+")
        gone = f"page_token: version {number}, with which the listing began, is gone or was replaced long ago; begin anew"
        if directory not in list_versions(self.index) or not self._recent(int(seq or 0)):
            raise VersionGoneError(gone)
        try:
            return self.light(number)
        except DamagedIndexError:
            if directory in list_versions(self.index):
                raise
            raise VersionGoneError(gone) from None

    def _recent(self, seq: int) -> bool:
        """Whether a listing may have begun under so many entries of the log of deletes and still go on.

        Anybody can make up a token: what was deleted before that is shown to nobody. Format 2 does not say when that was.
        """
        log = read_deletes(self.index)
        if log is None or seq > log.head.seq:
            return False
        now, window = datetime.now(UTC), timedelta(seconds=PAGE_SECONDS)  # a clock may have been set back since
        return all(abs(now - datetime.fromisoformat(entry.at)) <= window for entry in log.entries[seq + 1 :])

    def check_place(self, number: str) -> None:
        """Refuse a version that would lead elsewhere; see `Roots.check`."""
        self.roots.check(self.index, number, self.model)

    def check_fits(self, manifest: Manifest, served: Manifest) -> None:
        """Refuse a version whose queries would be read or signed in another way than those of the served one."""
        if signs(manifest) != signs(served):
            raise VersionGoneError(f"{self.index}: built anew with another model or other settings; stop and serve it again")

    def check_code(self, config: Config) -> None:
        """Refuse a model that may bring code, where that may not run."""
        if config.model.trust_remote_code and not self.own_code:
            raise InputError(f"{self.index}: {OWN_CODE}")

    def admit(self, config: Config) -> None:
        """Refuse to sign by a configuration whose model may bring code that may not run, or that names what lies elsewhere."""
        try:
            self.check_code(config)
            self.roots.check_model(config)
            self.roots.check_files(config)
        except InputError as error:
            raise InputError(f"{error}; or mend it by `attridex repair` where it lies") from None
