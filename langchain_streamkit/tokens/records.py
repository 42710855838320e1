"""What is known of one model call: who made it, what it used, what it cost.

Guarantees: a record never changes; its text is valid Unicode; a cost is an exact ``Decimal`` or
None, never 0 for unknown; ``from_dict`` of what ``to_dict`` gave, by way of JSON too, is equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import UsageSource, UsageStatus
from langchain_streamkit.text import clean_text, short_repr
from langchain_streamkit.tokens.prices import MAX_DECIMALS, MAX_DOLLARS, cost_text

"""Within these limits sums are exact (``totals.py``), and no text of a cost is long."""


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One model call. Times in ms; ``path`` and ``node`` say where in the run it was made.

    ``total_tokens`` left out is input and output together; the ``cost`` of a cached answer is 0.
    Raises StreamUsageError for a cost that is no amount of dollars.
    """

    call_id: str
    """LangChain's run id of the call."""
    run_id: str
    """That of the root run."""
    message_id: str | None = None
    """The answer's; None for a call that never said anything."""
    model: str | None = None
    provider: str | None = None
    path: tuple[str, ...] = ()
    node: str | None = None
    """The LangGraph node it was called in."""
    tags: tuple[str, ...] = ()
    thread_id: str | None = None
    user: str | None = None
    attempt: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read: int = 0
    """Like the next three, also counted in ``input_tokens`` or ``output_tokens``."""
    cache_creation: int = 0
    reasoning: int = 0
    audio: int = 0
    counted_tokens: int | None = None
    """Tokens of the visible output as this library counted them; None if it did not."""
    source: UsageSource
    """Where the tokens come from: ``none`` means that nobody said, not that there were none."""
    status: UsageStatus = "ok"
    cost: Decimal | None = None
    """US dollars; None if the price is not known."""
    started_ms: int
    """Since the epoch."""
    duration_ms: int | None = None
    first_token_ms: int | None = None
    """From the call's start."""
    tokens_per_second: float | None = None
    """Of output, between the first token and the end."""
    late: bool = False
    """The call ended after its run."""
    retracted: bool = False
    """Its message was taken back, because the step around it ran again: used and paid all the
    same."""

    def __post_init__(self) -> None:
        put = msgspec.structs.force_setattr
        for name in _TEXTS:
            text: str | None = getattr(self, name)
            if text is not None and not text.isascii():
                put(self, name, clean_text(text))
        put(self, "path", tuple(clean_text(name) for name in self.path))
        put(self, "tags", tuple(clean_text(tag) for tag in self.tags))
        if not self.total_tokens:
            put(self, "total_tokens", self.input_tokens + self.output_tokens)
        if self.cost is not None:
            put(self, "cost", checked_cost(self.cost))
        elif self.source == "cache":
            put(self, "cost", Decimal(0))

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON values; ``cost`` is a decimal string or None."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        fields.update(path=list(self.path), tags=list(self.tags))
        if self.cost is not None:
            fields["cost"] = cost_text(self.cost)
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` gave. Fields it does not know are ignored.

        Raises StreamUsageError that names the field which is missing or wrong.
        """
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as exc:
            raise StreamUsageError(
                f"{short_repr(fields)} is not a usage record ({exc}); pass what to_dict() gave"
            ) from exc


_TEXTS = ("call_id", "run_id", "message_id", "model", "provider", "node", "thread_id", "user")


def checked_cost(cost: object) -> Decimal:
    """Return ``cost`` if it can be what a call costs in US dollars.

    Raises StreamUsageError for what is no Decimal, not finite, negative, beyond 1e15 or has more
    than 60 decimals.
    """
    if isinstance(cost, Decimal) and cost.is_finite() and 0 <= cost < MAX_DOLLARS:
        if not cost:
            return Decimal(0)
        exponent = cost.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= -MAX_DECIMALS:
            return cost
    raise StreamUsageError(
        f"cost is {short_repr(cost)}: write US dollars as a Decimal, Decimal('0.0025'), or None "
        "if the price is not known"
    )
