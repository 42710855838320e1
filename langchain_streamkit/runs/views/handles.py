"""What the views of messages and tool calls yield: live handles, read further at will.

A handle holds no text: it shows the run's snapshot, and what is iterated on it is a reader of its
own, which may be opened at any time and any number of times. Names follow ``ChatModelStream`` of
langchain-core, which LangGraph's ``stream_events(version="v3")`` gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.driver import AsyncDriver
from langchain_streamkit.runs.views.message_feed import (
    EndFeed,
    ProgressFeed,
    ToolCallFeed,
)
from langchain_streamkit.runs.views.reading import AsyncReading, Reading
from langchain_streamkit.runs.views.selection import EVERYTHING, plain
from langchain_streamkit.runs.views.text_feed import MessageTextFeed
from langchain_streamkit.runs.views.view import AsyncView, View
from langchain_streamkit.runs.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from langchain_streamkit.events import Audience, ErrorInfo, InvalidArgs, Role
    from langchain_streamkit.snapshot import MessageView, ToolCallView
    from langchain_streamkit.snapshot.parts import MessageStatus, ToolStatus

W = TypeVar("W")
"""Who opens readings of the run."""


class AsyncPieces(AsyncView[str]):
    """The text of one message: pieces by ``async for``, the whole by ``await``."""

    def __await__(self) -> Generator[Any, None, str]:
        return self._whole().__await__()

    async def _whole(self) -> str:
        return "".join([piece async for piece in self])


class Pieces(View[str]):
    """The text of one message: pieces by ``for``, the whole by ``get()``."""

    def get(self) -> str:
        """All of it, once the message has ended; empty if the message died."""
        return "".join(self)

    def __await__(self) -> Generator[Any, None, Any]:
        raise StreamUsageError(
            "this run is not async: write `for piece in message.text`, or `message.text.get()`"
        )


class _Message(Generic[W]):
    """What is known of a message from its start."""

    def __init__(self, who: W, view: MessageView) -> None:
        self._who = who
        self._view = view

    @property
    def message_id(self) -> str:
        """The id of ``message.started``; where it is stored under another, ``result`` tells."""
        return self._view.message_id

    @property
    def role(self) -> Role:
        """``assistant`` for what a model says."""
        return self._view.role

    @property
    def name(self) -> str | None:
        """The speaker's name, where the message has one."""
        return self._view.name

    @property
    def path(self) -> tuple[str, ...]:
        """Names from the root graph down to where it is said."""
        return self._view.path

    @property
    def node(self) -> str | None:
        """The last name of the path, without ``#n``; None outside of graphs."""
        return plain(self._view.path[-1]) if self._view.path else None

    @property
    def attempt(self) -> int:
        """1, or more after attempts that failed."""
        return self._view.attempt

    @property
    def audience(self) -> Audience:
        """``user`` or ``internal``."""
        return self._view.audience

    @property
    def model(self) -> str | None:
        """The model's name, as far as it is known."""
        return self._view.model

    @property
    def status(self) -> MessageStatus:
        """``open``, ``finished``, ``aborted`` or ``retracted``."""
        return self._view.status

    def __repr__(self) -> str:
        where = f" in {'/'.join(self.path)}" if self.path else ""
        return f"<{type(self).__name__} {self.message_id}{where}: {self.status}>"


class AsyncMessage(_Message[AsyncDriver]):
    """A message that has begun. ``async for piece in message`` gives its text."""

    @property
    def text(self) -> AsyncPieces:
        """Its text, iterated or awaited; ends when the message does, aborted or not."""
        return AsyncPieces(self._who, lambda: MessageTextFeed(self._view))

    @property
    def reasoning(self) -> AsyncPieces:
        """Its thinking text, iterated or awaited."""
        return AsyncPieces(self._who, lambda: MessageTextFeed(self._view, reasoning=True))

    @property
    def tool_calls(self) -> AsyncView[AsyncToolCall]:
        """The tool calls it asks for, each once its arguments are whole."""
        return AsyncView(self._who, lambda: ToolCallFeed(EVERYTHING, self._call, self._view))

    def __aiter__(self) -> AsyncIterator[str]:
        return aiter(self.text)

    def __iter__(self) -> NoReturn:
        raise StreamUsageError("this run is async: write `async for piece in message`")

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise StreamUsageError(
            "a message is not awaited: write `await message.text` for its text, or"
            " `await message.result()` for all of it"
        )

    async def result(self) -> MessageView:
        """The message in the snapshot, once it has ended; its ``status`` says how.

        It can still be retracted, and shows it then.
        """
        async for view in AsyncReading(self._who, EndFeed(self._view)):
            return view
        return self._view

    def _call(self, view: ToolCallView) -> AsyncToolCall:
        return AsyncToolCall(self._who, view)


