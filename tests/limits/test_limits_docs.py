"""docs/limits.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.test_project import ROOT

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_code_of_the_limits_page_prints_what_it_shows() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    (_, code), (_, shown) = _FENCE.findall(page)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    # Runs of two users go on at the same time, and may end in either order.
    assert sorted(done.stdout.splitlines()) == sorted(shown.splitlines())
