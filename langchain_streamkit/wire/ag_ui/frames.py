"""AG-UI's events as bytes: frames of server-sent events that end with two LF and nothing else.

Guarantees: a frame is one ``data:`` line, as the clients split at LF LF; half surrogates of ids and
names become U+FFFD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

_encode = msgspec.json.Encoder().encode
_END: Final = b"}\n\n"


def to_json(value: Any) -> bytes:
    """Return one line of JSON."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(to_plain(value))


def frame(told: dict[str, Any]) -> bytes:
    """Return the frame of one event."""
    return b"data: %b\n\n" % to_json(told)


class Piece:
    """The frames of the pieces of one open block: only the text is encoded for each.

    ``told`` is their event without ``delta``; ``keep`` is given each text.
    """

    __slots__ = ("_head", "_keep")

    def __init__(self, told: dict[str, Any], keep: Callable[[str], object]) -> None:
        self._head = b'data: %b,"delta":' % to_json(told)[:-1]
        self._keep = keep

    def frame(self, text: str) -> bytes:
        """Return the frame of one piece."""
        self._keep(text)
        return self._head + to_json(text) + _END

    def of_text(self) -> Callable[[int, int, str, int | None], bytes]:
        """Return what makes the frames of pieces; see ``TextEncoder``."""
        head, keep = self._head, self._keep

        def frame(_seq: int, _ts: int, text: str, _tokens: int | None) -> bytes:
            keep(text)
            return head + _encode(text) + _END

        return frame
