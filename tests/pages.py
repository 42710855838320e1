"""The pages of ``docs/`` as tests read them: their code, run as it stands."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

from tests.test_project import ROOT

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """The language and the text of every fenced block."""
    return _FENCE.findall(text)


def fenced(text: str, language: str = "python") -> list[str]:
    return [block for found, block in blocks(text) if found == language]


def run_code(code: str, name: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a block of the page ``name`` after those that made ``names``; returns all names."""
    names = {"__name__": "page"} if names is None else names
    exec(compile(code, f"docs/{name}", "exec", dont_inherit=True), names)
    return names


def shown_and_printed(name: str) -> list[tuple[str, str]]:
    """Each block of the page that is no code, and what the code before it printed.

    The python blocks run in their order, in one namespace.
    """
    found: list[tuple[str, str]] = []
    names = run_code("", name)
    printed = ""
    for language, text in blocks(page(name)):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                run_code(text, name, names)
            printed = out.getvalue()
        else:
            found.append((text, printed))
    return found
