"""By which names a server may be called: no page may reach it by a name of its own that leads here
(DNS rebinding).

Guarantees: whoever calls it by another name gets the form of all refusals, which says how that name
is let in; nothing behind this sees the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from langchain_streamkit.serve.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]", "::1")
_NAME: Final = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
"""What can be the name of a server; https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2."""


class AllowedHosts:
    """Lets requests in that call the server by one of ``names``: ``*`` is any, ``*.example`` what
    ends so. ``remedy(name)`` says what lets a name in; it is asked only for what can be one.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], remedy: Callable[[str], str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._ends = tuple(name[1:] for name in self._names if name.startswith("*."))
        self._remedy = remedy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it."""
        if scope["type"] in {"http", "websocket"}:
            name = _name(Headers(scope=scope).get("host", ""))
            if not ("*" in self._names or name in self._names or name.endswith(self._ends)):
                await self._refused(name).response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refused(self, name: str) -> Refusal:
        if not _NAME.fullmatch(name):
            return Refusal(400, "foreign_host", "the Host header is no name of a server")
        said = f"this server does not answer to the name {name!r}: {self._remedy(name)}"
        return Refusal(400, "foreign_host", said)


def _name(host: str) -> str:
    """Return a ``Host`` without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
