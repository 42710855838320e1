"""The events of one run, as plain values."""

from __future__ import annotations

from typing import Any

from tests.wire.story import Story

RUN = "r1"


def told(*pieces: str) -> list[dict[str, Any]]:
    """A run that says these pieces in one message."""
    story = Story(RUN)
    events = [story.start(thread_id="t1"), *story.message(*pieces), story.finish()]
    return [event.to_dict() for event in events]


def position(seq: int, log: str = "0a0b0c0d") -> str:
    return f"{log}-{seq}"
