"""docs/log.md: its code runs as it stands."""

from __future__ import annotations

import subprocess
import sys

from tests.pages import fenced, page
from tests.test_project import ROOT


def test_the_code_of_the_log_page_prints_the_whole_run() -> None:
    (code,) = fenced(page("log.md"))
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    printed = done.stdout.splitlines()
    assert printed[0] == "1 run.started"
    assert printed[-1] == f"{len(printed)} run.finished"
