"""From what a front end asks for to the input of what is served.

A graph whose state has ``messages`` gets what its thread does not have yet, or the whole
conversation if it keeps none; a chat model gets the conversation, with the client's tools and
options bound; anything else gets the messages as a list. A graph finds the client's tools, options
and context in ``config["configurable"]`` (``CLIENT_TOOLS`` …).
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, RemoveMessage
from msgspec import UNSET

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.manager.calls import thread_of
from langchain_streamkit.manager.checkpoints import Checkpoints
from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.serve.served import as_input, channels_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_streamkit.manager.checkpoints import Thread
    from langchain_streamkit.serve.protocols.asked import Asked

CLIENT_TOOLS: Final = "client_tools"
"""In ``configurable``: the client's own tools, as ``model.bind_tools`` takes them."""
CLIENT_OPTIONS: Final = "client_options"
"""In ``configurable``: ``temperature`` and the like."""
CLIENT_CONTEXT: Final = "client_context"
"""In ``configurable``: what the client's application tells."""
CLIENT_PROPS: Final = "client_props"
"""In ``configurable``: what else the client sent along."""


class Call(NamedTuple):
    """What is run for a request."""

    runnable: Runnable[Any, Any]
    input: Any
    config: RunnableConfig
    thread_id: str | None


async def call_for(
    runnable: Runnable[Any, Any],
    asked: Asked,
    *,
    user: str | None,
    adopt: bool = False,
    parse_input: Callable[[Any], Any] | None = None,
    config: RunnableConfig | None = None,
) -> Call:
    """Return what answers a request; without an input, where it has answers to interrupts.

    ``parse_input``, plain or async, makes the input of what the client sent as such, or of
    ``{"messages": [...], **asked.state}``, in its own way. A graph that keeps
    threads gets a new one where neither the client nor ``config`` names one.

    Raises ``StreamUsageError``, with ``wire``, for what cannot be done as asked, ``NotOwner`` for
    another user's thread (``adopt``: see ``Checkpoints``).
    """
    checkpoints = Checkpoints(runnable, adopt=adopt)
    thread_id = thread_of(asked.thread_id, config)
    thread = None
    if thread_id is None:
        thread_id = uuid4().hex if checkpoints.kept else None
    elif asked.resume is None and asked.input is UNSET:
        thread = await checkpoints.thread(thread_id, user)
    made: RunnableConfig = config or {}
    bare = unwrapped(runnable)
    if isinstance(bare, BaseChatModel):
        runnable = _bound(runnable, bare, asked)
    else:
        given = {
            CLIENT_TOOLS: asked.tools,
            CLIENT_OPTIONS: asked.options,
            CLIENT_CONTEXT: asked.context,
            CLIENT_PROPS: asked.props,
        }
        said = {name: value for name, value in given.items() if value}
        made = {**made, "configurable": {**(made.get("configurable") or {}), **said}}
    value = None
    if asked.input is not UNSET:
        value = await _parsed(parse_input, asked.input, as_input(runnable, asked.input))
    elif asked.resume is None:
        messages = asked.messages if thread is None else _news(asked, thread)
        value = await _input(runnable, asked, messages, parse_input)
    return Call(runnable, value, made, thread_id)


async def _input(
    runnable: Runnable[Any, Any],
    asked: Asked,
    messages: list[BaseMessage],
    parse_input: Callable[[Any], Any] | None,
) -> Any:
    channels = channels_of(runnable)
    state = {
        name: value
        for name, value in asked.state.items()
        if parse_input is not None or name in channels
    }
    given = {**state, "messages": messages}
    return await _parsed(parse_input, given, given if "messages" in channels else messages)


async def _parsed(parse_input: Callable[[Any], Any] | None, given: Any, default: Any) -> Any:
    if parse_input is None:
        return default
    parsed = parse_input(given)
    return await parsed if inspect.isawaitable(parsed) else parsed


def _news(asked: Asked, thread: Thread) -> list[BaseMessage]:
    """What the thread has not; before it, the removal of what the client has gone back behind.

    The user's last message is looked for in the thread: what follows it there is an answer that
    the client wants again, or what was said after a message that the user has changed.
    """
    new = asked.messages if asked.new_messages is None else asked.new_messages
    users = [one.id for one in asked.messages if isinstance(one, HumanMessage) and one.id]
    kept = [one.id if isinstance(one, BaseMessage) else None for one in thread.messages]
    if not users or users[-1] not in kept or not any(one.id == users[-1] for one in new):
        return new
    after = kept[kept.index(users[-1]) + 1 :]
    return [*(RemoveMessage(id=one) for one in after if one), *new]


_OPENAI_ONLY: Final = ("response_format", "parallel_tool_calls")


def _bound(runnable: Runnable[Any, Any], model: BaseChatModel, asked: Asked) -> Runnable[Any, Any]:
    """Bind what the client wants, as far as the model has a word for it."""
    fields = type(model).model_fields
    known = {*fields, *(field.alias for field in fields.values()), "stop"}
    speaks_openai = "openai_api_base" in fields
    if speaks_openai:
        known.update(_OPENAI_ONLY)
    elif "response_format" in asked.options:
        raise _cannot("response_format", "this model has no such option; ask for JSON in words")
    options = {name: value for name, value in asked.options.items() if name in known}
    choice = asked.options.get("tool_choice")
    if asked.tools:
        bound = cast("Any", runnable)
        try:
            runnable = bound.bind_tools(asked.tools, **({"tool_choice": choice} if choice else {}))
        except (NotImplementedError, AttributeError) as exc:
            raise _cannot("tools", "this model cannot call tools") from exc
    return runnable.bind(**options) if options else runnable


def _cannot(name: str, why: str) -> StreamUsageError:
    return StreamUsageError(f"{name}: {why}", wire=f'"{name}": {why}')
