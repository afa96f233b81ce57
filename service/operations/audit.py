"""The audit: who changed or asked what by the admin service, and how it ended, in lines that are only ever appended."""

import json
import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attridex.indexer.errors import InputError
from attridex.service.errors import AuditError
from attridex.service.operations.witness import CallFacts, Ending, Witness

log = logging.getLogger("attridex.audit")


class Audit(Witness):
    """Writes each call of a service before it is done, and how it ended.

    A call that cannot be written is not done. With a file its line is on the disk before it begins; without one
    the lines go to the log, whatever its level.
    """

    def __init__(self, service: str, path: Path | None = None) -> None:
        """Audit calls of this service, into a file where one is given.

        Raises:
            InputError: it cannot be opened.
        """
        self._prefix, self._lock = f"/{service}/", threading.Lock()
        self._file: int | None = None
        self._torn = False
        log.setLevel(logging.INFO)
        if path is not None:
            try:
                self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise InputError(f"--audit {path}: cannot be written: {error.strerror}") from None
            size = os.fstat(self._file).st_size
            self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"

    def change(self, call: CallFacts, asked: Mapping[str, Any]) -> None:
        """See `Witness`.

        Raises:
            AuditError: it cannot be written.
        """
        if call.rpc.startswith(self._prefix):
            self._write(call, {"event": "asked", "asked": asked}, sync=True)

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`."""
        if not call.rpc.startswith(self._prefix):
            return
        try:
            self._write(call, {"event": "ended", "code": how.code, "message": how.message, "seconds": round(how.seconds, 6)})
        except AuditError as error:
            log.error("%s: the end of %s (%s) is not in the audit", error, call.rpc, how.code)

    def _write(self, call: CallFacts, said: Mapping[str, Any], *, sync: bool = False) -> None:
        facts = {"rpc": call.rpc, "client": call.client, "identity": call.identity, "request": call.request_id, **said}
        if self._file is None:
            log.info("%s", json.dumps(facts), extra={"event": said["event"]})
            return
        line = json.dumps({"at": datetime.now(UTC).isoformat(), "call": call.number, **facts}).encode() + b"\n"
        try:
            with self._lock:
                line = b"\n" * self._torn + line
                self._torn = True  # until it is whole
                if os.write(self._file, line) != len(line):
                    raise OSError(0, "the disk is full")
                self._torn = False
                if sync:
                    os.fsync(self._file)
        except OSError as error:
            raise AuditError(f"the audit cannot be written ({error.strerror}); nothing was changed") from None
