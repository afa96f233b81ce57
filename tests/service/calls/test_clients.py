"""Who is one client: a name wherever it comes from, a machine whatever its port, a connection where all share the machine."""

import pytest

from attridex.service.calls.clients import client_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ipv4:10.0.0.1:5000", "ipv4:10.0.0.1:5001"),
        ("ipv4:10.0.0.1:5000", "ipv6:%5B::ffff:10.0.0.1%5D:5001"),
        ("ipv6:%5B2001:db8:1:2::1%5D:5000", "ipv6:[2001:db8:1:2:ffff::9]:1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "ipv6:%5Bfe80::1%25eth0%5D:6000"),
        ("unix:", "unix:"),
    ],
)
def test_one_client_by_address(one: str, other: str) -> None:
    assert client_of(one) == client_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ipv4:10.0.0.1:5000", "ipv4:10.0.0.2:5000"),
        ("ipv4:127.0.0.1:5000", "ipv4:127.0.0.1:5001"),
        ("ipv6:%5B::1%5D:5000", "ipv6:%5B::1%5D:5001"),
        ("ipv6:%5B::ffff:127.0.0.1%5D:5000", "ipv6:%5B::ffff:127.0.0.1%5D:5001"),
        ("ipv6:%5B2001:db8:1:2::1%5D:5000", "ipv6:%5B2001:db8:1:3::1%5D:5000"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "ipv6:%5Bfe80::2%25eth0%5D:5000"),
        ("ipv4:10.0.0.1:5000", "unix:"),
    ],
)
def test_two_clients_by_address(one: str, other: str) -> None:
    assert client_of(one) != client_of(other)


def test_a_name_is_one_client_from_anywhere_and_no_name_passes_for_an_address() -> None:
    assert client_of("ipv4:10.0.0.1:5", "alice") == client_of("unix:", "alice") != client_of("unix:", "bob")
    assert client_of("unix:", "10.0.0.1") != client_of("ipv4:10.0.0.1:5")
    assert client_of("", "unix:") != client_of("unix:")
