"""The JavaScript client, as files of the router."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.staticfiles import StaticFiles

from langchain_streamkit.serve.refusals import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER: Final = Path(__file__).parent / "static"
_FOLDERS: Final = frozenset({"client", "vendor"})
_files = StaticFiles(directory=FOLDER)


async def client_file(request: Request) -> Response:
    """Return ``streamkit.js`` or a module it imports. Raises ``Refusal`` for other files."""
    path = request.path_params["path"]
    first, _, rest = path.partition("/")
    if path != "streamkit.js" and not (first in _FOLDERS and rest.endswith(".js")):
        raise Refusal(404, "not_found", "there is no such file; streamkit.js is one")
    response = await _files.get_response(path, request.scope)
    response.headers["cache-control"] = "no-cache"  # asked for again: its name has no version
    return response
