"""An adapted run as the answer of a web application, as people serve what they already stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from langchain_streamkit import SSEResponse, adapt
from tests.scenarios.told import HI, graph, node_of, says

if TYPE_CHECKING:
    from starlette.requests import Request


def answer_of(source: Any) -> Any:
    """What a client gets of an application that serves this."""

    async def chat(request: Request) -> SSEResponse:
        return SSEResponse(adapt(source()))

    app = Starlette(routes=[Route("/", chat)])
    return TestClient(app, raise_server_exceptions=False).get("/")


def test_a_stream_of_events_v2_is_served() -> None:
    runnable = graph(one=node_of(says("Hello you"))).compile()
    answer = answer_of(lambda: runnable.astream_events(HI, version="v2"))
    assert answer.status_code == 200
    assert '"text":"Hello you"' in answer.text
    assert answer.text.endswith("event: end\ndata: {}\n\n")


def test_a_stream_nobody_knows_is_an_error_status_not_an_empty_answer() -> None:
    async def numbers() -> Any:
        yield 1

    assert answer_of(numbers).status_code == 500
