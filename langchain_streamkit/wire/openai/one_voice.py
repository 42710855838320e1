"""What a run says to its user as one voice, for protocols that know a single speaker.

Guarantees: messages for the user by an assistant, one after the other in order of their start,
never two at once; while one has the word the others wait, and one that dies while it waits is
never heard of. Nothing is raised on any events, in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast, get_args

from langchain_streamkit import events as ev

if TYPE_CHECKING:
    from collections.abc import Sequence

Spoken: TypeAlias = (
    ev.MessageStarted
    | ev.TextStarted
    | ev.TextDelta
    | ev.TextFinished
    | ev.ReasoningStarted
    | ev.ReasoningDelta
    | ev.ReasoningFinished
    | ev.ToolCallStarted
    | ev.ToolCallDelta
    | ev.ToolCallFinished
    | ev.ContentAdded
    | ev.MessageFinished
    | ev.MessageAborted
    | ev.MessageRetracted
)
"""Events of messages: those that a voice is made of."""
_SPOKEN = frozenset(get_args(Spoken))
_OVER = (ev.MessageFinished, ev.MessageAborted)


class OneVoice:
    """Puts the events of messages in the order in which a single speaker would say them.

    With ``last_only`` nothing is said before ``rest()``, and then only the last whole message:
    what ``RunSnapshot.text`` is. For an answer that has to be right as a whole (JSON, say), since
    what was said cannot be taken back.
    """

    def __init__(self, *, last_only: bool = False) -> None:
        self._last_only = last_only
        self._speaker: str | None = None
        self._waiting: dict[str, list[Spoken]] = {}
        """By message, in order of their start."""
        self._heard: set[str] = set()
        """Messages that had the word, to the end."""

    def feed(self, event: ev.Event) -> Sequence[Spoken]:
        """Return what is to be said now: this event, those that waited for it, or nothing."""
        return self._hear(cast("Spoken", event)) if type(event) in _SPOKEN else ()

    def _hear(self, event: Spoken) -> Sequence[Spoken]:
        message_id = event.message_id
        if message_id == self._speaker:
            if not isinstance(event, _OVER):
                return (event,)
            self._speaker = None
            self._heard.add(message_id)
            return (event, *self._next())
        match event:
            case ev.MessageStarted(audience="user", role="assistant"):
                self._waiting[message_id] = [event]
                return self._next()
            case ev.MessageRetracted() if message_id in self._heard:
                return (event,)
            case ev.MessageAborted() | ev.MessageRetracted():
                self._waiting.pop(message_id, None)
            case _ if message_id in self._waiting:
                self._waiting[message_id].append(event)
            case _:
                pass
        return ()

    def rest(self) -> Sequence[Spoken]:
        """Return what is left to be said when the run has ended."""
        if not self._last_only:
            return ()
        for said in reversed(self._waiting.values()):
            if isinstance(said[-1], ev.MessageFinished):
                return said
        return ()

    def _next(self) -> list[Spoken]:
        """Give the word to whoever waits, if it is free."""
        said: list[Spoken] = []
        while self._waiting and self._speaker is None and not self._last_only:
            message_id = next(iter(self._waiting))
            said += self._waiting.pop(message_id)
            if isinstance(said[-1], _OVER):
                self._heard.add(message_id)
            else:
                self._speaker = message_id
        return said
