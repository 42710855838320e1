"""What model calls and tools have used up: a sum that can be added to, taken from and stored.

Guarantees: exact (whole numbers and ``Decimal``); what has no known price is told by
``unpriced_calls`` and never counted as free.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from langchain_streamkit.amounts import EXACT
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.prices import cost_text


class Spent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens, US dollars, model calls and tool runs: a sum, or the difference of two sums."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    """US dollars of the calls that have a known price."""
    unpriced_calls: int = 0
    """Model calls that ``cost`` leaves out, because nobody knows their price."""
    model_calls: int = 0
    tool_calls: int = 0

    @property
    def tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=EXACT.add(self.cost, other.cost),
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cost=EXACT.subtract(self.cost, other.cost),
            unpriced_calls=self.unpriced_calls - other.unpriced_calls,
            model_calls=self.model_calls - other.model_calls,
            tool_calls=self.tool_calls - other.tool_calls,
        )

    def __str__(self) -> str:
        parts = [
            _counted(self.model_calls, "model call"),
            f"{self.input_tokens} input and {self.output_tokens} output tokens",
            f"${cost_text(self.cost)}",
        ]
        if self.unpriced_calls:
            parts[-1] += f" without {_counted(self.unpriced_calls, 'call')} of unknown price"
        if self.tool_calls:
            parts.insert(1, _counted(self.tool_calls, "tool call"))
        return ", ".join(parts)

    def to_dict(self) -> dict[str, int | str]:
        """Return it as JSON has it: ``tokens`` and all fields, the cost as a decimal string."""
        return {"tokens": self.tokens, **msgspec.structs.asdict(self), "cost": cost_text(self.cost)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Spent:
        """Return what ``to_dict`` was called on; a count that is missing is 0.

        Raises StreamUsageError for a value that is no number.
        """
        try:
            counts = {
                name: int(fields.get(name, 0)) for name in cls.__struct_fields__ if name != "cost"
            }
            return cls(**counts, cost=Decimal(str(fields.get("cost", 0))))
        except (AttributeError, InvalidOperation, TypeError, ValueError) as exc:
            raise StreamUsageError(
                f"Spent.from_dict() cannot read {fields!r}; it takes what spent.to_dict() gives"
            ) from exc


NOTHING = Spent()


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
