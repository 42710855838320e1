"""The checker: feeds events through the table, and to the rules that look at what they carry."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, cast

from langchain_streamkit.events import (
    TERMINAL_TYPES,
    Diagnostic,
    MessageStarted,
    StepStarted,
    ToolStarted,
)
from langchain_streamkit.grammar.attempts import AttemptRules
from langchain_streamkit.grammar.breach import Breach
from langchain_streamkit.grammar.content import check_content
from langchain_streamkit.grammar.items import Item, Wrong
from langchain_streamkit.grammar.table import (
    CLOSERS,
    KEYS,
    THING_OF,
    TRANSITIONS,
    family,
)
from langchain_streamkit.grammar.usage import UsageRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event
    from langchain_streamkit.grammar.table import State, Thing


class StreamChecker:
    """Checks the stream of one run event by event; ``end()`` says that no more comes."""

    def __init__(self, *, view: bool = False) -> None:
        self._lenient = view
        self._first: Event | None = None
        self._last: Event | None = None
        self._items: dict[tuple[Thing, object], Item] = {}
        self._by_run_id: dict[str, Item] = {}  # steps and tools, the parents of steps
        self._awaited: dict[str, Item] = {}  # parents that children named before they started
        self._shown: set[str] = set()  # event types seen so far
        self._kinds: set[str] = set()  # kinds of things that have begun so far
        self._attempts = AttemptRules()
        self._usage = UsageRule()

    def feed(self, event: Event) -> list[Breach]:
        """Return the breaches that ``event`` makes, in the order of their finding."""
        wrongs = chain(
            self._numbers(event),
            self._place(event),
            self._move(event),
            self._attempts.feed(event),
            self._usage.feed(event),
        )
        breaches = [
            Breach(rule=w.rule, seq=event.seq, type=event.type, what=w.what, expected=w.expected)
            for w in wrongs
        ]
        self._first = self._first or event
        self._last = event
        self._shown.add(event.type)
        if isinstance(event, Diagnostic) and event.code == "gap":
            self._lenient = True
        return breaches

    def end(self) -> list[Breach]:
        """Return what is missing when the stream ends here."""
        wrongs: list[Wrong] = []
        last = self._last
        shows_run = any(family(shown) == "run" for shown in self._shown)
        if last is None:
            if not self._lenient:
                wrongs.append(Wrong(1, "the stream is empty", "run.started first"))
        elif self._shown.isdisjoint(TERMINAL_TYPES):
            if shows_run or not self._lenient:
                wrongs.append(Wrong(1, f"the last event is {last.type}", CLOSERS["run"]))
            wrongs += self._left_open()
        return [
            Breach(rule=w.rule, seq=0, type="", what=w.what, expected=w.expected) for w in wrongs
        ]

    # ---- rules 1 and 2 ---------------------------------------------------------------------------

    def _numbers(self, event: Event) -> Iterator[Wrong]:
        last = self._last
        seq = 0 if last is None else last.seq
        if self._lenient:
            if event.seq <= seq:
                yield Wrong(2, f"seq {event.seq} after {seq}", f"more than {seq}")
        elif event.seq != seq + 1:
            yield Wrong(2, f"seq {event.seq} after {seq}", f"{seq + 1}")
        if last is not None:
            if event.ts < last.ts:
                yield Wrong(2, f"ts {event.ts} after {last.ts}", f"{last.ts} or later")
            if event.run_id != last.run_id:
                yield Wrong(2, f"run_id {event.run_id!r} after {last.run_id!r}", "one run")

    def _place(self, event: Event) -> Iterator[Wrong]:
        if not self._shown.isdisjoint(TERMINAL_TYPES):
            yield Wrong(1, f"{event.type} after the terminal event", "nothing after it")
        elif event.type == "run.started":
            if self._first is not None:
                yield Wrong(1, "run.started is not the first event", "it once, first")
        elif self._first is None and not self._lenient:
            yield Wrong(1, f"the first event is {event.type}", "run.started")

    # ---- rule 3, and 4 where it is about the place ----------------------------------------------

    def _move(self, event: Event) -> Iterator[Wrong]:
        thing = THING_OF.get(event.type)
        if thing is None:
            return
        if event.type in TERMINAL_TYPES:
            yield from self._left_open()
        if thing == "run":
            return
        key = (thing, KEYS[thing](event))
        item = self._items.get(key)
        state: State = "new" if item is None else item.state
        following = TRANSITIONS[thing].get(state, {}).get(event.type)
        kind = family(event.type) if thing == "block" else thing
        if following is None:
            # a view may have left out what begins things of this kind
            if item is not None or kind in self._kinds or not self._lenient:
                yield _misplaced(event, thing, item)
            return
        if item is None:
            item = Item(thing, event, self._parent(event, thing))
            self._items[key] = item
            self._kinds.add(kind)
            yield from self._begins(event, item)
        elif thing == "block" and family(item.opener.type) != kind:
            yield Wrong(4, f"{event.type} on {item}", f"{family(item.opener.type)} events only")
            return
        elif following != "open":
            yield from _open_inside(item)
        item.move(following)
        if thing == "block":
            deltas_shown = not self._lenient or f"{kind}.delta" in self._shown
            yield from check_content(event, item, deltas_shown=deltas_shown)

    def _parent(self, event: Event, thing: Thing) -> Item | None:
        match thing:
            case "block":
                return self._items.get(("message", KEYS["message"](event)))
            case "step" if isinstance(event, StepStarted) and event.parent_id is not None:
                return self._by_run_id.get(event.parent_id)
            case "message" if isinstance(event, MessageStarted):
                # a model's message names the model's own run, a node's message its node
                return self._items.get(("step", event.step_id))
            case _:
                return None

    def _begins(self, event: Event, item: Item) -> Iterator[Wrong]:
        parent = item.parent
        if item.thing == "block":
            yield from self._block_begins(event, item)
        elif item.thing == "step" and parent is not None and parent.state != "open":
            yield Wrong(3, f"{item} starts in {parent}, which has ended", "an open parent")
        if isinstance(event, StepStarted | ToolStarted):
            self._by_run_id[event.step_id] = item
            child = self._awaited.pop(event.step_id, None)
            if child is not None:
                yield Wrong(3, f"{item} starts after {child}, which is inside it", "it before")
        if isinstance(event, StepStarted) and event.parent_id is not None and parent is None:
            self._awaited.setdefault(event.parent_id, item)

    def _block_begins(self, event: Event, item: Item) -> Iterator[Wrong]:
        message = item.parent
        if message is None:
            if "message" in self._kinds or not self._lenient:
                yield Wrong(3, f"{item} starts, but no such message has", "message.started before")
            return
        if message.state != "open":
            yield Wrong(3, f"{item} starts, but {message} has ended", "an open message")
        _, index = cast("tuple[str, int]", KEYS["block"](event))
        if index != message.blocks and not (self._lenient and index > message.blocks):
            yield Wrong(3, f"{item} is the next to start", f"index {message.blocks}")
        message.blocks = index + 1

    def _left_open(self) -> Iterator[Wrong]:
        for item in self._items.values():
            if item.state == "open" and not item.reported:
                item.reported = True
                yield Wrong(3, f"{item} is still open", f"{CLOSERS[item.thing]} before the end")


def _misplaced(event: Event, thing: Thing, item: Item | None) -> Wrong:
    if item is None:
        rule = 4 if event.type.endswith((".delta", ".progress")) else 3
        return Wrong(rule, f"{event.type} for a {thing} that never started", "its start before")
    if event.type == item.opener.type:
        rule = 5 if thing == "message" else 3
        return Wrong(rule, f"{item} starts again (first at seq {item.opener.seq})", "it once")
    rule = 4 if event.type.endswith((".delta", ".progress")) else 3
    has = "has ended" if item.state in ("done", "gone") else "is open"
    return Wrong(rule, f"{event.type}, but {item} {has}", "no such event then")


def _open_inside(item: Item) -> Iterator[Wrong]:
    for child in item.inside:
        if not child.reported:
            child.reported = True
            yield Wrong(3, f"{item} ends while {child} is open", f"{CLOSERS[child.thing]} before")
