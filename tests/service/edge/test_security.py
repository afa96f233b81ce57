"""Nobody is served in the clear by accident, and certificates are looked at before the port is."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.indexer.errors import InputError
from attridex.service.edge.security import (
    Certificates,
    Tls,
    address,
    check_admin,
    check_listen,
    parse_mode,
    tls_of,
    warn_of_tokens,
)
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc
from attridex.v1.addresses import is_local

ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])
PAIR = Tls(Path("c.pem"), Path("k.pem"))


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.8.8:65535", "[::1]:1", "localhost:50051", "unix:/tmp/x.sock"])
def test_loopback_needs_no_tls(listen: str) -> None:
    assert is_local(listen)
    check_listen(listen, None, insecure=False)


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", ":1", "10.0.0.1:1", "example.org:1", "127.0.0.1.example.org:1", "*:1"])
def test_elsewhere_tls_or_an_explicit_word_is_needed(listen: str) -> None:
    with pytest.raises(InputError, match="reachable from other machines without TLS; give --tls-cert"):
        check_listen(listen, None, insecure=False)
    check_listen(listen, None, insecure=True)
    check_listen(listen, PAIR, insecure=False)


@pytest.mark.parametrize("listen", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:-1", "::1:5005"])
def test_an_address_that_grpc_would_read_otherwise_is_refused(listen: str) -> None:
    with pytest.raises(InputError, match=r"an address such as 127\.0\.0\.1:50051"):
        check_listen(listen, PAIR, insecure=True)


def test_the_announced_address_has_the_real_port() -> None:
    assert [address(listen, 7) for listen in ("127.0.0.1:0", "[::1]:0", "unix:/a:b")] == ["127.0.0.1:7", "[::1]:7", "unix:/a:b"]


@pytest.mark.parametrize("parts", [("c", None, None), (None, "k", None), (None, "k", "ca"), (None, None, "ca")])
def test_half_of_the_tls_options_is_not_silently_none_of_them(parts: tuple[str | None, ...]) -> None:
    with pytest.raises(InputError, match="--tls-"):
        tls_of(*(Path(part) if part else None for part in parts))


def test_tls_options_are_taken_whole() -> None:
    assert tls_of(None, None, None) is None
    assert tls_of(Path("c"), Path("k"), Path("ca")) == Tls(Path("c"), Path("k"), Path("ca"))


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Self-signed pairs for 127.0.0.1: NAME.crt and NAME.key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("pem")
    for name in ("server", "client", "stranger"):
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        files = ["-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.crt")]
        names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command, *files, *names], check=True, capture_output=True)
    (directory / "junk.crt").write_text("no PEM\n")
    return lambda name: directory / name


@pytest.mark.parametrize(
    ("certificate", "key", "ca", "words"),
    [
        ("missing.crt", "server.key", None, "missing.crt: No such file"),
        ("junk.crt", "server.key", None, "not a PEM certificate"),
        ("server.crt", "client.key", None, "not a PEM certificate and its unencrypted key"),
        ("server.crt", "server.key", "junk.crt", "no PEM certificate of a CA"),
    ],
)
def test_a_bad_certificate_is_named_and_not_taken_for_a_busy_port(
    certificate: str, key: str, ca: str | None, words: str, pem: Callable[[str], Path]
) -> None:
    with pytest.raises(InputError, match=words):
        Certificates(Tls(pem(certificate), pem(key), pem(ca) if ca else None)).credentials()


def answer(port: int, root: Path, client: tuple[Path, Path] | None = None) -> Any:
    """Ask over TLS."""
    certificate, key = client or (None, None)
    parts = [path.read_bytes() if path else None for path in (root, key, certificate)]
    with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(*parts)) as channel:
        return rpc.AttributionServiceStub(channel).AttributeInstances(ASK, timeout=20)


def test_over_tls_only_clients_that_trust_the_server_are_answered(start: Any, pem: Callable[[str], Path]) -> None:
    port = start(tls=Tls(pem("server.crt"), pem("server.key"))).port
    assert answer(port, pem("server.crt")).results[0].query_id == "q"
    with pytest.raises(grpc.RpcError):
        answer(port, pem("stranger.crt"))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError):
        rpc.AttributionServiceStub(channel).AttributeInstances(ASK, timeout=20)


def test_with_a_client_ca_only_known_clients_are_answered(start: Any, pem: Callable[[str], Path]) -> None:
    port = start(tls=Tls(pem("server.crt"), pem("server.key"), pem("client.crt"))).port
    root = pem("server.crt")
    assert answer(port, root, (pem("client.crt"), pem("client.key"))).results[0].query_id == "q"
    for client in (None, (pem("stranger.crt"), pem("stranger.key"))):
        with pytest.raises(grpc.RpcError) as raised:
            answer(port, root, client)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("listen", "tokens", "words"),
    [("0.0.0.0:1", None, "reachable from other machines"), ("127.0.0.1:1", Path("t"), "give one of them")],
)
def test_everybody_may_administrate_on_loopback_alone(listen: str, tokens: Path | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_admin(listen, tokens, insecure_admin=True)
    check_admin(listen, tokens, insecure_admin=False)
    check_admin("unix:/tmp/x", None, insecure_admin=True)


def test_a_renewed_certificate_is_served_without_a_start_and_a_bad_one_is_not(
    start: Any, pem: Callable[[str], Path], tmp_path: Path
) -> None:
    used = Tls(tmp_path / "crt", tmp_path / "key")

    def put(certificate: str, key: str) -> None:
        shutil.copy(pem(certificate), used.certificate)
        shutil.copy(pem(key), used.key)

    put("server.crt", "server.key")
    port = start(tls=used).port
    assert answer(port, pem("server.crt")).results[0].query_id == "q"
    put("stranger.crt", "stranger.key")
    assert answer(port, pem("stranger.crt")).results[0].query_id == "q"
    put("junk.crt", "server.key")
    assert answer(port, pem("stranger.crt")).results[0].query_id == "q"


@pytest.mark.parametrize("text", ["", "888", "rw", "1777", "-600", "400", "077"])
def test_a_mode_with_which_nobody_could_connect_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="an octal mode with which the owner may connect"):
        parse_mode(text)
    assert [parse_mode("600"), parse_mode("0660"), parse_mode("777")] == [0o600, 0o660, 0o777]


def token_file(path: Path, secret: str) -> Path:
    path.write_text(f"query alice {secret}\n")
    path.chmod(0o600)
    return path


def test_tokens_in_the_clear_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = token_file(tmp_path / "t", "the-token-of-alice-is-long")
    for listen, tls, tokens in (("127.0.0.1:1", None, given), ("0.0.0.0:1", PAIR, given), ("0.0.0.0:1", None, None)):
        warn_of_tokens(listen, tls, tokens)
    assert caplog.text == ""
    warn_of_tokens("0.0.0.0:1", None, given)
    assert "tokens travel in the clear to 0.0.0.0:1; give --tls-cert and --tls-key" in caplog.text


def test_certificates_that_nobody_can_show_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = token_file(tmp_path / "t", "cert:alice.example")
    warn_of_tokens("127.0.0.1:1", replace(PAIR, client_ca=Path("ca")), given)
    assert caplog.text == ""
    warn_of_tokens("127.0.0.1:1", PAIR, given)
    assert "names certificates (cert:), and no client can show one without --tls-client-ca" in caplog.text


def test_a_pipe_where_a_certificate_should_be_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"TLS: .*pipe: not a file"):
        Certificates(Tls(tmp_path / "pipe", tmp_path / "pipe"))
