"""Usage as a table: plain text, HTML in a notebook, a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from langchain_streamkit.amounts import places_for
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.cells import (
    AMOUNTS,
    Item,
    cell,
    count,
    key_text,
    one_line,
    width,
)
from langchain_streamkit.tokens.frames import usage_frame
from langchain_streamkit.tokens.records import UsageRecord
from langchain_streamkit.tokens.totals import GroupKey, UsageTotal, grouped, nearest, total_of

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_ROWS: Final = 200
"""Rows that are shown; the total is of all."""

_TITLES: Final = {
    "input_tokens": "input",
    "output_tokens": "output",
    "total_tokens": "total",
    "counted_tokens": "counted",
    "cache_creation": "cache write",
    "thread_id": "thread",
    "user": "user",
    "started_ms": "started (UTC)",
    "duration_ms": "ms",
    "first_token_ms": "first ms",
    "tokens_per_second": "tokens/s",
}
"""Of columns that are not called as their fields are."""
_DETAILS: Final = ("cache_read", "cache_creation", "reasoning", "audio")
_SUMS: Final = frozenset(
    {*AMOUNTS, *_DETAILS, "calls", "unpriced", "estimated", "counted", "unreported"},
)
_NUMBERS: Final = _SUMS | {
    "attempt",
    "counted_tokens",
    "duration_ms",
    "first_token_ms",
    "tokens_per_second",
}
_OF_RECORDS: Final = {
    "model": True,
    "node": False,
    "attempt": False,
    "input_tokens": True,
    "output_tokens": True,
    **dict.fromkeys(_DETAILS, False),
    "cost": True,
    "first_token_ms": False,
    "duration_ms": False,
    "status": False,
    "late": False,
    "retracted": False,
}
"""Columns that are shown if nobody asks for others: always, or where they say something."""
_OF_GROUPS: Final = {
    "calls": True,
    "input_tokens": True,
    "output_tokens": True,
    "total_tokens": True,
    **dict.fromkeys(_DETAILS, False),
    "cost": True,
    "status": False,
}
_USUAL: Final = (None, 0, False, "ok")
_USUAL_ATTEMPT: Final = 1
_LINE: Final = "1px solid rgba(127,127,127,.4)"  # half-transparent: on light and dark notebooks
_CELL: Final = "padding:2px 10px;text-align:{align};white-space:nowrap"


class _Row(NamedTuple):
    key: Hashable
    item: Item


class _Layout(NamedTuple):
    """What is shown, as text: one string for each column."""

    titles: list[str]
    right: list[bool]
    rows: list[list[str]]
    total: list[str]
    notes: list[str]


class UsageTable:
    """A table of calls, or of groups of calls, with a line for the total of all.

    ``str()`` is plain text, aligned on a terminal; notebooks show it as an HTML table in their own
    colours. What nobody told is ``-``; ``~`` stands before estimates; notes below say how many
    calls either concerns, and how many have no known price. The first 200 rows are shown.
    ``to_pandas()`` gives all rows as numbers. The table is of its moment: what is added to the
    ledger later does not change it. Raises StreamUsageError for a group or a column that is none.
    """

    def __init__(
        self,
        records: Sequence[UsageRecord],
        by: GroupKey | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self._by: str | None = None
        self._fields = UsageRecord.__struct_fields__
        self._rows = [_Row(None, record) for record in records]
        if by is not None:
            groups = grouped(records, by)
            self._rows = [_Row(key, total_of(members)) for key, members in groups.items()]
            # by source or status, the group is the column
            self._fields = tuple(n for n in UsageTotal.__struct_fields__ if n != by)
            self._by = _title(by)
        self._total = total_of(records)
        self._asked = None if columns is None else self._checked(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that are shown, after the group's key."""
        if self._asked is not None:
            return self._asked
        usual = _OF_RECORDS if self._by is None else _OF_GROUPS
        return tuple(
            name
            for name, always in usual.items()
            if name in self._fields and (always or self._says(name))
        )

    def to_pandas(self) -> DataFrame:
        """Return all rows as a DataFrame: the columns asked for, or else every field.

        Costs are float64 for plotting, NaN where unknown (the exact ones are in the records);
        what may be unknown of the other numbers is Int64 or float64; paths are ``a/b``. Tokens of
        calls whose ``source`` is ``none`` are 0. Grouped, the first column is the group's key.
        Raises StreamUsageError if pandas is not installed.
        """
        keys = None if self._by is None else (self._by, [row.key for row in self._rows])
        return usage_frame(keys, self._asked or self._fields, [row.item for row in self._rows])

    def __str__(self) -> str:
        layout = self._layout()
        if not layout.rows:
            return "no model calls"
        lines = [layout.titles, *layout.rows, layout.total]
        widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
        rule = "  ".join("-" * size for size in widths)

        def line(texts: list[str]) -> str:
            cells: list[str] = []
            for text, size, right in zip(texts, widths, layout.right, strict=True):
                blanks = " " * (size - width(text))
                cells.append(blanks + text if right else text + blanks)
            return "  ".join(cells).rstrip()

        body = [line(row) for row in layout.rows]
        return "\n".join(
            [line(layout.titles), rule, *body, rule, line(layout.total), *layout.notes]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the table for a page or notebook, whose colours it takes; all text is escaped."""
        layout = self._layout()
        if not layout.rows:
            return "<div>no model calls</div>"

        def line(texts: list[str], tag: str, border: str) -> str:
            cells = [
                f'<{tag} style="{_CELL.format(align="right" if right else "left")}{border}">'
                f"{escape(text)}</{tag}>"
                for text, right in zip(texts, layout.right, strict=True)
            ]
            return f"<tr>{''.join(cells)}</tr>"

        head = line(layout.titles, "th", f";border-bottom:{_LINE}")
        body = "".join(line(row, "td", "") for row in layout.rows)
        foot = line(layout.total, "th", f";border-top:{_LINE}")
        notes = "".join(
            f'<div style="opacity:.75;font-size:90%">{escape(note)}</div>' for note in layout.notes
        )
        return (
            '<div><table style="border-collapse:collapse">'
            f"<thead>{head}</thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>{notes}</div>"
        )

    def _checked(self, columns: Sequence[str]) -> tuple[str, ...]:
        if isinstance(columns, str):
            raise StreamUsageError(f"columns={columns!r} is a string; write columns=[{columns!r}]")
        for name in cast("Sequence[object]", columns):
            if name not in self._fields:
                rows = "calls" if self._by is None else "groups"
                raise StreamUsageError(
                    f"a table of {rows} has no column {short_repr(name)}: "
                    f"{nearest(name, self._fields)}"
                )
        if not columns:
            raise StreamUsageError("columns is empty; leave it out for those that say something")
        return tuple(dict.fromkeys(columns))

    def _says(self, name: str) -> bool:
        usual = (_USUAL_ATTEMPT,) if name == "attempt" else _USUAL
        return any(getattr(row.item, name) not in usual for row in self._rows)

    def _layout(self) -> _Layout:
        names = self.columns
        shown = self._rows[:MAX_ROWS]
        items = [row.item for row in shown]
        places = places_for([*(item.cost for item in items), self._total.cost])
        rows = [[cell(name, item, places) for name in names] for item in items]
        total = [cell(name, self._total, places) if name in _SUMS else "" for name in names]
        titles = [_TITLES.get(name, name.replace("_", " ")) for name in names]
        right = [name in _NUMBERS for name in names]
        if self._by is not None:
            titles.insert(0, self._by)
            right.insert(0, False)
            total.insert(0, "")
            for row, texts in zip(shown, rows, strict=True):
                texts.insert(0, key_text(row.key))
        total[0] = total[0] or "total"
        return _Layout(titles, right, rows, total, self._notes(names))

    def _notes(self, names: tuple[str, ...]) -> list[str]:
        total, notes = self._total, list[str]()
        if len(self._rows) > MAX_ROWS:
            more = count(len(self._rows) - MAX_ROWS, "more row")
            notes.append(f"{more}: to_pandas() has all")
        if self._by == "tag" and sum(cast("UsageTotal", r.item).calls for r in self._rows) > (
            total.calls
        ):
            notes.append("a call counts under each of its tags, and once in the total")
        if total.estimated and not AMOUNTS.isdisjoint(names):
            notes.append(f"~ {count(total.estimated, 'call')} with estimated tokens")
        if total.counted and not AMOUNTS.isdisjoint({*names} - {"output_tokens"}):
            notes.append(f"~ {count(total.counted, 'call')} with an estimated prompt")
        if total.unreported and not AMOUNTS.isdisjoint(names):
            notes.append(f"{count(total.unreported, 'call')} without reported tokens")
        if total.unpriced and "cost" in names:
            notes.append(f"{count(total.unpriced, 'call')} without a known price")
        return notes


def _title(by: GroupKey) -> str:
    """What the groups are called: a function's name, if it has one that no other column has."""
    name = by if isinstance(by, str) else getattr(by, "__name__", "<none>")
    taken = name in UsageTotal.__struct_fields__ and not isinstance(by, str)
    return "group" if taken or name.startswith("<") else one_line(name)
