"""What a legal stream is, and the checker that reports every breach of it.

1. First ``run.started``, last exactly one terminal event, nothing after it.
2. ``seq`` is dense and ``ts`` never decreases.
3. Every started step, message, block, tool call and tool ends once, children before parents, and
   is never touched again (but for ``message.retracted``).
4. Deltas only inside an open block; joined deltas equal the final text, joined arguments parse to
   the final arguments. Progress only inside an open tool.
5. One logical message has one id and appears once.
6. A failed attempt is aborted or retracted before the next attempt's ``message.started``.
7. One usage record per model call; the run's usage is their sum, an answer from a cache costs 0.

``table.py`` holds what may follow what. A view (``view=True``) may leave out whole kinds of events
(``step.*``, ``text.*`` …) and whole messages, tools and steps, so it skips numbers; what it shows
obeys the same rules, and so does what comes after a ``gap``. Only what the events prove is
reported. A model call may have failed without a message, so the run's usage is at least the sum
of what is shown (7); and an attempt is known to have failed when it is aborted later, or when its
node failed and began again (6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.grammar.breach import Breach
from langchain_streamkit.grammar.checker import StreamChecker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_streamkit.events import Event

__all__ = ["Breach", "StreamChecker", "check_stream"]


def check_stream(events: Iterable[Event], *, view: bool = False) -> list[Breach]:
    """Return every breach in a whole stream of one run; an empty list says it is legal."""
    checker = StreamChecker(view=view)
    breaches = [breach for event in events for breach in checker.feed(event)]
    return breaches + checker.end()
