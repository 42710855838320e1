"""docs/clocks.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re

from tests.test_project import ROOT

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_clocks_page_prints_what_it_shows() -> None:
    page = (ROOT / "docs" / "clocks.md").read_text(encoding="utf-8")
    (language, code), (_, shown) = _FENCE.findall(page)
    assert language == "python"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/clocks.md", "exec", dont_inherit=True), {"__name__": "clocks"})
    assert out.getvalue() == shown
