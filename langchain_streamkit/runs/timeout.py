"""How long a run may take: limits of time that cannot be changed once they are set.

Guarantees: what means nothing is refused where it is written, with what to write instead.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any, Final, Never

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.text import short_repr

CLOCKS: Final = ("total", "first_token", "idle")


@dataclasses.dataclass(frozen=True, init=False)
class Timeout:
    """The clocks of one run, in seconds; each is optional, one has to be given.

    A clock that runs out ends the run as ``run.failed`` with the code ``timeout.total``,
    ``timeout.first_token`` or ``timeout.idle``; then ``result()`` raises ``RunTimeout``. No clock
    is ever early. Only what the run itself does feeds the clocks, not heartbeats of a connection,
    empty chunks, usage or diagnostics.

    Args:
        total: from the start of the run to its end.
        first_token: from the start of the run to the first sign of any model: a piece of text,
            reasoning or a tool call; of an answer that does not stream, its end.
        idle: the longest silence, from the first such sign on: without a token, and without a step,
            model or tool that begins or ends or says something. It is noticed at most a sixteenth
            of it late. A tool that says nothing for so long is silent too.
        wrong, unknown: nothing; clocks have names, others are refused with the nearest one.

    Raises:
        StreamUsageError: for anything that is no number of seconds above zero, and for none.
    """

    total: float | None
    first_token: float | None
    idle: float | None

    def __init__(
        self,
        *wrong: Never,
        total: float | None = None,
        first_token: float | None = None,
        idle: float | None = None,
        **unknown: Never,
    ) -> None:
        if wrong:
            raise StreamUsageError(
                f"Timeout() cannot tell which clock {short_repr(wrong[0])} is for; write"
                " Timeout(total=...), or another of first_token, idle"
            )
        for name in unknown:
            raise StreamUsageError(f"Timeout() has no clock {name}=; {_nearest(name)}")
        given = {"total": total, "first_token": first_token, "idle": idle}
        if all(seconds is None for seconds in given.values()):
            raise StreamUsageError(
                f"Timeout() without a clock ends nothing; give one of {', '.join(CLOCKS)}"
            )
        for name, seconds in given.items():
            object.__setattr__(self, name, None if seconds is None else _checked(name, seconds))


def as_timeout(value: object) -> Timeout | None:
    """What ``timeout=`` means: a plain number is the total. Raises StreamUsageError otherwise."""
    if value is None or isinstance(value, Timeout):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Timeout(total=value)
    raise StreamUsageError(
        f"timeout={short_repr(value)} is no number of seconds; write timeout=60, or"
        " timeout=Timeout(total=60, first_token=10, idle=20)"
    )


def _checked(name: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise StreamUsageError(
            f"Timeout({name}={short_repr(seconds)}) is no number of seconds; write"
            f" Timeout({name}=60)"
        )
    if not 0 < seconds < math.inf:
        raise StreamUsageError(
            f"Timeout({name}={seconds}) leaves no time to run in, or has no end; write seconds"
            f" above 0, or leave {name} out"
        )
    return float(seconds)


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, CLOCKS, n=1)
    return f"did you mean {close[0]}=?" if close else f"it takes {', '.join(CLOCKS)}"
