"""The numbers of one model call: the provider's where it told them, else what was counted here.

Guarantees: provider usage replaces counts; nothing is added up per chunk; what is an estimate says
so. A prompt is counted only if its number is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from langchain_streamkit.sources.usage import TokenCounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import UsageSource, UsageStatus


class Said(NamedTuple):
    """What was counted of an answer."""

    tokens: int
    own: bool
    """With the model's own encoding."""


class Reckoned(NamedTuple):
    counts: TokenCounts
    source: UsageSource


_NOTHING = TokenCounts(0, 0, 0)


def reckoned(
    told: TokenCounts | None,
    said: Said | None,
    status: UsageStatus | Literal["live"],
    prompt: Callable[[], int | None],
) -> Reckoned:
    """Return the tokens of a call that was not answered from a cache.

    ``told`` is what the provider reported, ``said`` what was counted of the answer (None if nothing
    is counted), ``prompt`` estimates the prompt (None if it is not known); a ``live`` call goes on.

    * Zeros are no word: every prompt has tokens.
    * What a provider told of a finished call stands. Of a call that broke off it may be what it
      knew at the beginning: where more was said than it told, the answer is estimated.
    * A call that failed before it said anything was refused: it used nothing.
    * Without a word from the provider the numbers are ``counted`` if the call finished, its prompt
      is known and its encoding is the model's own; else they are ``estimated``.
    """
    if told is not None and told.total_tokens:
        if status == "ok" or said is None or told.output_tokens >= said.tokens:
            return Reckoned(told, "provider")
        tokens_in = told.input_tokens or prompt() or 0
        whole = TokenCounts(tokens_in, said.tokens, tokens_in + said.tokens, told.parts)
        return Reckoned(whole, "estimated")
    if said is None or (status == "failed" and not said.tokens):
        return Reckoned(_NOTHING, "none")
    given = prompt()
    sure = said.own and status in ("ok", "live") and given is not None
    total = (given or 0) + said.tokens
    counts = TokenCounts(given or 0, said.tokens, total)
    return Reckoned(counts, "counted" if sure else "estimated")
