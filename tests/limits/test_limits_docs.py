"""docs/limits.md: its code runs as it stands and prints what it shows."""

from __future__ import annotations

import subprocess
import sys

from tests.pages import fenced, page
from tests.test_project import ROOT


def test_the_code_of_the_limits_page_prints_what_it_shows() -> None:
    (code,), (shown,) = fenced(page("limits.md")), fenced(page("limits.md"), "text")
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    # Runs of two users go on at the same time, and may end in either order.
    assert sorted(done.stdout.splitlines()) == sorted(shown.splitlines())
