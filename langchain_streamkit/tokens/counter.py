"""The number of tokens of a text that arrives in pieces, right after every piece.

What is chosen: the text is cut at positions that are proved to be final (``boundaries.py``), and
only what follows the last of them, mostly one word, is encoded again with each piece. Inside a run
that nothing cuts (``====``, Thai or Chinese without punctuation, ``aaaa``) this stays exact up to
``MAX_AGAIN`` characters; beyond, the run is encoded each time it has grown by an eighth, and in
between its count is projected and ``exact`` is False. Counting such runs exactly at every piece is
possible (an appendable BPE, see github's ``bpe`` crate), at many times the code, for text that
answers hardly ever have, and that is settled by its next blank, digit or punctuation mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.boundaries import HARD, KINDS, last_hard
from langchain_streamkit.tokens.vocabularies import load_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    import tiktoken

    from langchain_streamkit.tokens.patterns import EncodingName

MAX_AGAIN = 256
"""Characters that are encoded again with every piece: about 30 microseconds at the most."""
_SLICE = 100_000
"""Characters of a slice of what tiktoken cannot encode at once."""


class TokenCounter:
    """Counts the tokens of one growing text.

    Guarantees: after every ``feed``, if ``exact``, ``count`` is the length of
    ``encoding.encode_ordinary()`` of all the text so far, however it was cut into pieces, halves of
    a surrogate pair included; what a piece costs does not grow with the length of the text before
    it, except that a run without an end is encoded again each time it has grown by an eighth;
    special tokens in the text are counted as text. Not for several threads at once.

    ``encoding`` is a name (loaded on the first use in the process, see ``aload_encoding``) or any
    ``tiktoken.Encoding``. To one whose pattern is neither o200k's nor cl100k's all text is one long
    run. Raises StreamUsageError for what is no encoding.
    """

    __slots__ = (
        "_before",
        "_encode",
        "_hard",
        "_later",
        "_length",
        "_settled",
        "_sound",
        "_tail",
        "_tail_tokens",
        "count",
    )

    def __init__(self, encoding: EncodingName | tiktoken.Encoding = "o200k_base") -> None:
        found = load_encoding(encoding) if isinstance(encoding, str) else encoding
        encode = getattr(found, "encode_ordinary", None)
        if encode is None:
            raise StreamUsageError(
                f"TokenCounter() takes the name of an encoding or a tiktoken.Encoding, not"
                f" {type(found).__name__}; write TokenCounter('o200k_base')"
            )
        self._encode: Callable[[str], list[int]] = encode
        self._hard = HARD.get(getattr(found, "_pat_str", ""))
        self.count = 0
        """Tokens of all the text so far."""
        self._settled = 0  # tokens before the last hard position
        self._tail = ""  # the text after it, as far as it has been encoded
        self._tail_tokens = 0
        self._later: list[str] = []  # what has come since
        self._length = 0  # characters of both
        self._before = 0  # kind of the last character
        self._sound = True  # tiktoken could encode everything

    @property
    def exact(self) -> bool:
        """Whether ``count`` is exact; False inside a run of more than ``MAX_AGAIN`` characters."""
        return self._sound and not self._later

    def feed(self, text: str) -> int:
        """Count more text; return the number of tokens so far.

        Never raises on text; StreamUsageError for what is none. The number may fall: the start of a
        word can take more tokens than the whole.
        """
        if not text or not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            return self._fed_no_text(text)
        if self._hard is not None:
            cut = last_hard(text, self._hard, self._before)
            self._before = KINDS[text[-1]]
            if cut is not None:
                if cut or self._later:
                    self._take(text[:cut])
                self._settled += self._tail_tokens
                self._tail = ""
                self._length = 0
                text = text[cut:]
        length = self._length + len(text)
        if length <= MAX_AGAIN and not self._later:  # nearly always; too short to panic over
            tail = self._tail = self._tail + text
            self._length = length
            tokens = self._tail_tokens = len(self._encode(tail))
            self.count = count = self._settled + tokens
            return count
        encoded = len(self._tail)
        if length <= MAX_AGAIN or length >= encoded + encoded // 8:
            self._take(text)
            self.count = self._settled + self._tail_tokens
        else:
            self._later.append(text)
            self._length = length
            self.count = self._settled + self._tail_tokens * length // encoded
        return self.count

    def _fed_no_text(self, text: object) -> int:
        if isinstance(text, str):
            return self.count
        raise StreamUsageError(
            f"feed() takes text, not {type(text).__name__}; write counter.feed(event.text) for"
            " a text.delta, or counter.feed(message.text)"
        )

    def final(self) -> int:
        """Count what was only projected, and return the number of tokens; feeding may go on."""
        if self._later:
            self._take("")
            self.count = self._settled + self._tail_tokens
        return self.count

    def _take(self, text: str) -> None:
        """Encode the run with ``text`` at its end."""
        if self._later:
            text = "".join((*self._later, text))
            self._later.clear()
        self._tail += text
        self._length = len(self._tail)
        self._tail_tokens = self._tokens(self._tail)

    def _tokens(self, text: str) -> int:
        try:
            return len(self._encode(text))
        except BaseException as exc:
            # tiktoken panics over white space of more than some 600,000 characters in a row
            if type(exc).__name__ != "PanicException":
                raise
        self._sound = False
        slices = (text[at : at + _SLICE] for at in range(0, len(text), _SLICE))
        return sum(len(self._encode(part)) for part in slices)
