"""``python -m scripts.install_langgraph_js`` puts LangGraph's JavaScript client and its React hook
into this environment.

They read what we send them (tests/protocols/langgraph). They come from npm; a machine that cannot
reach npm is told so and goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.install_typescript import npm

FOLDER = Path(sys.prefix) / "langgraph-js"
PACKAGES = {
    "@langchain/langgraph-sdk": "1.15.0",
    "@langchain/core": "1",
    "react": "19",
    "react-dom": "19",
    "react-test-renderer": "19",
}
COMMAND = "python -m scripts.install_langgraph_js"


def installed() -> bool:
    """Whether all of them are there."""
    return all((FOLDER / "node_modules" / name / "package.json").exists() for name in PACKAGES)


def main() -> None:
    """Install them, unless they are there."""
    if installed():
        return
    options = ["--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel", "error"]
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    try:
        subprocess.run([*npm(), "install", *options, *wanted], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(
            f"LangGraph's JavaScript client could not be installed ({exc}); its tests are skipped",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
