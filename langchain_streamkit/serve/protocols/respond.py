"""``respond``: one route of your own application that answers a front end.

Guarantees: those of ``SSEResponse``; whatever the client sends is a run, or a 4xx in the protocol's
own form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import UNSET
from starlette.responses import Response

from langchain_streamkit.api import astream
from langchain_streamkit.errors import NotOwner, StreamUsageError
from langchain_streamkit.manager.calls import config_of
from langchain_streamkit.manager.checkpoints import Checkpoints
from langchain_streamkit.runs.runnables import as_runnable
from langchain_streamkit.serve.gone import Gone, until_gone
from langchain_streamkit.serve.line import end_run
from langchain_streamkit.serve.protocols.ag_ui import AgUi
from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
from langchain_streamkit.serve.protocols.asked import Names
from langchain_streamkit.serve.protocols.inputs import call_for
from langchain_streamkit.serve.protocols.native import Native
from langchain_streamkit.serve.protocols.openai import OpenAIChat, OpenAIResponses
from langchain_streamkit.serve.refusals import Refusal, refusal_of
from langchain_streamkit.serve.requests import read_json_body
from langchain_streamkit.serve.served import name_served
from langchain_streamkit.serve.sse_response import OnDisconnect, SSEResponse
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig
    from starlette.requests import Request

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.async_run import AsyncRun
    from langchain_streamkit.serve.protocols.asked import Asked, FrontEnd
    from langchain_streamkit.wire.encoders import WireProtocol

_FRONT_ENDS: Final[Mapping[str, Callable[[], FrontEnd]]] = {
    "native": Native,
    "ai-sdk": AiSdk,
    "ag-ui": AgUi,
    "openai-chat": OpenAIChat,
    "openai-responses": OpenAIResponses,
}


async def respond(
    request: Request,
    runnable: Runnable[Any, Any],
    *,
    protocol: WireProtocol | FrontEnd,
    config: RunnableConfig | None = None,
    user: str | None = None,
    parse_input: Callable[[Any], Any] | None = None,
    adopt_threads: bool = False,
    on_disconnect: OnDisconnect = "cancel",
    max_body_bytes: int = 1 << 20,
    heartbeat_s: float = 15,
    send_timeout_s: float = 30,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Response:
    """Run what a front end asks for, and return what answers it.

    ::

        @app.post("/api/chat")
        async def chat(request: Request) -> Response:
            return await respond(request, agent, protocol="ai-sdk", user=user_of(request))

    Args:
        request: of a Starlette or FastAPI endpoint, its body unread.
        runnable: what answers.
        protocol: what the front end speaks: ``"native"`` (the body is that of ``POST /runs``),
            ``"ai-sdk"``, ``"ag-ui"``, ``"openai-chat"``, ``"openai-responses"``, or
            ``AiSdk(sdk_version=7)``.
        config: of the run; nothing of it is the client's.
        user: whose the thread is that the client names; other users' are 404.
        parse_input: makes the input of ``{"messages": [...]}``; by default what
            ``serve/protocols/inputs.py`` says.
        adopt_threads: whether threads that were made without an owner are open to every user.
        on_disconnect: that of ``SSEResponse``, as are the following.
        max_body_bytes: of the request.
        heartbeat_s: a comment is sent after so many seconds of silence.
        send_timeout_s: a client that takes nothing for so long counts as gone.
        headers: are added to ours, and win.
        options: of ``astream``.

    What the client did wrong is answered in the protocol's form. Raises ``StreamUsageError`` for
    what you did. The run is no longer than the request, so that nothing can be resumed after a cut
    connection: for that there is ``streamkit_router``.
    """
    front = _front_end(protocol)
    target = as_runnable(runnable)
    try:
        body = await read_json_body(request, max_body_bytes)
        own = name_served(target)
        asked = front.read(body, Names(own) if own not in Names(own).others else Names(own, ()))
        run = await _run(target, asked, config, user, parse_input, options, adopt=adopt_threads)
    except (Refusal, NotOwner) as exc:
        return front.refusal(refusal_of(exc))
    except StreamUsageError as exc:
        if exc.wire is None:
            raise
        return front.refusal(refusal_of(exc))
    if asked.reply is None:
        return SSEResponse(
            run,
            protocol=asked.encoder,
            on_disconnect=on_disconnect,
            heartbeat_s=heartbeat_s,
            send_timeout_s=send_timeout_s,
            headers=headers,
        )
    try:
        events = await until_gone(request, _events(run))
    except Gone:
        await end_run(run, "disconnect")
        return Response(status_code=499)  # which nobody reads
    reply = asked.reply(events)
    return Response(
        reply.body, reply.status, {**reply.headers, **(headers or {})}, "application/json"
    )


def _front_end(protocol: Any) -> FrontEnd:
    if not isinstance(protocol, str):
        return cast("FrontEnd", protocol)
    if protocol not in _FRONT_ENDS:
        known = ", ".join(map(repr, _FRONT_ENDS))
        raise StreamUsageError(
            f"protocol={short_repr(protocol)} is not known; write one of {known}"
        )
    return _FRONT_ENDS[protocol]()


async def _run(
    runnable: Runnable[Any, Any],
    asked: Asked,
    config: RunnableConfig | None,
    user: str | None,
    parse_input: Callable[[Any], Any] | None,
    options: Mapping[str, Any],
    *,
    adopt: bool,
) -> AsyncRun[Any]:
    call = await call_for(
        runnable, asked, user=user, adopt=adopt, parse_input=parse_input, config=config
    )
    value = call.input
    checkpoints = Checkpoints(runnable, adopt=adopt)
    if asked.resume is not None:
        value = await checkpoints.answered(call.thread_id, user, asked.resume)
    elif asked.input is not UNSET and call.thread_id is not None:
        await checkpoints.thread(call.thread_id, user)  # which has not been looked at, for an input
    more: dict[str, Any] = {"capture": asked.capture} if asked.capture else {}
    return astream(
        call.runnable,
        value,
        config_of(call.config, user, asked.metadata),
        thread_id=call.thread_id,
        user=user,
        **{**more, **options},
    )


async def _events(run: AsyncRun[Any]) -> list[Event]:
    return [event async for event in run]
