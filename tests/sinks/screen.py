"""A terminal's screen, as far as a console sink moves on it (ECMA-48, DEC's margin included)."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|\x1b([D78])|([^\x1b])")


class Screen:
    """``rows`` as someone sees them after all that was ``put``."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._cells = [[" "] * width for _ in range(height)]
        self._row = self._column = 0
        self._at_margin = False
        self._saved = (0, 0, False)
        self.scrolled: list[str] = []

    @property
    def rows(self) -> list[str]:
        """What stands above the screen and on it, without what is blank below."""
        return "\n".join([*self.scrolled, *map(_text, self._cells)]).rstrip().split("\n")

    def put(self, text: str) -> None:
        end = 0
        for match in _TOKEN.finditer(text):
            assert match.start() == end, f"unknown: {text[end : end + 9]!r}"
            end = match.end()
            _, command, escape, sign = match.groups()
            if sign is not None:
                self._sign(sign)
            elif escape is not None:
                self._escape(escape)
            else:
                self._command(command)
        assert end == len(text)

    def _sign(self, sign: str) -> None:
        if sign == "\n":  # as terminals are set: to the first column
            self._column, self._at_margin = 0, False
            self._down()
        elif sign == "\r":
            self._column, self._at_margin = 0, False
        else:
            if self._at_margin:
                self._sign("\n")
            self._cells[self._row][self._column] = sign
            self._at_margin = self._column == self._width - 1
            self._column = min(self._column + 1, self._width - 1)

    def _escape(self, sign: str) -> None:
        if sign == "D":
            self._at_margin = False
            self._down()
        elif sign == "7":
            self._saved = (self._row, self._column, self._at_margin)
        else:
            self._row, self._column, self._at_margin = self._saved

    def _command(self, command: str) -> None:
        if command == "J":
            self._cells[self._row][self._column :] = " " * (self._width - self._column)
            for row in self._cells[self._row + 1 :]:
                row[:] = " " * self._width
        elif command in "AB":
            step = -1 if command == "A" else 1
            self._row = min(max(self._row + step, 0), len(self._cells) - 1)
            self._at_margin = False
        else:
            assert command == "m"

    def _down(self) -> None:
        if self._row < len(self._cells) - 1:
            self._row += 1
            return
        self.scrolled.append(_text(self._cells.pop(0)))
        self._cells.append([" "] * self._width)


def _text(cells: list[str]) -> str:
    return "".join(cells).rstrip()
