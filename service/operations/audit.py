"""The audit: who changed or asked what by the admin service, and how it ended, in lines that are only ever appended."""

import json
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attridex.service.errors import AuditError
from attridex.service.operations.audit_file import LAST_SECONDS, AuditFile
from attridex.service.operations.refusals import MOST, Refusals
from attridex.service.operations.witness import CallFacts, Ending, Witness

ASKED = "audit"
"""Among the notes of a call: it was asked for by somebody who may, and its line is written."""
log = logging.getLogger("attridex.audit")


class Audit(Witness):
    """Writes each call of a service before it is done, and how it ended.

    A call that cannot be written is not done. With a file its line is on the disk before it begins, and a thread that is no
    administrator's never waits for that disk; without one the lines go to the log, whatever its level.
    """

    def __init__(self, service: str, path: Path | None = None, refused: int = MOST) -> None:
        """Audit calls of this service.

        Args:
            service: its full name.
            path: a file for it; the log where None.
            refused: calls that never began, of which so many a minute have a line; the others are counted in one.

        Raises:
            InputError: the file cannot be opened.
        """
        self._prefix = f"/{service}/"
        self._file = AuditFile(path) if path else None
        self._refusals = Refusals(self._tell_more, refused)
        log.setLevel(logging.INFO)

    def change(self, call: CallFacts, asked: Mapping[str, Any]) -> None:
        """See `Witness`; waits until the line is on the disk.

        Raises:
            AuditError: it cannot be written.
        """
        if call.rpc.startswith(self._prefix):
            try:
                self._write({**facts(call), "event": "asked", "asked": asked}, call.number).result()
            except AuditError as error:
                raise AuditError(f"{error}; nothing was changed") from None
            call.notes[ASKED] = True

    def end(self, call: CallFacts, how: Ending) -> None:
        """See `Witness`; waits for nothing."""
        if call.rpc.startswith(self._prefix) and (ASKED in call.notes or self._refusals.one_more(how.code)):
            said = {**facts(call), "event": "ended", "code": how.code, "message": how.message, "seconds": round(how.seconds, 6)}
            self._later(said, call.number)

    def close(self, patience: float = LAST_SECONDS) -> bool:
        """Write what is left; whether that was done within `patience` seconds."""
        self._refusals.end_period()
        ended = self._file is None or self._file.close(patience)
        if not ended:
            log.error("the audit's disk hangs; its last lines may be lost")
        return ended

    def _tell_more(self, codes: Mapping[str, int]) -> None:
        self._later({"event": "refused", "more": sum(codes.values()), "codes": dict(codes)})

    def _later(self, said: Mapping[str, Any], number: str = "") -> None:
        """Write a line that nothing waits for."""
        self._write(said, number).add_done_callback(lambda done: missed(said, done.exception()))

    def _write(self, said: Mapping[str, Any], number: str = "") -> "Future[None]":
        """Write a line, with the number of its call if it has one."""
        if self._file is None:
            log.info("%s", json.dumps(said), extra={"event": said["event"]})
            done: Future[None] = Future()
            done.set_result(None)
            return done
        known = {"at": datetime.now(UTC).isoformat(), **({"call": number} if number else {})}
        return self._file.append(json.dumps({**known, **said}).encode() + b"\n")


def facts(call: CallFacts) -> dict[str, Any]:
    """Which call a line is about."""
    return {"rpc": call.rpc, "client": call.client, "identity": call.identity, "request": call.request_id}


def missed(said: Mapping[str, Any], error: BaseException | None) -> None:
    """Log a line that could not be written."""
    if error is not None:
        log.error("%s: this is not in the audit: %s", error, json.dumps(said))
