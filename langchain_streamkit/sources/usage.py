"""Token counts of one model call, whichever way the provider spreads them over its chunks.

Guarantees: the sum where chunks carry differences (Anthropic: input first, output last), the
largest where each chunk repeats the total so far, which LangChain itself would add up; nothing is
invented: no counts, no result. Memory does not grow with the number of chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import add
from typing import TYPE_CHECKING, cast

import msgspec

from langchain_streamkit.events import UsageDetails
from langchain_streamkit.tokens.details import NO_DETAILS, TokenDetails, count_of, read_details

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenCounts(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call; ``parts`` are also counted in ``input_tokens`` or ``output_tokens``."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    parts: TokenDetails = NO_DETAILS

    @property
    def details(self) -> UsageDetails:
        """What of ``parts`` events tell."""
        parts = self.parts
        return UsageDetails(
            cache_read=parts.cache_read,
            cache_creation=parts.cache_creation,
            reasoning=parts.reasoning,
            audio=parts.audio_input + parts.audio_output,
        )


def read_counts(usage: object) -> TokenCounts | None:
    """Return the counts in LangChain's ``usage_metadata``, ``None`` if it is no such dict.

    Details are read under all the names that packages give them (``tokens/details.py``).
    """
    if not isinstance(usage, Mapping):
        return None
    fields = cast("Mapping[str, object]", usage)
    tokens_in = count_of(fields.get("input_tokens"))
    tokens_out = count_of(fields.get("output_tokens"))
    return TokenCounts(
        tokens_in,
        tokens_out,
        count_of(fields.get("total_tokens")) or tokens_in + tokens_out,
        read_details(fields),
    )


class UsageTally:
    """The counts of one call, fed chunk by chunk."""

    __slots__ = ("_last", "_most", "_repeats", "_seen", "_sum")

    def __init__(self) -> None:
        self._sum = self._most = self._last = TokenCounts(0, 0, 0)
        self._seen = 0
        self._repeats = True

    def add(self, counts: TokenCounts) -> None:
        last = self._last
        if self._seen and not last.total_tokens:
            self._seen = 0  # placeholders of zero before the first count say nothing
        if self._seen:
            self._repeats = (
                self._repeats
                and counts.input_tokens == last.input_tokens > 0
                and counts.output_tokens >= last.output_tokens
            )
        self._seen += 1
        self._last = counts
        self._sum = _combine(add, self._sum, counts)
        self._most = _combine(max, self._most, counts)

    @property
    def counts(self) -> TokenCounts | None:
        """What the call has used so far.

        Cumulative when at least two chunks have counts, all with the same input and none with
        less output than the one before; a sum otherwise.
        """
        if not self._seen:
            return None
        return self._most if self._seen > 1 and self._repeats else self._sum


def _combine(how: Callable[[int, int], int], a: TokenCounts, b: TokenCounts) -> TokenCounts:
    return TokenCounts(
        how(a.input_tokens, b.input_tokens),
        how(a.output_tokens, b.output_tokens),
        how(a.total_tokens, b.total_tokens),
        a.parts.combined(how, b.parts),
    )
