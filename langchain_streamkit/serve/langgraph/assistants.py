"""The one assistant of a server, for LangGraph's clients: what is served, under its names.

Guarantees: it is found by its names, and by ids that are the same on every server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from langchain_streamkit import __version__
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.serve.langgraph.answers import json_response, number, read_json
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.wire.langgraph.runs import assistant_id_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.asked import Names
    from langchain_streamkit.serve.service import RunService

_SINCE: Final = "2025-01-01T00:00:00+00:00"
"""An assistant is as old as the server's code, which nobody knows: always the same moment."""


class Searched(msgspec.Struct, frozen=True):
    """The body of ``POST /assistants/search``."""

    graph_id: str | None = None
    metadata: dict[str, Any] | None = None
    name: str | None = None
    offset: int = 0


def checked_assistant(asked: str, names: Names) -> str:
    """Return the name that is meant, by itself or by its id. Raises ``Refusal``."""
    for name in (names.own, *names.others):
        if asked in (name, assistant_id_of(name)):
            return name
    known = ", ".join(map(repr, (names.own, *names.others)))
    raise Refusal(404, "not_found", f"there is no assistant {asked[:80]!r}; known: {known}")


class AssistantEndpoints:
    """What the paths of assistants do."""

    def __init__(self, service: RunService, max_body_bytes: int) -> None:
        self._service = service
        self._max_body_bytes = max_body_bytes

    async def info(self, request: Request) -> Response:
        """Say what this is."""
        flags = {"assistants": True, "crons": False, "langsmith": False}
        return json_response({"version": __version__, "flags": flags})

    async def ok(self, request: Request) -> Response:
        """Say that the process answers."""
        return json_response({"ok": True})

    async def get(self, request: Request) -> Response:
        """Describe the assistant."""
        return json_response(self._shown(await self._named(request)))

    async def search(self, request: Request) -> Response:
        """List it, if it is what is looked for."""
        await self._service.user_of(request)
        asked = await read_json(request, Searched, self._max_body_bytes)
        own = self._service.names.own
        fits = not asked.metadata and not asked.offset
        fits = fits and asked.graph_id in (None, *self._service.names.others, own)
        fits = fits and (asked.name or "").lower() in own.lower()
        return json_response([self._shown(own)] if fits else [])

    async def graph(self, request: Request) -> Response:
        """Give the nodes and edges of the graph."""
        await self._named(request)
        xray = request.query_params.get("xray", "").lower()
        deep: int | bool = number(request, "xray", 0) if xray.isdecimal() else xray == "true"
        async with self._service.serving(request) as runnable:
            bare: Any = unwrapped(runnable)
            drawn = bare.get_graph(xray=deep) if hasattr(bare, "nodes") else bare.get_graph()
        return json_response(drawn.to_json())

    async def schemas(self, request: Request) -> Response:
        """Give the JSON Schemas of its input and output, and of its state."""
        name = await self._named(request)
        async with self._service.serving(request) as runnable:
            bare: Any = unwrapped(runnable)
            output = bare.get_output_jsonschema()
            found = {
                "graph_id": name,
                "input_schema": bare.get_input_jsonschema(),
                "output_schema": output,
                "state_schema": output,
                "config_schema": None,
                "context_schema": None,
            }
        return json_response(found)

    async def _named(self, request: Request) -> str:
        await self._service.user_of(request)
        return checked_assistant(request.path_params["assistant_id"], self._service.names)

    def _shown(self, name: str) -> dict[str, Any]:
        return {
            "assistant_id": assistant_id_of(name),
            "graph_id": name,
            "name": name,
            "description": None,
            "config": {},
            "context": {},
            "metadata": {"created_by": "system"},
            "version": 1,
            "created_at": _SINCE,
            "updated_at": _SINCE,
        }
