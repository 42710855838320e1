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
    import tiktoken

    from langchain_streamkit.tokens.patterns import EncodingName

Shown: TypeAlias = tuple[int, bool]
"""The tokens of a block up to some point, and whether that number can be told."""
Counting: TypeAlias = Literal["exact", "estimate", "off"]
"""``exact``: with the model's own encoding where it is known, else with o200k_base, which is an
estimate; ``estimate``: by kinds of characters, without a vocabulary; ``off``: not at all."""
COUNTINGS: Final[tuple[str, ...]] = get_args(Counting)
FOR_ANY: Final[EncodingName] = "o200k_base"
"""What text of a model is counted with if its own encoding is not known."""
ENCODINGS: Final[tuple[EncodingName, ...]] = ("o200k_base", "cl100k_base")
"""All that texts are counted with."""


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
    own = encoding_of(model, provider)
    encoding = _encoding(own or FOR_ANY)
    return Method(encoding, exact=own is not None and encoding is not None)


def encoding_of(model: str | None, provider: str | None) -> EncodingName | None:
    """Return what counts the text of a model exactly; None if that is not known.

    o200k_harmony splits text as o200k_base does: they differ in special tokens, which no text has.
    """
    name = encoding_for_model(model, provider)
    return "o200k_base" if name == "o200k_harmony" else name


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

    Text is counted when it comes, and shown when its delta is made: deltas that nobody has read
    merge, so that what comes later may be shown earlier. What is told of a delta is the tokens of
    what has been shown up to it.
    """

    __slots__ = ("_blocks", "_encoding", "exact", "said", "total", "unsure")

    def __init__(self, method: Method) -> None:
        self._encoding = method.encoding
        self.exact = method.exact
        """Whether the tokens are those of the model's own encoding."""
        self.total = 0
        """Tokens so far; not to be relied on before ``final`` in the middle of a long run."""
        self._blocks: list[BlockMeter] = []
        self.said = 0
        """Tokens of what has been shown."""
        self.unsure = 0
        """Blocks whose shown text has no known number of tokens."""

    def block(self) -> BlockMeter:
        """Begin a block."""
        block = BlockMeter(self, counter_with(self._encoding))
        self._blocks.append(block)
        return block

    def final(self) -> int:
        """Return the tokens of all the text; counting may go on."""
        self.total = sum(block.counter.final() for block in self._blocks)
        return self.total

    def shown(self, grown: int, unsure: int) -> int | None:
        """More text is shown: ``grown`` tokens of it; returns those of all that is shown."""
        total = self.said = self.said + grown
        self.unsure += unsure
        return None if self.unsure else total


class BlockMeter:
    """The tokens of one block of a message."""

    __slots__ = ("_message", "_shown", "_sure", "counter")

    def __init__(self, message: MessageMeter, counter: TokenCounter | CharacterCounter) -> None:
        self._message = message
        self._shown = 0
        self._sure = True
        self.counter = counter

    def feed(self, text: str) -> Shown:
        """Count further text; returns what to pass to ``show`` once it is shown."""
        message, counter = self._message, self.counter
        before = counter.count
        count = counter.feed(text)
        message.total += count - before
        return count, counter.exact or not message.exact

    def show(self, state: Shown) -> int | None:
        """The text up to there is shown: returns the tokens of the message that are, None if they
        are not known yet.
        """
        count, sure = state
        grown, self._shown = count - self._shown, count
        unsure, self._sure = self._sure - sure, sure
        return self._message.shown(grown, unsure)

    def say(self, text: str) -> int | None:
        """Count text that is shown at once; as ``show``, without its detour for every token."""
        message, counter = self._message, self.counter
        before = counter.count
        count = counter.feed(text)
        message.total += count - before
        sure = counter.exact or not message.exact
        if not (sure and self._sure):
            return self.show((count, sure))
        total = message.said = message.said + count - self._shown
        self._shown = count
        return None if message.unsure else total
