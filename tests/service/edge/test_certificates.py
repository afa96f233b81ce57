"""Certificates over real sockets: whose name has a role, which have expired, and what is told before they do."""

import logging
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from attridex.client.errors import details_of
from attridex.indexer.errors import InputError
from attridex.service.access.certificates import Validity, check_now, days_left, validities
from attridex.service.edge.security import Tls
from attridex.v1 import admin_pb2, admin_pb2_grpc
from attridex.v1 import attribution_pb2 as pb
from attridex.v1 import attribution_pb2_grpc as rpc

ASK = pb.AttributeInstancesRequest(queries=[pb.Query(id="q", instance_id="t1")])
DAYS = {"server": 400, "soon": 3, "expired": -1, "carol": 400, "old-carol": -1, "both": 400, "stranger": 400}
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
NAMES = {"carol": "DNS:carol.example", "old-carol": "DNS:carol.example", "both": "DNS:carol.example,DNS:bob.example"}
TOKENS = "query carol cert:carol.example\nadmin bob cert:bob.example\nadmin eve the-token-of-eve-is-long\n"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A CA, and pairs that it signed: NAME.crt and NAME.key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    at = tmp_path_factory.mktemp("pem")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], check=True, capture_output=True, cwd=at)

    run("req", "-x509", *CURVE, "-days", "4000", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=the CA")
    for name, days in DAYS.items():
        (at / "names").write_text(f"subjectAltName={NAMES.get(name, 'IP:127.0.0.1')}\n")
        run("req", "-new", *CURVE, "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={name}")
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "names"]
        run("x509", "-req", "-in", "request", *signing, "-out", f"{name}.crt")
    return lambda name: at / name


def tls(pem: Callable[[str], Path], name: str) -> Tls:
    return Tls(pem(f"{name}.crt"), pem(f"{name}.key"), pem("ca.crt"))


def ask(pem: Callable[[str], Path], port: int, name: str, *, admin: bool = False, token: str = "") -> str:
    """The code and reason of a call with a certificate; "OK" where it was answered."""
    parts = [pem(each).read_bytes() for each in ("ca.crt", f"{name}.key", f"{name}.crt")]
    how: dict[str, Any] = {"timeout": 20, "metadata": [("authorization", f"Bearer {token}")] if token else []}
    with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(*parts)) as channel:
        try:
            if admin:
                admin_pb2_grpc.AdminServiceStub(channel).Reload(admin_pb2.ReloadRequest(), **how)
            else:
                rpc.AttributionServiceStub(channel).AttributeInstances(ASK, **how)
        except grpc.RpcError as error:
            return f"{error.code().name} {details_of(error)[0]}".strip()  # type: ignore[attr-defined]
    return "OK"


def test_a_certificate_has_the_role_of_its_name(start: Any, stand_in: Any, pem: Callable[[str], Path], tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    stand_in.reload = lambda: "1"
    port = start(tls=tls(pem, "server"), tokens=tokens).port
    assert ask(pem, port, "carol") == "OK"
    assert ask(pem, port, "carol", admin=True) == "PERMISSION_DENIED ROLE"
    assert ask(pem, port, "stranger") == "UNAUTHENTICATED UNAUTHENTICATED"
    assert ask(pem, port, "both") == "UNAUTHENTICATED UNAUTHENTICATED"  # two lines of the file
    assert ask(pem, port, "stranger", admin=True, token="the-token-of-eve-is-long") == "OK"
    assert ask(pem, port, "carol", token="a-wrong-token-of-some-length") == "UNAUTHENTICATED UNAUTHENTICATED"
    tokens.write_text(TOKENS.replace("query carol", "admin carol"))
    assert ask(pem, port, "carol", admin=True) == "OK"
    assert ask(pem, port, "old-carol") == "UNAVAILABLE"  # TLS lets nobody in whose certificate has expired


def test_an_expired_certificate_is_not_served_from_the_start_or_later(
    start: Any, pem: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"expired\.crt: the certificate expired at 20.* UTC; a renewed one is needed$"):
        start(tls=tls(pem, "expired"))
    used = Tls(tmp_path / "crt", tmp_path / "key", pem("ca.crt"))

    def put(name: str) -> None:
        for path in (used.certificate, used.key):
            shutil.copy(pem(f"{name}.{path.name}"), path)

    put("server")
    port = start(tls=used).port
    assert ask(pem, port, "carol") == "OK"
    put("expired")
    assert ask(pem, port, "carol") == "OK"


def test_what_expires_soon_is_told_in_the_log(start: Any, pem: Callable[[str], Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        start(tls=tls(pem, "server"))
        assert "expires" not in caplog.text
        server = start(tls=tls(pem, "soon"))
    (told,) = (each.getMessage() for each in caplog.records if "expires" in each.getMessage())
    assert told.startswith(f"TLS: {pem('soon.crt')}: a certificate expires in ")
    assert 2 < server._edge.days_left["server"] <= 3
    assert 3900 < server._edge.days_left["client-ca"] <= 4000


def test_times_are_those_that_openssl_tells(pem: Callable[[str], Path], tmp_path: Path) -> None:
    openssl = str(shutil.which("openssl"))
    long = ["req", "-x509", *CURVE, "-days", "20000", "-keyout", "far.key", "-out", "far.crt", "-subj", "/CN=beyond 2050"]
    subprocess.run([openssl, *long], check=True, capture_output=True, cwd=tmp_path)
    for path in (*map(pem, (f"{name}.crt" for name in DAYS)), tmp_path / "far.crt"):
        told = subprocess.run([openssl, "x509", "-in", path, "-noout", "-dates"], check=True, capture_output=True, text=True)
        begins, ends = (
            datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
            for line in told.stdout.splitlines()
        )
        assert validities(path) == [Validity(begins, ends)]
    chain = tmp_path / "chain.crt"
    chain.write_bytes(pem("soon.crt").read_bytes() + b"some words\n" + pem("ca.crt").read_bytes())
    assert [days_left(each.ends) > 30 for each in validities(chain)] == [False, True]


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "crt").write_text(content)
    with pytest.raises(InputError, match=r"crt: no PEM certificate$"):
        validities(tmp_path / "crt")


def test_a_certificate_of_the_future_is_refused() -> None:
    now = datetime.now(UTC)
    with pytest.raises(InputError, match=r"not valid before .*; is this machine's clock right"):
        check_now(Path("crt"), Validity(now + timedelta(days=1), now + timedelta(days=2)))


@pytest.mark.parametrize(
    "place", ["ssl.SSLContext.load_cert_chain", "ssl.SSLContext.load_verify_locations", "pathlib.Path.read_text"]
)
def test_a_file_that_goes_while_it_is_read_is_a_fault_of_the_files(
    place: str, pem: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(place, gone)
    with pytest.raises(InputError, match=r"^TLS: .*crt: No such file or directory$"):
        tls(pem, "server").load()
