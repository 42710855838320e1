"""``python -m scripts.openai_cli`` puts OpenAI's command line beside this environment.

Its package had one up to the version named here; that goes into a folder of its own, and what it
needs is taken from the environment. A machine that cannot reach PyPI is told so and goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSION = "1.109.1"
FOLDER = Path(sys.prefix) / "openai-cli"
"""To be on the ``PYTHONPATH`` of ``python -m openai``."""
COMMAND = "python -m scripts.openai_cli"


def installed() -> bool:
    """Whether it is there, in this version."""
    return (FOLDER / f"openai-{VERSION}.dist-info").exists()


def main() -> None:
    """Install it, unless it is there."""
    if installed():
        return
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]
    wanted = ["--target", str(FOLDER), f"openai=={VERSION}"]
    try:
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *wanted], check=True)
    except subprocess.CalledProcessError as exc:
        print(f"OpenAI's command line could not be installed ({exc})", file=sys.stderr)


if __name__ == "__main__":
    main()
