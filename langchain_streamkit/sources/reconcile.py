"""What the final message has that was not streamed.

Guarantees: text that was streamed in part is completed if the final text begins with it; where the
two differ nothing is added, what was streamed stands; a call of the final message that was streamed
only lends what the stream left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from langchain_streamkit.sources.parts import type_of
from langchain_streamkit.sources.piece_types import (
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    WholeBlock,
)
from langchain_streamkit.values import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_streamkit.sources.calls import Call, Calls

ContentPiece: TypeAlias = TextPiece | ReasoningPiece | ToolPiece | WholeBlock
_P = TypeVar("_P", TextPiece, ReasoningPiece)


def missing(
    final: list[ContentPiece],
    text: str,
    reasoning: str,
    calls: Calls,
    whole: Counter[str],
) -> list[tuple[Call | None, ContentPiece]]:
    """Return the pieces still to be fed, in the final message's order, the streamed call with
    those that belong to one.

    ``text`` and ``reasoning`` are what was streamed, ``whole`` counts streamed blocks by type.
    """
    texts = _rest(text, [p for p in final if isinstance(p, TextPiece)])
    thoughts = _rest(reasoning, [p for p in final if isinstance(p, ReasoningPiece)])
    matches = iter(calls.match([p for p in final if isinstance(p, ToolPiece)]))
    streamed = bool(calls.all)
    left = whole.copy()
    found: list[tuple[Call | None, ContentPiece]] = []
    for piece in final:
        if isinstance(piece, TextPiece):
            found += [(None, rest) for rest in next(texts)]
        elif isinstance(piece, ReasoningPiece):
            found += [(None, rest) for rest in next(thoughts)]
        elif isinstance(piece, ToolPiece):
            call = next(matches)
            if call is not None:
                found.append((call, _lacking(call, piece)))
            elif piece.name or not streamed:
                # What LangChain cannot join it leaves as a call without a name
                found.append((None, piece))
        elif left[kind := type_of(piece.block)]:
            left[kind] -= 1
        else:
            found.append((None, piece))
    return found


def _rest(streamed: str, finals: list[_P]) -> Iterator[tuple[_P, ...]]:
    """Yield for each final piece what of it (one piece or none) was not streamed yet.

    A piece streamed in part has no key, so that it continues the block that is open.
    """
    left = len(streamed)
    if left and not clean_text("".join([piece.text for piece in finals])).startswith(streamed):
        for _ in finals:
            yield ()
        return
    for piece in finals:
        text = clean_text(piece.text)
        if not left and (text or not streamed):
            yield (piece,)
        elif left < len(text):
            yield (piece._replace(key=None, text=text[left:]),)
            left = 0
        else:
            yield ()
            left -= len(text)


def _lacking(call: Call, final: ToolPiece) -> ToolPiece:
    name = final.name or ""
    rest_of_name = name[len(call.name or "") :] if name.startswith(call.name or "") else ""
    return ToolPiece(
        None,
        None if call.id else final.id,
        rest_of_name or None,
        None if call.has_args or not final.args else final.args,
        None if call.extras else final.extras,
    )
