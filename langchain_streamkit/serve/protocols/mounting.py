"""Which paths each protocol has in the router."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.serve.answering import answering
from langchain_streamkit.serve.langgraph.routes import langgraph_routes
from langchain_streamkit.serve.langgraph.v3 import langgraph_v3_routes
from langchain_streamkit.serve.protocols.ag_ui import AgUi
from langchain_streamkit.serve.protocols.ai_sdk_socket import chat_sockets
from langchain_streamkit.serve.protocols.endpoints import (
    ChatEndpoints,
    FrontEndpoints,
    ModelEndpoints,
)
from langchain_streamkit.serve.protocols.names import PROTOCOLS, ServedProtocol
from langchain_streamkit.serve.protocols.openai import OpenAIChat, OpenAIResponses
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings


class Endpoint(NamedTuple):
    """One path of a protocol."""

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Response]]


def checked_protocols(protocols: Collection[str] | None) -> set[ServedProtocol]:
    """Return what is to be served; all, by default. Raises ``StreamUsageError``."""
    if protocols is None:
        return set(PROTOCOLS)
    given: Any = protocols
    names: list[Any] = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in PROTOCOLS:
            known = ", ".join(map(repr, PROTOCOLS))
            raise StreamUsageError(
                f"protocols={short_repr(given)} has an unknown one, {short_repr(name)}; write some"
                f" of {known}"
            )
    if not names:
        raise StreamUsageError(
            "protocols=[] serves nothing; write protocols=['native'], or leave it out for all"
        )
    return set(names)


def endpoints_of(
    protocols: set[ServedProtocol], service: RunService, settings: ServeSettings, ai_sdk: AiSdk
) -> list[Endpoint]:
    """Return the paths of all protocols but our own."""
    found: list[Endpoint] = []

    def add(ends: FrontEndpoints, method: str, path: str, answer: Callable[[Request], Any]) -> None:
        found.append(Endpoint(method, path, answering(answer, ends.refused)))

    if "ai-sdk" in protocols:
        chats = ChatEndpoints(service, ai_sdk, settings)
        add(chats, "POST", "/api/chat", chats.start)
        add(chats, "GET", "/api/chat/{chat_id:path}/stream", chats.resume)
    if "ag-ui" in protocols:
        agents = FrontEndpoints(service, AgUi(), settings)
        add(agents, "POST", "/ag-ui", agents.start)
    chat, responses = (
        ModelEndpoints(service, front, settings) for front in (OpenAIChat(), OpenAIResponses())
    )
    if protocols & {"openai-chat", "openai-responses"}:
        add(chat, "GET", "/v1/models", chat.models)
        add(chat, "GET", "/v1/models/{model:path}", chat.model)
    if "openai-chat" in protocols:
        add(chat, "POST", "/v1/chat/completions", chat.start)
    if "openai-responses" in protocols:
        add(responses, "POST", "/v1/responses", responses.start)
    return found


def sockets_of(
    protocols: set[ServedProtocol], service: RunService, settings: ServeSettings, ai_sdk: AiSdk
) -> list[tuple[str, Callable[[Any], Awaitable[None]]]]:
    """Return the WebSocket endpoints of all protocols but our own."""
    if "ai-sdk" in protocols:
        return [("/api/chat", chat_sockets(service, settings, ai_sdk))]
    return []


def routers_of(
    protocols: set[ServedProtocol], service: RunService, settings: ServeSettings
) -> list[APIRouter]:
    """Return the protocols that have routers of their own."""
    if "langgraph" not in protocols:
        return []
    return [langgraph_routes(service, settings), langgraph_v3_routes(service, settings)]
