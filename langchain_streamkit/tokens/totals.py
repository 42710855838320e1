"""Usage records added up: all of them, or those of each model, node, user and so on.

Guarantees: sums of costs are exact; what is not known of a call is counted beside the sum
(``unpriced``, ``unreported``) instead of being taken for 0.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Hashable, Iterable
from decimal import Context, Decimal, Inexact
from typing import Final, Literal, TypeAlias, TypeVar, cast, get_args

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import UsageSource, UsageStatus
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.records import UsageRecord

GroupName: TypeAlias = Literal[
    "model",
    "provider",
    "node",
    "path",
    "user",
    "thread",
    "tag",
    "run",
    "source",
    "status",
    "attempt",
]
GroupKey: TypeAlias = GroupName | Callable[[UsageRecord], Hashable]
"""What records are grouped by: a fact of theirs, or a function that says."""

_Word = TypeVar("_Word", UsageSource, UsageStatus)

SOURCES: tuple[UsageSource, ...] = ("none", "estimated", "counted", "provider", "cache")
"""Least certain first: a sum is as certain as its least certain part."""
STATUSES: tuple[UsageStatus, ...] = ("failed", "aborted", "ok")
"""Worst first."""

# A record's cost has at most 75 digits (``checked_cost``), so that this adds 1e25 of them exactly.
_EXACT: Final = Context(prec=100, traps=[Inexact])
_NUMBER_OF_SIBLING: Final = re.compile(r"#\d+$")
_FIELDS: Final[dict[str, str]] = {"thread": "thread_id", "run": "run_id"}
"""Of the group names, those that are not the field's own."""


class UsageTotal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What several calls used together; retracted and late ones count, as they are paid for.

    ``cost`` is the sum of the costs that are known, in US dollars: None if there are calls and no
    cost of any is known. ``source`` is that of the least certain record (``none``, ``estimated``,
    ``counted``, ``provider``, ``cache``), where a failed call that reported nothing is no part of
    it: a request that was refused used nothing. So ``none`` means that there are tokens nobody
    told of, or no calls. ``status`` is the worst (``failed``, ``aborted``, ``ok``).
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read: int = 0
    cache_creation: int = 0
    reasoning: int = 0
    audio: int = 0
    cost: Decimal | None = Decimal(0)
    unpriced: int = 0
    """Calls whose cost is not known, and so is missing in ``cost``."""
    estimated: int = 0
    """Calls whose tokens are estimates."""
    counted: int = 0
    """Calls whose answer was counted exactly, and whose prompt, and so the cost, is an estimate."""
    unreported: int = 0
    """Calls of which nobody told any tokens, failed ones included."""
    source: UsageSource = "none"
    status: UsageStatus = "ok"


def total_of(records: Iterable[UsageRecord]) -> UsageTotal:
    """Return what the records say together."""
    known = list(records)
    costs = [record.cost for record in known if record.cost is not None]
    cost = Decimal(0)
    for price in costs:
        cost = _EXACT.add(cost, price)
    parts: set[UsageSource] = {
        r.source for r in known if r.source != "none" or r.status != "failed"
    }
    statuses: set[UsageStatus] = {record.status for record in known}
    return UsageTotal(
        calls=len(known),
        input_tokens=sum(record.input_tokens for record in known),
        output_tokens=sum(record.output_tokens for record in known),
        total_tokens=sum(record.total_tokens for record in known),
        cache_read=sum(record.cache_read for record in known),
        cache_creation=sum(record.cache_creation for record in known),
        reasoning=sum(record.reasoning for record in known),
        audio=sum(record.audio for record in known),
        cost=cost if costs or not known else None,
        unpriced=len(known) - len(costs),
        estimated=sum(record.source == "estimated" for record in known),
        counted=sum(record.source == "counted" for record in known),
        unreported=sum(record.source == "none" for record in known),
        source=_first(SOURCES, parts) or "none",
        status=_first(STATUSES, statuses) or "ok",
    )


def _first(order: tuple[_Word, ...], found: set[_Word]) -> _Word | None:
    for word in order:
        if word in found:
            return word
    return None


def grouped(
    records: Iterable[UsageRecord], key: GroupKey
) -> dict[Hashable, tuple[UsageRecord, ...]]:
    """Return the records of each group, groups in order of first appearance.

    By ``"tag"`` a record is in the group of each of its tags, and in that of None without any. By
    ``"path"`` the numbers of siblings (``worker#2``) are left out: they say who ran at the same
    time, which changes from run to run. Raises StreamUsageError for a name that is none, and for a
    function that gives what cannot be a key.
    """
    keys_of = _keys_of(key)
    groups: dict[Hashable, list[UsageRecord]] = {}
    for record in records:
        for found in keys_of(record):
            groups.setdefault(found, []).append(record)
    return {found: tuple(members) for found, members in groups.items()}


def nearest(word: object, known: Iterable[str]) -> str:
    """Return what to write instead of ``word``: the name that looks like it, and all there are."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1) if isinstance(word, str) else []
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}There are {', '.join(map(repr, names))}"


def _keys_of(key: GroupKey) -> Callable[[UsageRecord], Iterable[Hashable]]:
    given = cast("object", key)
    if given == "tag":
        return lambda record: dict.fromkeys(record.tags) or (None,)
    if given == "path":
        return lambda record: (tuple(_NUMBER_OF_SIBLING.sub("", name) for name in record.path),)
    if isinstance(given, str) and given in get_args(GroupName):
        field = _FIELDS.get(given, given)
        return lambda record: (getattr(record, field),)
    if callable(given):
        ask = cast("Callable[[UsageRecord], Hashable]", given)
        return lambda record: (_hashable(ask(record)),)
    raise StreamUsageError(
        f"usage cannot be grouped by {short_repr(given)}: {nearest(given, get_args(GroupName))}, "
        "or a function of one record that returns the group's key"
    )


def _hashable(key: object) -> Hashable:
    try:
        hash(key)
    except TypeError as exc:
        raise StreamUsageError(
            f"the function usage is grouped by returned {short_repr(key)}, which cannot be a key: "
            "let it return a string, a number, None or a tuple of them"
        ) from exc
    return key
