"""One thing of a stream that begins and ends, as the checker remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_streamkit.grammar.table import LABELS

if TYPE_CHECKING:
    from langchain_streamkit.events import Event
    from langchain_streamkit.grammar.table import State, Thing


class Wrong(NamedTuple):
    """A breach before the event it happened at is put to it."""

    rule: int
    what: str
    expected: str


class Item:
    """A run, step, tool, message or block: its state, and what is open inside it."""

    __slots__ = (
        "blocks",
        "inside",
        "label",
        "opener",
        "parent",
        "pieces",
        "reported",
        "state",
        "thing",
    )

    def __init__(self, thing: Thing, opener: Event, parent: Item | None) -> None:
        self.thing: Thing = thing
        self.label = LABELS[thing](opener)
        self.state: State = "new"
        self.opener = opener
        self.parent = parent
        self.inside: list[Item] = []
        self.pieces: list[str] = []
        self.blocks = 0
        self.reported = False

    def move(self, state: State) -> None:
        """Go to ``state``, and out of the parent when that ends the thing."""
        was, self.state = self.state, state
        if self.parent is not None:
            if was == "new" and state == "open":
                self.parent.inside.append(self)
            elif was == "open" and state != "open":
                self.parent.inside.remove(self)

    def __str__(self) -> str:
        return self.label