class Message(_Message[Worker]):
    """A message that has begun. ``for piece in message`` gives its text."""

    @property
    def text(self) -> Pieces:
        """Its text, iterated or whole by ``get()``; ends when the message does."""
        return Pieces(self._who, lambda: MessageTextFeed(self._view))

    @property
    def reasoning(self) -> Pieces:
        """Its thinking text, iterated or whole by ``get()``."""
        return Pieces(self._who, lambda: MessageTextFeed(self._view, reasoning=True))

    @property
    def tool_calls(self) -> View[ToolCall]:
        """The tool calls it asks for, each once its arguments are whole."""
        return View(self._who, lambda: ToolCallFeed(EVERYTHING, self._call, self._view))

    def __iter__(self) -> Iterator[str]:
        return iter(self.text)

    def __aiter__(self) -> NoReturn:
        raise StreamUsageError("this run is not async: write `for piece in message`")

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise StreamUsageError(
            "this run is not async: write `message.text.get()` for the text of a message, or"
            " `message.result()` for all of it"
        )

    def result(self) -> MessageView:
        """The message in the snapshot, once it has ended; see ``AsyncMessage.result``."""
        return next(Reading(self._who, EndFeed(self._view)), self._view)

    def _call(self, view: ToolCallView) -> ToolCall:
        return ToolCall(self._who, view)


class _ToolCall(Generic[W]):
    """What is known of a tool call so far."""

    def __init__(self, who: W, view: ToolCallView) -> None:
        self._who = who
        self._view = view

    @property
    def tool_call_id(self) -> str:
        """The id by which the model knows it; it may repeat in one run."""
        return self._view.tool_call_id

    @property
    def name(self) -> str:
        """The tool."""
        return self._view.name

    @property
    def args(self) -> dict[str, Any] | None:
        """What the model gave it; None where that is no JSON object (see ``invalid``)."""
        return self._view.args

    @property
    def invalid(self) -> InvalidArgs | None:
        """Arguments that are no JSON object, and what is wrong with them."""
        return self._view.invalid

    @property
    def input(self) -> Any:
        """What the tool was called with; before it runs, what the model asked it to be."""
        return self._view.args if self._view.step_id is None else self._view.input

    @property
    def path(self) -> tuple[str, ...]:
        """Names from the root graph down to where it runs, or was asked for."""
        return self._view.path

    @property
    def node(self) -> str | None:
        """The node that runs it or asked for it, without ``#n``; None outside of graphs."""
        path = self._view.path
        if self._view.step_id is not None and path and plain(path[-1]) == self.name:
            path = path[:-1]  # the tool itself
        return plain(path[-1]) if path else None

    @property
    def message_id(self) -> str | None:
        """The message that asked for it; None for a tool that code called."""
        return self._view.message_id

    @property
    def status(self) -> ToolStatus:
        """``requested``, ``running``, ``finished``, ``failed``, … as in the snapshot."""
        return self._view.status

    @property
    def output(self) -> Any:
        """The tool's whole value; None before it has finished."""
        return self._view.output

    @property
    def content(self) -> str | None:
        """The text the model sees of it."""
        return self._view.content

    @property
    def error(self) -> ErrorInfo | None:
        """What may be shown of its failure."""
        return self._view.error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.tool_call_id}: {self.status}>"


class AsyncToolCall(_ToolCall[AsyncDriver]):
    """A tool call, from when its arguments are whole."""

    @property
    def progress(self) -> AsyncView[Any]:
        """What the tool reports while it runs."""
        return AsyncView(self._who, lambda: ProgressFeed(self._view))

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise StreamUsageError("a tool call is not awaited: write `await call.result()`")

    async def result(self) -> ToolCallView:
        """The call in the snapshot, once the tool has ended: ``output``, or ``error``.

        ``status`` says how it ended: a call that nobody ran is ``requested`` when the run is over.
        """
        async for view in AsyncReading(self._who, EndFeed(self._view)):
            return view
        return self._view


class ToolCall(_ToolCall[Worker]):
    """A tool call, from when its arguments are whole."""

    @property
    def progress(self) -> View[Any]:
        """What the tool reports while it runs."""
        return View(self._who, lambda: ProgressFeed(self._view))

    def __await__(self) -> Generator[Any, None, NoReturn]:
        raise StreamUsageError("this run is not async: write `call.result()`")

    def result(self) -> ToolCallView:
        """The call in the snapshot, once the tool has ended; see ``AsyncToolCall.result``."""
        return next(Reading(self._who, EndFeed(self._view)), self._view)
