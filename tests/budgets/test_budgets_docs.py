"""docs/budgets.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

from tests.test_project import ROOT

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_budgets_page_prints_what_it_shows() -> None:
    page = (ROOT / "docs" / "budgets.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "budgets_page"}
    printed = ""
    blocks = _FENCE.findall(page)
    assert len(blocks) == 6
    for language, text in blocks:
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, "docs/budgets.md", "exec", dont_inherit=True), names)
            printed = out.getvalue()
        else:
            assert printed == text
