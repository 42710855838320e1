"""Rule 4: what the pieces of a block join to is what its end says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from langchain_streamkit.events import (
    ReasoningDelta,
    ReasoningFinished,
    TextDelta,
    TextFinished,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallStarted,
)
from langchain_streamkit.grammar.items import Wrong
from langchain_streamkit.text import short_repr
from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.events import Event
    from langchain_streamkit.grammar.items import Item


def check_content(event: Event, item: Item, *, deltas_shown: bool) -> Iterator[Wrong]:
    """Yield what is wrong with an event of the block ``item``; remembers its pieces.

    Without ``deltas_shown`` a view has left out all deltas of this kind, and nothing is compared.
    """
    match event:
        case TextDelta() | ReasoningDelta():
            item.pieces.append(event.text)
        case TextFinished() | ReasoningFinished():
            if deltas_shown and "".join(item.pieces) != event.text:
                yield _unlike(item, event.text)
        case ToolCallDelta():
            item.pieces.append(event.args)
            yield from _same_call(event, item)
        case ToolCallFinished():
            yield from _same_call(event, item)
            if deltas_shown:
                yield from _arguments(event, item)
        case _:
            pass


def _unlike(item: Item, text: str) -> Wrong:
    joined = "".join(item.pieces)
    return Wrong(4, f"deltas of {item} join to {short_repr(joined)}", f"{short_repr(text)}")


def _same_call(event: ToolCallDelta | ToolCallFinished, item: Item) -> Iterator[Wrong]:
    opener = cast("ToolCallStarted", item.opener)  # the checker compares the kinds
    if event.tool_call_id != opener.tool_call_id:
        yield Wrong(4, f"{item} has tool_call_id {event.tool_call_id!r}", repr(opener.tool_call_id))
    if isinstance(event, ToolCallFinished) and event.name != opener.name:
        yield Wrong(4, f"{item} has name {event.name!r}", repr(opener.name))


def _arguments(event: ToolCallFinished, item: Item) -> Iterator[Wrong]:
    joined = "".join(item.pieces)
    if (event.args is None) == (event.invalid is None):
        yield Wrong(4, f"{item} ends with both or neither of args and invalid", "one of them")
    elif event.invalid is not None:
        if joined != event.invalid.text:
            yield _unlike(item, event.invalid.text)
    else:
        try:
            parsed = to_plain(json.loads(joined or "{}", strict=False))
        except ValueError as exc:
            yield Wrong(4, f"arguments of {item} do not parse ({exc})", "JSON, or invalid")
            return
        if parsed != event.args:
            yield Wrong(
                4, f"arguments of {item} parse to {short_repr(parsed)}", short_repr(event.args)
            )
