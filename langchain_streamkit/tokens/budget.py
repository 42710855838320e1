"""How much may be spent: limits that cannot be changed once they are set.

Guarantees: what means nothing is refused where it is written, with what to write instead.
"""

from __future__ import annotations

import dataclasses
import difflib
from decimal import Decimal
from typing import Any, Final, Literal, Never, TypeAlias, get_args

from langchain_streamkit.amounts import amount_of
from langchain_streamkit.errors import StreamUsageError

LimitName: TypeAlias = Literal[
    "tokens", "input_tokens", "output_tokens", "cost", "model_calls", "tool_calls"
]
LIMITS: Final[tuple[LimitName, ...]] = get_args(LimitName)
_ON_EXCEED: Final = ("stop", "warn")
_WARN_AT: Final = 0.8


@dataclasses.dataclass(frozen=True, init=False)
class Budget:
    """The limits of one run, all of its model calls and tools together.

    A limit of N lets N through, and stops at what would exceed it: ``model_calls=3`` lets three
    calls start and refuses the fourth, ``output_tokens=100`` stops the answer at the piece of it
    that brings the 101st token, and a call whose prompt is estimated at more than what is left is
    not made. 0 allows nothing. An answer from LangChain's cache costs nothing and is no call.

    Args:
        tokens: input and output of all model calls.
        input_tokens: of all prompts.
        output_tokens: of all answers: text, reasoning and the arguments of tool calls.
        cost: US dollars, best as a string or Decimal (``"0.05"``). It cannot hold calls of a
            model that has no known price; the run says so once (``diagnostic``), and how to give
            the price. Set a limit of tokens beside it where that is not enough.
        model_calls: calls of models that are started, retries and fallbacks included.
        tool_calls: runs of tools that are started.
        on_exceed: ``"stop"`` ends the run; ``"warn"`` tells it once for each limit and goes on.
        warn_at: the part of a limit at which it is told once that it is near; None: never.
        wrong, unknown: nothing; limits have names, others are refused with the nearest one.

    Raises:
        StreamUsageError: for anything that is no limit, and for a budget without any.
    """

    tokens: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    model_calls: int | None
    tool_calls: int | None
    on_exceed: Literal["stop", "warn"]
    warn_at: float | None

    def __init__(
        self,
        *wrong: Never,
        tokens: int | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost: Decimal | float | str | None = None,
        model_calls: int | None = None,
        tool_calls: int | None = None,
        on_exceed: Literal["stop", "warn"] = "stop",
        warn_at: float | None = _WARN_AT,
        **unknown: Never,
    ) -> None:
        if wrong:
            raise StreamUsageError(
                f"Budget() cannot tell what {wrong[0]!r} limits; write Budget(tokens=...), or"
                f" another of {', '.join(LIMITS)}"
            )
        for name in unknown:
            raise StreamUsageError(f"Budget() has no limit {name}=; {_nearest(name)}")
        given: dict[str, Any] = {
            "tokens": _count("tokens", tokens),
            "input_tokens": _count("input_tokens", input_tokens),
            "output_tokens": _count("output_tokens", output_tokens),
            "cost": _dollars(cost),
            "model_calls": _count("model_calls", model_calls),
            "tool_calls": _count("tool_calls", tool_calls),
        }
        if all(limit is None for limit in given.values()):
            raise StreamUsageError(
                f"Budget() without a limit limits nothing; give one of {', '.join(LIMITS)}"
            )
        if on_exceed not in _ON_EXCEED:
            names = " or ".join(f"on_exceed={name!r}" for name in _ON_EXCEED)
            raise StreamUsageError(f"on_exceed={on_exceed!r} is not known; write {names}")
        given |= {"on_exceed": on_exceed, "warn_at": _part(warn_at)}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """Return what was given: ``Budget(tokens=1000, on_exceed='warn')``."""
        shown = [
            f"{name}={str(limit)!r}" if name == "cost" else f"{name}={limit!r}"
            for name, limit in self.limits.items()
        ]
        if self.on_exceed != "stop":
            shown.append(f"on_exceed={self.on_exceed!r}")
        if self.warn_at != _WARN_AT:
            shown.append(f"warn_at={self.warn_at!r}")
        return f"Budget({', '.join(shown)})"

    @property
    def limits(self) -> dict[LimitName, int | Decimal]:
        """The limits that are set."""
        return {name: limit for name in LIMITS if (limit := getattr(self, name)) is not None}


def _nearest(name: str) -> str:
    known = (*LIMITS, "on_exceed", "warn_at")
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}=?" if close else f"it takes {', '.join(known)}"


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        instead = int(value) if isinstance(value, float) and value.is_integer() else 1000
        raise StreamUsageError(f"{name}={value!r} is no whole number; write {name}={instead}")
    if value < 0:
        raise StreamUsageError(
            f"{name}={value} is below zero; write 0 to allow none, or leave it out for no limit"
        )
    return value


def _dollars(value: object) -> Decimal | None:
    if value is None:
        return None
    if (cost := amount_of(value)) is not None:
        return cost
    raise StreamUsageError(
        f'cost={value!r} is no sum of US dollars; write cost="0.05" or cost=0.05, or leave it out'
        " for no limit"
    )


def _part(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise StreamUsageError(
            f"warn_at={value!r} is no part of a limit; write a number above 0 and up to 1, such as"
            " warn_at=0.8, or None for no warning"
        )
    return float(value)
