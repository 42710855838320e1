"""Messages as they begin, tool calls as they are asked or run, and the end of either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from langchain_streamkit.events import (
    MessageAborted,
    MessageFinished,
    MessageRetracted,
    MessageStarted,
    ToolCallFinished,
    ToolStarted,
)
from langchain_streamkit.runs.views.feed import Feed
from langchain_streamkit.snapshot import MessageView, ToolCallView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_streamkit.events import Event
    from langchain_streamkit.runs.views.selection import Selection
    from langchain_streamkit.snapshot import RunSnapshot

H = TypeVar("H")
V = TypeVar("V", bound=MessageView | ToolCallView)

_UNDER_WAY: Final = frozenset({"streaming", "requested", "running"})


class MessageFeed(Feed[H]):
    """A handle for each message of a selection; a late reader gets none of those that died."""

    def __init__(self, selection: Selection, handle: Callable[[MessageView], H]) -> None:
        super().__init__(selection)
        self._handle = handle

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        self._snapshot = snapshot
        for message in snapshot.messages:
            if message.stands and self.selection.takes(message.path, message.audience):
                self._items.append(self._handle(message))

    def _see(self, event: Event) -> None:
        if isinstance(event, MessageStarted) and self.selection.takes(event.path, event.audience):
            message = self._snapshot.message(event.message_id)
            if message is not None:
                self._items.append(self._handle(message))


class ToolCallFeed(Feed[H]):
    """A handle for each tool call that a selection asks for, once its arguments are whole, or runs;
    and for each tool run that no message asked for. Of one ``message``: its calls, until its end.
    """

    def __init__(
        self,
        selection: Selection,
        handle: Callable[[ToolCallView], H],
        message: MessageView | None = None,
    ) -> None:
        super().__init__(selection)
        self._handle = handle
        self._message = message
        self._seen: set[int] = set()
        """Views are the snapshot's, which keeps them, so their identity is theirs for good."""

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        self._snapshot = snapshot
        message = self._message
        for call in snapshot.tool_calls if message is None else message.tool_calls:
            if call.status not in ("streaming", "dropped"):
                self._found(call)
        self.done = message is not None and message.status != "open"

    def _see(self, event: Event) -> None:
        match event:
            case ToolCallFinished():
                message = self._snapshot.message(event.message_id)
                for call in () if message is None else reversed(message.tool_calls):
                    if call.tool_call_id == event.tool_call_id:
                        self._found(call)
                        break
            case ToolStarted():
                run = self._snapshot.tool_run(event.step_id, event.tool_call_id)
                if run is not None and self._message is None:
                    self._found(run)
            case MessageFinished() | MessageAborted() | MessageRetracted():
                if self._message is not None and event.message_id == self._message.message_id:
                    self.done = True
            case _:
                pass

    def _found(self, call: ToolCallView) -> None:
        asked = None if call.message_id is None else self._snapshot.message(call.message_id)
        if id(call) in self._seen or (self._message is not None and asked is not self._message):
            return
        audience = "user" if asked is None else asked.audience
        paths = [call.path] if asked is None else [asked.path, call.path]
        if any(self.selection.takes(path, audience) for path in paths):
            self._seen.add(id(call))
            self._items.append(self._handle(call))


class EndFeed(Feed[V], Generic[V]):
    """One message or tool call, once it has ended."""

    def __init__(self, view: V) -> None:
        super().__init__()
        self._view = view

    def take(self) -> Sequence[V]:
        """The view itself, once."""
        if self.done or is_open(self._view):
            return ()
        self.done = True
        return (self._view,)

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        """The view is the snapshot's own, and tells."""

    def _see(self, event: Event) -> None:
        """The same."""


class ProgressFeed(Feed[Any]):
    """What a tool has reported since the last time, until it ends."""

    def __init__(self, call: ToolCallView) -> None:
        super().__init__()
        self._call = call
        self._taken = 0

    def take(self) -> Sequence[Any]:
        """Reports in their order; the snapshot keeps them, so they are not kept here."""
        over = not is_open(self._call)
        reports = self._call.progress[self._taken :]
        self._taken += len(reports)
        self.done = over and not reports
        return reports

    def _catch_up(self, snapshot: RunSnapshot) -> None:
        """The call is the snapshot's own, and tells."""

    def _see(self, event: Event) -> None:
        """The same."""


def is_open(view: MessageView | ToolCallView) -> bool:
    """Whether it has not come to its end."""
    return view.status in _UNDER_WAY if isinstance(view, ToolCallView) else view.status == "open"
