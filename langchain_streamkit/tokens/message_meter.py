"""Counting what a model says while it says it: a meter for a message, a counter for each block.

Guarantees: what is told as exact is the number of tokens that the model's own encoding makes of
each block so far, added up. In the middle of a long unbroken run, where that is not known, nothing
is told. No vocabulary is loaded here while an event loop runs in the thread.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from langchain_streamkit.tokens.characters import CharacterCounter
from langchain_streamkit.tokens.counter import TokenCounter
from langchain_streamkit.tokens.models import encoding_for_model
from langchain_streamkit.tokens.vocabularies import load_encoding, loaded_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    import tiktoken

    from langchain_streamkit.tokens.patterns import EncodingName

    Count: TypeAlias = Callable[[str], int | None]

Counting: TypeAlias = Literal["exact", "estimate", "off"]
"""``exact``: with the model's own encoding where it is known, else with o200k_base, which is an
estimate; ``estimate``: by kinds of characters, without a vocabulary; ``off``: not at all."""
COUNTINGS: Final[tuple[str, ...]] = get_args(Counting)
FOR_ANY: Final[EncodingName] = "o200k_base"
"""What text of a model is counted with if its own encoding is not known."""


class Method(NamedTuple):
    """What a model's text is counted with."""

    encoding: tiktoken.Encoding | None
    """None: by characters."""
    exact: bool
    """It is the model's own."""


def method_for(counting: Counting, model: str | None, provider: str | None) -> Method | None:
    """Return what to count the text of a model with; None for nothing.

    Where an event loop runs in this thread and the vocabulary is not there yet, it is loaded in
    another one, and until then text is estimated by its characters.
    """
    if counting == "off":
        return None
    if counting == "estimate":
        return Method(None, exact=False)
    own = encoding_for_model(model, provider)
    encoding = _encoding(own or FOR_ANY)
    return Method(encoding, exact=own is not None and encoding is not None)


def _encoding(name: EncodingName) -> tiktoken.Encoding | None:
    found = loaded_encoding(name)
    if found is not None:
        return found
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return load_encoding(name)
    threading.Thread(target=load_encoding, args=(name,), daemon=True).start()
    return None


def counter_with(encoding: tiktoken.Encoding | None) -> TokenCounter | CharacterCounter:
    """Return what counts one text."""
    return CharacterCounter() if encoding is None else TokenCounter(encoding)


class MessageMeter:
    """The tokens of one message: the sum of those of its blocks (visible text, reasoning, the
    arguments of each tool call), each of which is a text of its own.
    """

    __slots__ = ("_counters", "_encoding", "exact", "total")

    def __init__(self, method: Method) -> None:
        self._encoding = method.encoding
        self.exact = method.exact
        """Whether the tokens are those of the model's own encoding."""
        self.total = 0
        """Tokens so far; not to be relied on before ``final`` in the middle of a long run."""
        self._counters: list[TokenCounter | CharacterCounter] = []

    def block(self) -> Count:
        """Begin a block; returns what takes its further text and returns the tokens of the message
        so far, None if they are not known yet.
        """
        counter = counter_with(self._encoding)
        counters = self._counters
        counters.append(counter)
        feed = counter.feed
        estimate = not self.exact

        def count(text: str) -> int | None:
            before = counter.count
            total = self.total = self.total + feed(text) - before
            if estimate or (counter.exact and (len(counters) == 1 or _all_exact(counters))):
                return total
            return None

        return count

    def final(self) -> int:
        """Return the tokens of all the text; counting may go on."""
        self.total = sum(counter.final() for counter in self._counters)
        return self.total


def _all_exact(counters: list[TokenCounter | CharacterCounter]) -> bool:
    return all(counter.exact for counter in counters)
