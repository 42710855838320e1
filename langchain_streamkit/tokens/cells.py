"""Values of usage records as text for people: one line, no control characters, exact rounding.

Guarantees: an amount nobody told of is ``-``, never 0; an estimated one begins with ``~``; a cost
above zero never looks like zero.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias, cast

from langchain_streamkit.amounts import dollars, places_for
from langchain_streamkit.text import clean_text
from langchain_streamkit.tokens.records import UsageRecord
from langchain_streamkit.tokens.totals import UsageTotal

Item: TypeAlias = UsageRecord | UsageTotal
"""What a row of a table shows."""

UNKNOWN: Final = "-"
AMOUNTS: Final = frozenset({"input_tokens", "output_tokens", "total_tokens", "cost"})
"""What is estimated where a record says that its tokens are; all but the output, if they are
counted."""
_LONGEST: Final = 48
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def cell(name: str, item: Item, places: int) -> str:
    """Return the field ``name`` of ``item``; costs have ``places`` decimals."""
    value: object = getattr(item, name)
    if name in AMOUNTS:
        if value is None or (name != "cost" and _unreported(item)):
            return UNKNOWN
        shown = dollars(value, places) if isinstance(value, Decimal) else f"{value:,}"
        return f"~{shown}" if _estimated(name, item) else shown
    if name == "started_ms":
        return _time(cast("int", value))
    return _value_text(value, ", " if name == "tags" else "/")


def key_text(key: object) -> str:
    """Return the key of a group as it is, of a tuple its items with ``/`` between them."""
    if key is None or key == ():
        return UNKNOWN
    items = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    return one_line("/".join(map(str, items)))


def _value_text(value: object, separator: str) -> str:
    if value is None or value is False or value in ((), ""):
        return UNKNOWN
    if value is True:
        return "yes"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, tuple):
        return one_line(separator.join(map(str, cast("tuple[object, ...]", value))))
    return one_line(str(value))


def one_line(text: str) -> str:
    """Return ``text`` as it may be shown, cut to 48 columns: names come from outside.

    Blanks of any kind are a space; control characters and those without a shape of their own,
    which turn a line's direction or hide in it, are left out (CWE-150).
    """
    words = " ".join(clean_text(text).split())
    clean = "".join(sign for sign in words if unicodedata.category(sign) not in ("Cc", "Cf"))
    if width(clean) <= _LONGEST:
        return clean
    end = _LONGEST - 3
    while width(clean[:end]) > _LONGEST - 3:
        end -= 1
    return clean[:end] + "..."


def width(text: str) -> int:
    """Return the columns that ``text`` takes on a terminal: two for a Chinese character."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def summary(total: UsageTotal) -> str:
    """Return a total in a few words: ``3 calls, 1,204 tokens, $0.0123``."""
    parts = [count(total.calls, "call")]
    if total.calls:
        tokens = cell("total_tokens", total, 0)
        parts.append("unknown tokens" if tokens == UNKNOWN else f"{tokens} tokens")
        if total.cost is None:
            parts.append("unknown cost")
        else:
            parts.append(cell("cost", total, places_for([total.cost])))
            parts += [f"{total.unpriced:,} unpriced"] if total.unpriced else []
    return ", ".join(parts)


def count(number: int, noun: str) -> str:
    """Return ``1 call``, ``1,204 calls``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _estimated(name: str, item: Item) -> bool:
    sources = ("estimated",) if name == "output_tokens" else ("estimated", "counted")
    if isinstance(item, UsageTotal):
        return any(getattr(item, source) for source in sources)
    return item.source in sources


def _unreported(item: Item) -> bool:
    if item.total_tokens:
        return False
    if isinstance(item, UsageTotal):
        return item.unreported == item.calls > 0
    return item.source == "none"


def _time(ms: int) -> str:
    try:
        return f"{_EPOCH + timedelta(milliseconds=ms):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return UNKNOWN
