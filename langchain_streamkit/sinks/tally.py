"""What a run has used so far, as its events tell it: for those who show it while it goes on.

Guarantees: each message counts once, by the newest of what was told of it; at the end of all
messages the sums are those of their usage.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_streamkit import events as ev
from langchain_streamkit.amounts import EXACT, usage_facts

if TYPE_CHECKING:
    from collections.abc import Collection


class Tally:
    """The messages of one run, and what each has used."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._used: dict[str, ev.Usage] = {}
        self._open: set[str] = set()

    def feed(self, event: ev.Event) -> None:
        """Take in an event of the run."""
        match event:
            case ev.TextDelta() | ev.ReasoningDelta() | ev.ToolCallDelta():
                used = self._used.get(event.message_id)
                if used is not None and event.tokens is not None:
                    self._used[event.message_id] = _with_output(used, event.tokens)
            case ev.MessageStarted():
                self._open.add(event.message_id)
                source: ev.UsageSource = "estimated" if event.counting == "estimate" else "counted"
                self._used[event.message_id] = _used(event.message_id, 0, 0, source)
            case ev.UsageUpdated():
                self._used[event.message_id] = event.usage
            case ev.MessageFinished() | ev.MessageAborted():
                self._open.discard(event.message_id)
                if event.usage is not None:
                    self._used[event.message_id] = event.usage
            case _:
                pass

    @property
    def speaks(self) -> bool:
        """Whether a message is open."""
        return bool(self._open)

    @property
    def text(self) -> str:
        """Tokens and known costs so far: ``~12 in + ~34 out tokens · ~$0.0002``."""
        parts = self._used.values()
        costs = [Decimal(used.cost) for used in parts if used.cost is not None]
        total = _used(
            self._run_id,
            sum(used.input_tokens for used in parts),
            sum(used.output_tokens for used in parts),
            _least_certain(parts),
            cost=str(functools.reduce(EXACT.add, costs)) if costs else None,
        )
        return " · ".join(usage_facts(total))


def _used(
    call_id: str, tokens_in: int, tokens_out: int, source: ev.UsageSource, cost: str | None = None
) -> ev.Usage:
    return ev.Usage(
        call_id=call_id,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=tokens_in + tokens_out,
        source=source,
        cost=cost,
    )


def _least_certain(parts: Collection[ev.Usage]) -> ev.UsageSource:
    if any(used.source == "estimated" for used in parts):
        return "estimated"
    prompts = any(used.source == "counted" and used.input_tokens for used in parts)
    return "counted" if prompts else "provider"


def _with_output(used: ev.Usage, tokens: int) -> ev.Usage:
    tokens = max(tokens, used.output_tokens)  # which may count what a provider does not show
    return _used(used.call_id, used.input_tokens, tokens, used.source, used.cost)
