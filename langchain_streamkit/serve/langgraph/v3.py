"""LangGraph's agent streaming protocol over the runs of a service: a thread's commands and events.

Guarantees: those of ``serve/router.py``; a client may read a thread that is not there yet; whatever
it sends is done, or answered in the protocol's form of error.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from langchain_streamkit.serve.answering import answering
from langchain_streamkit.serve.langgraph.v3_answers import Answers
from langchain_streamkit.serve.langgraph.v3_commands import ThreadCommands
from langchain_streamkit.serve.langgraph.v3_errors import fault_of
from langchain_streamkit.serve.langgraph.v3_reading import open_thread
from langchain_streamkit.serve.langgraph.v3_socket import thread_sockets
from langchain_streamkit.serve.langgraph.v3_stream import ThreadResponse
from langchain_streamkit.serve.requests import read_json_body
from langchain_streamkit.wire.langgraph.v3_commands import (
    CommandError,
    Subscribe,
    read_command,
    read_params,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings


def langgraph_v3_routes(service: RunService, settings: ServeSettings) -> APIRouter:
    """Return the router of the protocol, at paths relative to its prefix.

    Clients read the state of threads and cancel runs by the paths of ``langgraph_routes``.
    """
    answers = Answers()
    endpoints = ThreadEndpoints(service, settings, answers)
    router = APIRouter(tags=["langgraph"])
    events = "/threads/{thread_id}/stream/events"
    for path, endpoint, summary in (
        ("/threads/{thread_id}/commands", endpoints.command, "Send a command to a thread"),
        (events, endpoints.events, "Read what happens in a thread"),
    ):
        answer = answering(endpoint, _refused)
        router.add_api_route(path, answer, methods=["POST"], response_model=None, summary=summary)
    router.add_api_websocket_route(events, thread_sockets(service, settings, answers))
    return router


class ThreadEndpoints:
    """What the paths do."""

    def __init__(self, service: RunService, settings: ServeSettings, answers: Answers) -> None:
        self._service = service
        self._settings = settings
        self._answers = answers

    async def command(self, request: Request) -> Response:
        """Do a command, and answer it."""
        thread_id = request.path_params["thread_id"]
        user = await self._service.user_of(request)
        command = read_command(await read_json_body(request, self._settings.max_body_bytes))
        commands = ThreadCommands(self._service, request, thread_id, user)
        with ExitStack() as until_sent:
            until_sent.enter_context(self._answers.awaited(thread_id, command.method))
            try:
                answer = JSONResponse(await commands.do(command))
            except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                answer = fault_of(exc).answer(command.id)
            return _Answer(answer, until_sent.pop_all())

    async def events(self, request: Request) -> Response:
        """Stream what a subscription selects, from run to run."""
        thread_id = request.path_params["thread_id"]
        manager = self._service.manager
        user = await self._service.user_of(request)
        body = await read_json_body(request, self._settings.max_body_bytes)
        wanted = _subscription(body).wanted()
        async with AsyncExitStack() as place:
            await place.enter_async_context(manager.place(user))
            asked = (thread_id, wanted, user)
            thread = await open_thread(self._service, request, *asked, answers=self._answers)
            return ThreadResponse(manager, thread, self._settings, place=place.pop_all())


class _Answer(Response):
    """An answer, and what is to be left when it is sent."""

    def __init__(self, answer: Response, until_sent: ExitStack) -> None:
        self._answer = answer
        self.background = None
        self._until_sent = until_sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._until_sent:
            await self._answer(scope, receive, send)


def _refused(error: Exception) -> Response:
    return fault_of(error).response()


def _subscription(body: bytes) -> Subscribe:
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise CommandError("invalid_argument", f"this is no JSON: {exc}") from exc
    return read_params(given, Subscribe, "the body")
