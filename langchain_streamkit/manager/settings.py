"""What a ``RunManager`` is made with, checked when it is made and not in the first client's run.

Each function returns what it was given, or raises ``StreamUsageError`` that says what to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import Options, checked_on_end, refuse_unknown
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.limits import Limits

_OPTIONS = ("context", "sinks", "on_end", *Options._fields)


def one_of(option: str, value: Any, known: tuple[str, ...]) -> Any:
    """``value`` if it is one of ``known``."""
    if value not in known:
        names = " or ".join(f"{option}={name!r}" for name in known)
        raise StreamUsageError(f"{option}={short_repr(value)} is not known; write {names}")
    return value


def seconds(option: str, value: Any) -> float:
    """``value`` if it is a number of seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise StreamUsageError(
            f"{option}={short_repr(value)} is no number of seconds; write 0 or more, such as"
            f" {option}=10"
        )
    return value


def checked_limits(limits: Any) -> Limits | None:
    """``limits`` if they are ``Limits`` or None."""
    if limits is None:
        return None
    from langchain_streamkit.limits import Limits

    if not isinstance(limits, Limits):
        raise StreamUsageError(
            f"limits={short_repr(limits)} is no Limits; write limits=Limits(runs_per_minute=30)"
        )
    return limits


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """``options`` if they are such as ``astream`` takes for any run."""
    unknown = {name: value for name, value in options.items() if name not in _OPTIONS}
    refuse_unknown("RunManager", unknown, _OPTIONS)
    watching = {name: value for name, value in options.items() if name in Options._fields}
    Options(**watching).checked()
    checked_on_end(options.get("on_end"))
    return options
