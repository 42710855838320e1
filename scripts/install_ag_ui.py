"""``python -m scripts.install_ag_ui`` puts AG-UI's own client into this environment.

It reads what we send it (tests/protocols/ag_ui). It comes from npm; a machine that cannot reach npm
is told so and goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.install_typescript import npm

FOLDER = Path(sys.prefix) / "ag-ui"
PACKAGE = FOLDER / "node_modules" / "@ag-ui" / "client"
VERSION = "1.0.0"
COMMAND = "python -m scripts.install_ag_ui"


def installed() -> bool:
    """Whether it is there."""
    return (PACKAGE / "package.json").exists()


def main() -> None:
    """Install it, unless it is there."""
    if installed():
        return
    options = ["--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel", "error"]
    try:
        subprocess.run([*npm(), "install", *options, f"@ag-ui/client@{VERSION}"], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        said = f"AG-UI's client could not be installed ({exc}); its tests are skipped"
        print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
