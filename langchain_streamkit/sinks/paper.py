"""The paper a console sink writes on: colours or none, a width, an encoding, line breaks.

Guarantees: text of others is written without control characters; what the encoding lacks becomes
``?``; ``line`` always begins on a fresh line and never wraps; a live line is there on a terminal
only, below all that is written, and leaves no trace.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import IO, Literal, TypeAlias

import msgspec

from langchain_streamkit.errors import SinkError

Color: TypeAlias = Literal["auto", "always", "never"]
Style: TypeAlias = Literal["plain", "dim", "bold", "red", "green", "yellow", "cyan"]

_CODES: dict[Style, str] = {
    "dim": "2",
    "bold": "1",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_MARKS = {
    "▶": ">",
    "→": "->",
    "←": "<-",
    "✔": "OK",
    "✘": "FAILED",
    "⏸": "PAUSED",
    "■": "STOPPED",
    "↺": "~",
    "·": "-",
    "…": "...",
}
"""Our own signs, and what stands for them where the encoding lacks them."""

_LONGEST_ID = 16

# ECMA-48 and DEC: a line further down (the screen may scroll), up again; now the place can be kept.
_BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r"
_BACK = "\x1b8"
_ERASE = "\x1b[J"
_TAB = 8

# C0 and C1 but line break and tab, and what turns the direction of a line: a model's text must
# not be able to move the cursor, set a title or rewrite what was shown (CWE-150).
_UNSAFE = {
    code: None
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}


def short(value: object) -> str:
    """Return a value on one line: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return " ".join(text.split())


def short_id(given: str) -> str:
    """Return an id of someone else's making; of a long one its two ends, which tell it apart."""
    return given if len(given) <= _LONGEST_ID else f"{given[:6]}…{given[-6:]}"


class Paper:
    """Writes to ``file``, or to what ``sys.stdout`` is at the time."""

    def __init__(self, file: IO[str] | None, color: Color) -> None:
        self._file = file
        self._color = color
        self._fresh = True
        self._column = 0
        self._pending: list[str] = []
        self._live = ""
        self._drawn = ""

    def text(self, text: str, style: Style = "plain") -> None:
        """Write a piece of streamed text where the last one ended."""
        clean = text.translate(_UNSAFE)
        if clean:
            self._put(clean, style)
            self._fresh = clean.endswith("\n")
            if self._moves():
                self._column = _column_after(clean, self._column, self._width())

    def line(self, text: str, style: Style = "plain") -> None:
        """Write one line of its own, cut to the width."""
        self.end_line()
        clean = text.translate(_UNSAFE)
        encoding = self._encoding()
        if encoding is not None:
            clean = "".join(_legible(sign, encoding) for sign in clean)
        self._put(_cut(clean, self._width()), style)
        self._pending.append("\n")

    def live(self, text: str) -> None:
        """Show this below the text from the next ``flush`` on, in place of what was; ``""``: no
        longer.
        """
        self._live = text if self._moves() else ""

    def end_line(self) -> None:
        """Go to a fresh line, if this one has anything on it."""
        if not self._fresh:
            self._pending.append("\n")
            self._fresh = True
            self._column = 0

    def flush(self) -> None:
        """Hand what was written to the file; raises ``SinkError`` when it takes nothing."""
        text, self._pending = "".join(self._pending), []
        if text or self._live != self._drawn:
            text = self._around(text)
        out, encoding = self._out(), self._encoding()
        if out is None or not text:
            return
        if encoding is not None:
            text = text.encode(encoding, "replace").decode(encoding)
        try:
            out.write(text)
            out.flush()
        except (OSError, ValueError) as exc:  # a closed pipe, a closed file
            raise SinkError(f"could not write the run to {out!r}: {exc}") from exc

    def _around(self, text: str) -> str:
        """Return the text between the end of the old live line and the beginning of the new one."""
        if self._drawn:
            text = f"{_ERASE}{text}"
        width = self._width()
        # at the margin a terminal waits for what comes next, which a move of the cursor would end
        self._drawn = self._live if self._column < width else ""
        if not self._drawn:
            return text
        encoding = self._encoding() or "utf-8"
        shown = _cut("".join(_legible(sign, encoding) for sign in self._drawn), width - 1)
        if self._colored():
            shown = f"\x1b[{_CODES['dim']}m{shown}\x1b[0m"
        return f"{text}{shown}\r" if self._fresh else f"{text}{_BELOW}{shown}{_BACK}"

    def _put(self, text: str, style: Style) -> None:
        code = _CODES.get(style) if self._colored() else None
        self._pending.append(text if code is None else f"\x1b[{code}m{text}\x1b[0m")

    def _out(self) -> IO[str] | None:
        return self._file or sys.stdout

    def _encoding(self) -> str | None:
        return getattr(self._out(), "encoding", None)

    def _colored(self) -> bool:
        if self._color != "auto":
            return self._color == "always"
        # https://no-color.org: set, and not empty
        return self._moves() and not os.environ.get("NO_COLOR")

    def _moves(self) -> bool:
        """Whether the cursor can be moved."""
        return self._terminal() and os.environ.get("TERM") != "dumb"

    def _terminal(self) -> bool:
        out = self._out()
        try:
            return out is not None and out.isatty()
        except ValueError:  # a closed file
            return False

    def _width(self) -> int:
        """The terminal's own width; elsewhere $COLUMNS, or 100."""
        if self._terminal() and (out := self._out()) is not None and not os.environ.get("COLUMNS"):
            try:
                return os.get_terminal_size(out.fileno()).columns or 80
            except (OSError, ValueError):
                pass
        return max(shutil.get_terminal_size((100, 24)).columns, 10)


def _legible(sign: str, encoding: str) -> str:
    if sign in _MARKS:
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            return _MARKS[sign]
    return sign


def _cells(sign: str) -> int:
    """Columns a character takes on a terminal."""
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _column_after(text: str, column: int, width: int) -> int:
    """Return the column in which text ends that begins in this one; ``width`` at the margin."""
    head, _, tail = text.rpartition("\n")
    column = column if len(head) + len(tail) == len(text) else 0
    for sign in tail:
        cells = _TAB - column % _TAB if sign == "\t" else _cells(sign)
        column = cells if column + cells > width else column + cells
    return column


def _cut(text: str, width: int) -> str:
    """Return the beginning that fits, ended by dots when it is not all."""
    widths = [_cells(sign) for sign in text]
    if sum(widths) <= width:
        return text
    used = end = 0
    while used + widths[end] <= width - 3:
        used += widths[end]
        end += 1
    return text[:end] + "..."
