"""``python scripts/vendor_eventsource_parser.py [version]`` fetches eventsource-parser from npm.

Its ESM build becomes one file that a page can import as it is, with the version, the licence and
the checksum of the package in its head. Without a version it is the newest. Needs npm.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

NAME = "eventsource-parser"
TARGET = Path(__file__).parents[1] / f"langchain_streamkit/serve/static/vendor/{NAME}.js"

_MODULES = ("errors.js", "parse.js")  # index.js only exports what these two define
_NOT_OURS = re.compile(r"^(?:import .*|//# sourceMappingURL=.*)\n?", re.MULTILINE)


class Package(NamedTuple):
    """What npm gave: the version, the checksum it promised, and the files by their names."""

    version: str
    integrity: str
    files: dict[str, str]


def fetch(version: str) -> Package:
    """Download the package; a tarball with another checksum than the registry's is refused."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--json", "--silent", f"{NAME}@{version}"]
        done = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
        told = json.loads(done.stdout)
        (about,) = told.values() if isinstance(told, dict) else told
        packed = (Path(folder) / about["filename"]).read_bytes()
    digest = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
    if digest != about["integrity"]:
        raise SystemExit(f"the checksum is {digest}, not {about['integrity']}")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = {
            member.name.removeprefix("package/"): archive.extractfile(member).read().decode()  # type: ignore[union-attr]  # a file
            for member in archive
            if member.isfile()
        }
    return Package(about["version"], digest, files)


def one_file(package: Package) -> str:
    """Return the modules as one, behind a head that says what it is."""
    licence = "\n".join(f" * {line}".rstrip() for line in package.files["LICENSE"].splitlines())
    head = (
        f"/*!\n * {NAME} {package.version}, https://www.npmjs.com/package/{NAME}\n"
        f" * {package.integrity}\n"
        f" * Written by scripts/{Path(__file__).name}; do not edit.\n *\n{licence}\n */\n"
        "// @ts-nocheck\n"
    )
    expected = {"./errors.js"}
    parts: list[str] = []
    for name in _MODULES:
        source = package.files[f"dist/{name}"]
        if more := set(re.findall(r"""from ['"](.*?)['"]""", source)) - expected:
            raise SystemExit(f"dist/{name} imports {more}: add these modules to _MODULES")
        parts.append(_NOT_OURS.sub("", source).strip() + "\n")
    return head + "\n".join(parts)


if __name__ == "__main__":
    package = fetch(sys.argv[1] if len(sys.argv) > 1 else "latest")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(one_file(package), encoding="utf-8")
    print(f"{TARGET.name} is {NAME} {package.version} now")
