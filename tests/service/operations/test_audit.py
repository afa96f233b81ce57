"""The audit: whole lines that are only appended, before what they tell is done."""

import json
import logging
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from attridex.indexer.errors import InputError
from attridex.service.errors import AuditError
from attridex.service.operations.audit import Audit
from attridex.service.operations.refusals import Refusals
from attridex.service.operations.witness import CallFacts, Ending

CALL = CallFacts("/attridex.v1.AdminService/Reload", "ipv4:1", "mine-1", "ann")
OTHER = CallFacts("/attridex.v1.AttributionService/Predict", "ipv4:1", "mine-2")
SERVICE = "attridex.v1.AdminService"
FULL = """
import resource, sys
from pathlib import Path
from attridex.service.errors import AuditError
from attridex.service.operations.audit import Audit
from attridex.service.operations.witness import CallFacts, Ending
call = CallFacts("/s/Reload", "ipv4:1", "mine-1")
audit = Audit("s", Path(sys.argv[1]))
audit.change(call, {"number": 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for number in (1, 2):
    try:
        audit.change(call, {"number": number})
    except AuditError as error:
        print(error)
audit.end(call, Ending("OK", "", 0.0))
audit._file._writer.submit(int).result()  # that line is behind
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
audit.change(call, {"number": 3})
"""


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_change_is_written_before_and_after_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    for _ in range(2):  # a server that starts again appends
        audit = Audit(SERVICE, path)
        audit.change(OTHER, {})
        audit.end(OTHER, Ending("OK", "", 0.1))
        audit.change(CALL, {"index": "a\nb"})
        assert lines(path)[-1]["event"] == "asked"
        audit.end(CALL, Ending("OK", "", 0.1))
        audit.close()
    assert [each["event"] for each in lines(path)] == ["asked", "ended"] * 2
    assert all((each["identity"], each["request"], each["client"]) == ("ann", "mine-1", "ipv4:1") for each in lines(path))
    assert lines(path)[0]["asked"] == {"index": "a\nb"}
    assert path.stat().st_mode & 0o777 == 0o600


def call(number: int) -> CallFacts:
    """A call of somebody."""
    return CallFacts("/attridex.v1.AdminService/Reload", "ipv4:1", f"mine-{number}")


def test_refused_calls_are_written_up_to_a_number_and_counted_beyond_it(tmp_path: Path) -> None:
    audit = Audit(SERVICE, tmp_path / "audit", refused=2)
    for number in range(5):
        audit.end(call(number), Ending("PERMISSION_DENIED" if number else "UNAUTHENTICATED", "no role", 0.1))
    allowed = call(5)
    audit.change(allowed, {})  # one that may be done has its lines whatever was refused
    audit.end(allowed, Ending("OK", "", 0.1))
    audit.close()
    written = lines(tmp_path / "audit")
    assert [each.get("code", each["event"]) for each in written] == [
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "asked",
        "OK",
        "refused",
    ]
    assert (written[-1]["more"], written[-1]["codes"]) == (3, {"PERMISSION_DENIED": 3})


def test_the_number_of_refused_calls_is_told_once_their_time_is_over() -> None:
    told, over = list[Mapping[str, int]](), threading.Event()
    refusals = Refusals(lambda codes: (told.append(codes), over.set()), most=1, seconds=0.01)
    refusals.one_more("UNAUTHENTICATED")
    refusals.one_more("UNAUTHENTICATED")
    assert over.wait(60)
    assert told == [{"UNAUTHENTICATED": 1}]
    assert refusals.one_more("UNAUTHENTICATED")


def test_only_who_changes_something_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, go = threading.Event(), threading.Event()
    audit = Audit(SERVICE, tmp_path / "audit")
    monkeypatch.setattr("os.fsync", lambda _: (syncing.set(), go.wait(60)))
    administrator = threading.Thread(target=audit.change, args=(call(1), {}))
    administrator.start()
    assert syncing.wait(60)
    audit.end(call(2), Ending("PERMISSION_DENIED", "no role", 0.1))  # the event loop's own part
    assert administrator.is_alive()
    go.set()
    administrator.join()
    audit.close()
    assert [each["request"] for each in lines(tmp_path / "audit")] == ["mine-1", "mine-2"]


def test_a_disk_that_hangs_is_not_waited_for_at_the_end_and_a_closed_audit_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go, audit = threading.Event(), Audit(SERVICE, tmp_path / "audit")
    monkeypatch.setattr("os.fsync", lambda _: go.wait(60))
    audit.end(call(1), Ending("PERMISSION_DENIED", "no role", 0.1))
    assert not audit.close(0.01)
    with pytest.raises(AuditError, match=r"it is closed\); nothing was changed"):
        audit.change(call(2), {})
    audit.end(call(3), Ending("PERMISSION_DENIED", "no role", 0.1))  # a call that ends late
    go.set()
    assert "the audit's disk hangs" in caplog.text
    assert "it is closed): this is not in the audit" in caplog.text


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    audit = Audit(SERVICE, tmp_path / "audit")
    audit.change(call(1), {})
    (tmp_path / "audit").rename(tmp_path / "audit.1")
    audit.change(call(2), {})
    audit.close()
    assert [[each["request"] for each in lines(tmp_path / name)] for name in ("audit.1", "audit")] == [["mine-1"], ["mine-2"]]


def test_without_a_file_the_lines_are_in_the_log_whatever_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setLevel(logging.NOTSET)
    Audit(SERVICE).change(CALL, {"index": "mine"})
    assert json.loads(caplog.records[-1].getMessage())["asked"] == {"index": "mine"}


@pytest.mark.parametrize("room", [-1, 0, 1, 50])
def test_what_cannot_be_written_is_not_done_and_a_torn_line_spoils_no_other(room: int, tmp_path: Path) -> None:
    path = tmp_path / "audit"
    Audit("s", path).change(CallFacts("/s/Reload", "ipv4:1", "mine-1"), {"number": 0})
    size = 2 * path.stat().st_size + room
    ran = subprocess.run([sys.executable, "-c", FULL, str(path), str(size)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [f"the audit cannot be written ({why}); nothing was changed" for why in reasons(room)]
    whole = [each for each in path.read_text().splitlines() if each.endswith("}")]
    assert [json.loads(each)["asked"]["number"] for each in whole] == [0, 0, 3]


def reasons(room: int) -> list[str]:
    """Why two lines cannot be written: of the first a part is, where there is room for one."""
    return ["the disk is full" if room > 0 else "File too large", "File too large"]


def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--audit .*: cannot be written: Is a directory"):
        Audit(SERVICE, tmp_path)


def test_a_closed_disk_is_an_error_of_the_catalogue(tmp_path: Path) -> None:
    audit = Audit(SERVICE, tmp_path / "audit")
    assert audit._file is not None
    os.close(audit._file._file)
    with pytest.raises(AuditError, match="nothing was changed"):
        audit.change(CALL, {})
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
