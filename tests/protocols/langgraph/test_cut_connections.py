"""A client whose connection is cut comes back by itself, and ends with what it would have had."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from langgraph_sdk import get_client

from tests.client.cutting import Network, network
from tests.protocols.langgraph.apps import Server, served
from tests.protocols.langgraph.graphs import chat
from tests.serve.servers import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.protocols.langgraph.clients import Node

HI: Any = {"messages": [{"role": "user", "content": "hi"}]}
MODES: Any = ["values", "messages-tuple", "updates"]


@contextmanager
def cutting(server: Server, most: int) -> Iterator[Network]:
    """A network before the server that cuts its streams after so many bytes."""
    port = urlsplit(server.url).port
    assert port
    with network(port) as made:
        made.most = most
        yield made


@pytest.mark.parametrize("most", [600, 1500, 2500])
async def test_python_client_misses_nothing(most: int) -> None:
    with served(chat("Hello to you all, and to everybody else")) as server:
        with cutting(server, most) as cables:
            async with get_client(url=f"{cables.url}/api", api_key=None) as client:
                parts: list[Any] = []
                stream = client.runs.stream(
                    "t", "agent", input=HI, stream_mode=MODES, if_not_exists="create"
                )
                async for part in stream:
                    cables.most = None  # the next connection holds
                    parts.append(part)
            assert cables.cuts == 1
        async with server.client() as client:
            run_id = parts[0].data["run_id"]
            assert parts == [part async for part in client.runs.join_stream("t", run_id)]


@pytest.mark.parametrize("most", [900, 2000])
def test_javascript_client_misses_nothing(most: int, node: Node) -> None:
    script = """
    const streamMode = given.modes;
    const parts = await all(client.runs.stream("t", "agent", {
      input: given.input, streamMode, ifNotExists: "create",
    }));
    return { parts, again: await all(client.runs.joinStream("t", parts[0].data.run_id)) };
    """
    found: list[Any] = []
    with (
        served(chat("Hello to you all, and to everybody else")) as server,
        cutting(server, most) as cables,
    ):

        def play() -> None:
            found.append(node.call(f"{cables.url}/api", script, input=HI, modes=MODES))

        playing = threading.Thread(target=play)
        playing.start()
        eventually(lambda: cables.cuts)
        cables.most = None
        playing.join()
        assert cables.cuts == 1
    assert found[0]["parts"] == found[0]["again"]
