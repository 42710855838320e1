"""``python -m scripts.install_ai_sdk`` puts Vercel's AI SDK into this environment.

Versions 5, 6 and 7 of it read what we send them (tests/protocols/ai_sdk). They come from npm, as
``ai5``, ``ai6`` and ``ai7``; a machine that cannot reach npm is told so and goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.install_typescript import npm

FOLDER = Path(sys.prefix) / "ai-sdk"
PACKAGES = {"ai5": "5.0.277", "ai6": "6.0.326", "ai7": "7.0.173"}
COMMAND = "python -m scripts.install_ai_sdk"


def installed() -> bool:
    """Whether all of them are there."""
    return all((FOLDER / "node_modules" / name / "package.json").exists() for name in PACKAGES)


def main() -> None:
    """Install them, unless they are there."""
    if installed():
        return
    options = ["--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel", "error"]
    wanted = [f"{name}@npm:ai@{version}" for name, version in PACKAGES.items()]
    try:
        subprocess.run([*npm(), "install", *options, *wanted, "zod@4"], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"the AI SDK could not be installed ({exc}); its tests are skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
