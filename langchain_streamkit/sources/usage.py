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

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenCounts(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call; ``details`` are also counted in ``input_tokens`` or ``output_tokens``."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    details: UsageDetails = UsageDetails()


def read_counts(usage: object) -> TokenCounts | None:
    """Return the counts in LangChain's ``usage_metadata``, ``None`` if it is no such dict.

    Unknown details are ignored; a service tier's (``flex_cache_read``) count as the plain ones.
    """
    if not isinstance(usage, Mapping):
        return None
    fields = cast("Mapping[str, object]", usage)
    tokens_in = _count(fields.get("input_tokens"))
    tokens_out = _count(fields.get("output_tokens"))
    of_input = fields.get("input_token_details")
    of_output = fields.get("output_token_details")
    return TokenCounts(
        tokens_in,
        tokens_out,
        _count(fields.get("total_tokens")) or tokens_in + tokens_out,
        UsageDetails(
            cache_read=_detail(of_input, "cache_read"),
            cache_creation=_detail(of_input, "cache_creation"),
            reasoning=_detail(of_output, "reasoning"),
            audio=_detail(of_input, "audio") + _detail(of_output, "audio"),
        )
        if of_input or of_output
        else UsageDetails(),
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
    x, y = a.details, b.details
    return TokenCounts(
        how(a.input_tokens, b.input_tokens),
        how(a.output_tokens, b.output_tokens),
        how(a.total_tokens, b.total_tokens),
        UsageDetails(
            cache_read=how(x.cache_read, y.cache_read),
            cache_creation=how(x.cache_creation, y.cache_creation),
            reasoning=how(x.reasoning, y.reasoning),
            audio=how(x.audio, y.audio),
        ),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _detail(details: object, name: str) -> int:
    if not isinstance(details, Mapping):
        return 0
    fields = cast("Mapping[str, object]", details)
    return sum(_count(v) for k, v in fields.items() if k == name or k.endswith("_" + name))
