"""``assert_legal``: the grammar of a legal stream as an assertion for your tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_streamkit.events import Event

AROUND = 4
"""Events shown before and after the first breach."""


def assert_legal(events: Iterable[Event], *, view: bool = False) -> None:
    """Raise AssertionError unless the events are one legal stream, whole and in order.

    The message lists every breach that ``check_stream`` reports, and shows the stream around the
    first. ``view=True`` is for the events of a view, which may leave some out.
    """
    from langchain_streamkit.grammar import StreamChecker

    stream = list(events)
    checker = StreamChecker(view=view)
    found = [
        (number, breach) for number, event in enumerate(stream) for breach in checker.feed(event)
    ]
    found += [(len(stream), breach) for breach in checker.end()]
    if found:
        title = f"not a legal stream ({len(stream)} events), breaches: {len(found)}"
        listed = [f"  {breach}" for _, breach in found]
        raise AssertionError("\n".join([title, *listed, *_around(stream, found[0][0])]))


def _around(stream: Sequence[Event], position: int) -> list[str]:
    start = max(0, position - AROUND)
    lines = [
        f"{'>' if number == position else ' '} [{number}] {event!r}"
        for number, event in enumerate(stream[start : position + AROUND + 1], start)
    ]
    return lines if position < len(stream) else [*lines, f"> [{position}] the end"]
