"""Hanging up ends a blocked read, and touches no connection that others may be using."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit.runs.hanging_up import hang_up_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def source(connection: Any, **response: Any) -> Any:
    """A stream over this connection, as the SDKs have one."""
    stream = SimpleNamespace(get_extra_info={"socket": connection}.get)
    given = {"is_closed": False, "http_version": "HTTP/1.1", **response}
    return SimpleNamespace(response=SimpleNamespace(extensions={"network_stream": stream}, **given))


def test_the_other_side_sees_the_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    hang_up = hang_up_of(source(ours))
    assert hang_up is not None
    hang_up()
    assert theirs.recv(1) == b""
    hang_up()  # again: it is gone already
    ours.close()
    hang_up()


def test_a_response_that_was_read_to_its_end_is_left_alone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    hang_up = hang_up_of(source(ours, is_closed=True))
    assert hang_up is not None
    hang_up()
    ours.send(b"x")
    assert theirs.recv(1) == b"x"


def test_a_stream_whose_transport_has_no_socket_is_left_alone() -> None:
    hang_up = hang_up_of(source(None))
    assert hang_up is not None
    hang_up()


def test_what_shares_its_connection_or_has_none_cannot_be_hung_up() -> None:
    no_network = SimpleNamespace(response=SimpleNamespace(extensions={}))
    others: list[Any] = [source(None, http_version="HTTP/2"), no_network, [], "items"]
    assert [hang_up_of(one) for one in others] == [None] * 4
