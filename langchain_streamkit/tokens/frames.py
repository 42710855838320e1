"""Usage as a pandas DataFrame with typed columns; pandas is imported where one is made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from pandas import DataFrame

    from langchain_streamkit.tokens.cells import Item

_TYPES: Final = {
    **dict.fromkeys(("cost", "tokens_per_second"), "float64"),
    **dict.fromkeys(("late", "retracted"), "bool"),
    **dict.fromkeys(("counted_tokens", "duration_ms", "first_token_ms"), "Int64"),
    **dict.fromkeys(
        (
            *("call_id", "run_id", "message_id", "model", "provider", "path", "node"),
            *("thread_id", "user", "source", "status"),
        ),
        "string",
    ),
    "tags": "object",
}
"""Of columns that are not int64."""


def usage_frame(
    keys: tuple[str, Sequence[Hashable]] | None, names: Sequence[str], items: Sequence[Item]
) -> DataFrame:
    """Return a row for each item: the key, if any, under its name, then the fields ``names``.

    Raises StreamUsageError if pandas is not installed.
    """
    try:
        pandas: Any = import_module("pandas")
    except ImportError as exc:
        raise StreamUsageError(
            "to_pandas() needs pandas, which is not installed: pip install pandas; without it, "
            "to_json() and str(table) have the same numbers"
        ) from exc
    columns: list[Any] = []
    if keys is not None:
        name, groups = keys
        plain = [_joined(group) for group in groups]
        kind = "string" if all(isinstance(text, str | None) for text in plain) else "object"
        columns.append(_column(pandas, name, plain, kind))
    for field in names:
        values: list[Any] = [getattr(item, field) for item in items]
        if field == "path":
            values = [_joined(value) for value in values]
        elif field == "cost":
            values = [None if cost is None else float(cost) for cost in values]
        columns.append(_column(pandas, field, values, _TYPES.get(field, "int64")))
    return cast("DataFrame", pandas.concat(columns, axis=1))


def _column(pandas: Any, name: str, values: Sequence[object], kind: str) -> Any:
    return pandas.Series(list(values), name=name, dtype=kind)


def _joined(value: Hashable) -> Hashable:
    return (
        "/".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else value
    )
