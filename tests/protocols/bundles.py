"""React pages made of packages of npm, each one script that a browser runs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from fastapi import Response

from tests.protocols.node import require_npm

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from scripts.npm import NpmSet

PAGE = (
    "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
    "<body><script type=module src=/page.js></script>"
)
"""The page of a script."""


def add_page(app: FastAPI, script: bytes) -> None:
    """Serve a script, and the page that runs it at ``/page``."""

    @app.get("/page")
    async def page() -> Response:
        return Response(PAGE, media_type="text/html")

    @app.get("/page.js")
    async def code() -> Response:
        return Response(script, media_type="text/javascript")


def bundled(packages: NpmSet, source: Path, folder: Path) -> bytes:
    """Return the script of a page with all that it imports; ``folder`` is for files on the way."""
    require_npm(packages)
    made = folder / "page.js"
    subprocess.run(
        [
            packages.modules / "esbuild/bin/esbuild",
            source,
            "--bundle",
            "--format=esm",
            '--define:process.env.NODE_ENV="production"',
            "--log-level=error",
            f"--outfile={made}",
        ],
        check=True,
        env={**os.environ, "NODE_PATH": str(packages.modules)},
    )
    return made.read_bytes()
