"""The details of LangChain's ``usage_metadata``, under whichever names a provider's package gives.

Known names, all inside the input or output tokens and never beside them:

* langchain-openai puts the service tier before a name (``priority_cache_read``, ``flex_reasoning``)
  and the tier's remaining tokens under its own (``priority``, ``flex``).
* langchain-anthropic moves what was written to a cache from ``cache_creation`` (then 0) to
  ``ephemeral_5m_input_tokens`` and ``ephemeral_1h_input_tokens``, by how long it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

_TIERS = ("priority", "flex")
"""The tiers that langchain-openai puts before names; at any other it leaves them as they are."""


class TokenDetails(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens that are also counted in ``input_tokens`` or ``output_tokens``."""

    cache_read: int = 0
    cache_creation: int = 0
    """All that was written to a cache, ``cache_creation_1h`` included."""
    cache_creation_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    service_tier: str | None = None
    """``priority`` or ``flex``, which have prices of their own."""

    def combined(self, how: Callable[[int, int], int], other: TokenDetails) -> TokenDetails:
        """Return each count put together with the other's; the tier is the first that was named."""
        return TokenDetails(
            cache_read=how(self.cache_read, other.cache_read),
            cache_creation=how(self.cache_creation, other.cache_creation),
            cache_creation_1h=how(self.cache_creation_1h, other.cache_creation_1h),
            reasoning=how(self.reasoning, other.reasoning),
            audio_input=how(self.audio_input, other.audio_input),
            audio_output=how(self.audio_output, other.audio_output),
            service_tier=self.service_tier or other.service_tier,
        )


NO_DETAILS = TokenDetails()


def read_details(usage: Mapping[str, object]) -> TokenDetails:
    """Return what ``usage_metadata`` says in its details; unknown names are ignored."""
    of_input = _fields(usage.get("input_token_details"))
    of_output = _fields(usage.get("output_token_details"))
    if not of_input and not of_output:
        return NO_DETAILS
    for_1h = count_of(of_input.get("ephemeral_1h_input_tokens"))
    by_time = for_1h + count_of(of_input.get("ephemeral_5m_input_tokens"))
    return TokenDetails(
        cache_read=_sum(of_input, "cache_read"),
        cache_creation=max(_sum(of_input, "cache_creation"), by_time),
        cache_creation_1h=for_1h,
        reasoning=_sum(of_output, "reasoning"),
        audio_input=_sum(of_input, "audio"),
        audio_output=_sum(of_output, "audio"),
        service_tier=_tier([*of_input, *of_output]),
    )


def count_of(value: object) -> int:
    """Return a number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and value > 0 else 0


def _fields(details: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", details) if isinstance(details, Mapping) else {}


def _sum(details: Mapping[str, object], name: str) -> int:
    return sum(count_of(v) for k, v in details.items() if k == name or k.endswith("_" + name))


def _tier(names: list[str]) -> str | None:
    for tier in _TIERS:
        if any(name == tier or name.startswith(tier + "_") for name in names):
            return tier
    return None
