"""Free ports are free, different from each other, and not given twice."""

import socket

from libs.devstack.ports import LOOPBACK, free_port, free_ports, is_free, is_listening


def test_ports_are_never_given_twice() -> None:
    first, second = free_ports(5), free_ports(5)

    assert len({*first, *second}) == 10


def test_a_listening_port_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]

        assert is_listening(port)
        assert not is_free(port)
        assert free_port(preferred=port) != port


def test_a_free_preferred_port_is_taken() -> None:
    port = free_port()

    assert is_free(port)
    assert not is_listening(port)
    assert free_port(preferred=port) == port
