"""The second port: pages, probes, and clients that are slow, many or hostile."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from attridex.indexer.errors import InputError
from attridex.service.operations.web import CONNECTIONS, Answer, Web, told

PAGES = {
    "/ok": lambda _accept: told(True, {"a": 1}),
    "/no": lambda _accept: told(False, {}),
    "/as": lambda a: Answer(200, "t", a.encode()),
}


@pytest.fixture
def web() -> Iterator[Web]:
    """A server of pages."""
    server = Web("127.0.0.1:0", PAGES)
    yield server
    server.close()


def ask(web: Web, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()


def test_pages_are_given_with_their_status(web: Web) -> None:
    assert ask(web, "/ok") == (200, b'{"a": 1}\n')
    assert ask(web, "/no?x=1")[0] == 503
    assert ask(web, "/ok", "HEAD") == (200, b"")
    assert ask(web, "/as", Accept="text/plain") == (200, b"text/plain")
    assert ask(web, "/../etc/passwd") == (404, b'{"error": "no such page; there are /as, /no, /ok"}\n')
    assert ask(web, "/ok", "POST")[0] == 501


def test_clients_that_say_nothing_take_no_more_than_the_room_there_is(web: Web) -> None:
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(socket.create_connection(("127.0.0.1", web.port)))
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(web, "/ok")
    for _ in range(100):
        try:
            assert ask(web, "/ok")[0] == 200
            return
        except (http.client.HTTPException, ConnectionError):
            continue
    pytest.fail("no room was given back")


def test_bytes_that_are_no_request_are_refused_and_the_next_one_is_answered(web: Web) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
    assert ask(web, "/ok")[0] == 200


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", ":9464", "192.0.2.1:9464"])
def test_an_address_that_cannot_be_had_is_told_in_a_line(listen: str) -> None:
    with pytest.raises(InputError, match=f"--operations {listen}: "):
        Web(listen, PAGES)


def test_two_servers_do_not_share_a_port(web: Web) -> None:
    with pytest.raises(InputError, match="in use"):
        Web(f"127.0.0.1:{web.port}", PAGES)
