"""What of a run must be the same by whatever route it was seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_streamkit import RunSnapshot
from langchain_streamkit import events as ev
from langchain_streamkit.testing import assert_legal

if TYPE_CHECKING:
    from langchain_streamkit.events import Event

_NUMBER = re.compile(r"#\d+$")


class Said(NamedTuple):
    """A message that was neither aborted nor retracted."""

    role: str
    audience: str
    node: str
    text: str
    reasoning: str
    calls: list[tuple[Any, ...]]
    """(call id, name, arguments)"""


class Projection(NamedTuple):
    """Comparable, and readable where two differ."""

    outcome: str
    messages: list[Said]
    tools: list[tuple[Any, ...]]
    """(call id, name, input, status, content)"""
    custom: list[Any]
    interrupts: list[Any]
    text: str


def project(streams: Iterable[list[Event]], *, any_order: bool) -> Projection:
    """What the legal streams of a run, and of the runs it was resumed with, say together."""
    shown: list[Projection] = []
    for events in streams:
        assert_legal(events)
        shown.append(_one(events))
    joined = Projection(
        " ".join(one.outcome for one in shown),
        [message for one in shown for message in one.messages],
        [tool for one in shown for tool in one.tools],
        [data for one in shown for data in one.custom],
        [payload for one in shown for payload in one.interrupts],
        shown[-1].text,
    )
    if any_order:
        return joined._replace(
            messages=sorted(joined.messages, key=repr),
            tools=sorted(joined.tools, key=repr),
            interrupts=sorted(joined.interrupts, key=repr),
        )
    return joined


def _one(events: list[Event]) -> Projection:
    snapshot = RunSnapshot.from_events(events)
    return Projection(
        snapshot.outcome,
        [
            Said(
                message.role,
                message.audience,
                _NUMBER.sub("", message.path[-1]) if message.path else "",
                message.text,
                message.reasoning,
                [(call.tool_call_id, call.name, call.args) for call in message.tool_calls],
            )
            for message in snapshot.messages
            if message.stands
        ],
        [
            (call.tool_call_id, call.name, call.input, call.status, call.content)
            for call in snapshot.tool_calls
            if call.status not in ("requested", "dropped")
        ],
        [event.data for event in events if isinstance(event, ev.Custom)],
        [one.payload for one in snapshot.interrupts],
        snapshot.text,
    )
