"""``python -m scripts.install_langgraph_react`` puts LangGraph's JavaScript client and its hooks
into this environment.

They read what our server sends (tests/protocols/langgraph_v3), under Node.js and, as a React page,
in a browser. They come from npm; a machine that cannot reach npm is told so and goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.install_typescript import npm

FOLDER = Path(sys.prefix) / "langgraph-react"
PACKAGES = {
    "@langchain/langgraph-sdk": "1.15.0",
    "@langchain/react": "1.1.0",
    "@langchain/core": "1",
    "react": "19",
    "react-dom": "19",
    "esbuild": "0.25",
}
COMMAND = "python -m scripts.install_langgraph_react"


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
