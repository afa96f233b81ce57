"""URLs, and what stores refuse, in one line each."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attridex.indexer.errors import AttridexError, DamageError, InputError
from attridex.indexer.files import file_hash
from attridex.indexer.index.records import FileEntry
from attridex.indexer.remote.objects import CHUNK, Objects, reason
from attridex.indexer.remote.publishing import checked
from attridex.indexer.remote.urls import name_of, url_of
from attridex.service.edge.server import parse_indexes


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "gs://bucket/b", "az://container/b", "file:///a/b"])
def test_a_url_stays_one_as_a_path_and_a_directory_is_none(url: str) -> None:
    assert url_of(url) == url_of(Path(url)) == url_of(f"{url}/") == url
    assert name_of(url) == "b"
    for place in ("a/b", "./a:b/c", "/a/b", "C:/b", "name=s3://bucket/b"):
        assert url_of(place) is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://host/a", "known: s3://, gs://, az://, file://"),
        ("s3://key:word@bucket/a", "credentials come from the environment"),
        ("s3://bucket/a?X-Amz-Signature=1", "credentials come from the environment"),
        ("s3://bucket", "name a root in it"),
        ("s3://", r"^s3://: names no root of an index; write it as s3://BUCKET/PATH$"),
    ],
)
def test_a_url_that_is_no_root_is_refused_without_repeating_a_secret(url: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as refused:
        url_of(url)
    assert "word" not in str(refused.value)
    assert "Signature" not in str(refused.value)


def test_a_bucket_that_is_not_there_and_a_root_without_an_index_are_one_line(root: str, attridex: Callable[..., Any]) -> None:
    for url, code, told in (
        (root, 2, f"error: {root}: no attridex index there"),
        ("s3://nobody/index", 1, "The specified bucket does not exist"),
    ):
        for command in (("info", url), ("query", "ia", "--instance", "t1", "--index", url), ("delete", url, "--ids", "t1")):
            ran = attridex(*command)
            assert (ran.code, ran.err.count("\n"), told in ran.err) == (code, 1, True), ran.err


def test_a_large_object_goes_in_parts_and_one_that_fails_on_the_way_is_never_there(root: str, tmp_path: Path) -> None:
    objects, large = Objects(root), tmp_path / "large"
    large.write_bytes(bytes(range(256)) * (CHUNK // 100))
    entry = FileEntry(bytes=large.stat().st_size, sha256=file_hash(large))
    objects.write("objects/whole", checked(large, entry), entry.bytes)
    assert b"".join(objects.chunks("objects/whole", entry.bytes)) == large.read_bytes()
    assert list(objects.chunks("objects/whole", entry.bytes + 1)) == []
    for size in (entry.bytes, 1):
        with pytest.raises(DamageError, match="was not uploaded"):
            objects.write("objects/other", checked(large, entry.model_copy(update={"sha256": "0" * 64})), size)
    assert [each.name for each in objects.listed("objects")] == ["objects/whole"]


def test_credentials_of_a_profile_are_found_where_aws_keeps_them(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = key\naws_secret_access_key = word\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert Objects(root).listed("heads") == []


def test_a_server_names_an_index_by_the_end_of_its_url() -> None:
    assert list(parse_indexes(["s3://bucket/some/index", "mine=gs://bucket/index", "file:///a/b=c"])) == ["index", "mine", "b=c"]


GET, SERVER = "Generic S3 error: Error performing GET http://host/c?sig=secret&sv=1", "Server returned non-2xx status code:"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{GET} in 5ms - {SERVER} 403 Forbidden: <Error><Code>no</Code></Error>\nmore", "the store answers 403 Forbidden"),
        (f"{GET} in 5ms - {SERVER} 403 Forbidden: <Error><Message>No.</Message>", "the store answers 403 Forbidden (No.)"),
        (f"{GET} in 743.1ms, after 4 retries, max_retries: 4 - HTTP error: error sending request", "the store does not answer"),
        (
            f'{GET} in 1.1s - HTTP error: error\n Os {{ message: "Connection refused" }}',
            "the store does not answer (Connection refused)",
        ),
        (f"{GET} - something else\nmore", "Generic S3 error: Error performing GET http://host/c - something else"),
    ],
)
def test_a_refusal_is_told_without_a_signed_request_and_what_differs_each_time(text: str, told: str) -> None:
    assert reason(ValueError(text)) == told


def test_without_credentials_at_a_closed_port_and_without_tls_a_line_says_so(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attridex.indexer.remote.objects.RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=5)})
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(AttridexError, match=r"/heads: the store does not answer \(Connection refused\)$"):
            Objects(root).listed("heads")
    with monkeypatch.context() as patched:
        patched.delenv("AWS_ALLOW_HTTP")
        with pytest.raises(AttridexError, match=r"/heads: the endpoint is http://; allow it by AWS_ALLOW_HTTP=true"):
            Objects(root).listed("heads")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")  # which tells of no role
    with pytest.raises(AttridexError, match="/heads: no credentials in the environment"):
        Objects(root).listed("heads")


def test_a_directory_by_its_url_is_a_root_too(tmp_path: Path, machine: Callable[[str], Path], small: Path, attridex: Any) -> None:
    machine("here")
    url = f"file://{tmp_path}/shared/index"
    snapshot = tmp_path / "snapshot"
    assert attridex("snapshot", small / "index", snapshot).code == 0
    ran = attridex("info", url)
    assert (ran.code, f"error: {url}: no attridex index there" in ran.err, (tmp_path / "shared").exists()) == (2, True, False)
    assert attridex("restore", snapshot, url).code == 0
    ran = attridex("restore", snapshot, url)
    assert (ran.code, f"error: {url}: is there already" in ran.err) == (2, True), ran.err
    assert attridex("delete", url, "--ids", "t1").code == 0
    assert attridex("activate", url, "1").code == 0
    assert attridex("--cache", tmp_path / "other", "info", url, "--json").lines[0]["instances"] == 11
    assert list((tmp_path / "other").glob("*/objects/*"))
