"""Origins of pages, as browsers send them: ``scheme://host``, with a port if it is not the usual.

Guarantees: what no browser could ever send is refused, rather than being kept and never met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Collection

ANY, OPAQUE = "*", "null"
"""Any page; pages without an origin, such as those of files."""


def checked_origins(origins: Collection[str]) -> frozenset[str]:
    """Return ``origins``, each ``"*"``, ``"null"`` or as an ``Origin`` header (RFC 6454, 6.2).

    Raises ``StreamUsageError`` for a single string, and for what is no origin.
    """
    if isinstance(origins, str):
        raise StreamUsageError(f"write allow_origins=[{origins!r}]")
    for origin in origins:
        if origin not in (ANY, OPAQUE):
            _check(origin)
    return frozenset(origins)


def _check(origin: Any) -> None:
    parts = urlsplit(origin) if isinstance(origin, str) else None
    if parts is None or not parts.scheme or not parts.netloc:
        raise StreamUsageError(
            f"allow_origins: {origin!r} is no origin; write it as in 'https://app.example', with"
            " its scheme, and its port if it has one"
        )
    wanted = f"{parts.scheme}://{parts.netloc}".lower()
    if origin != wanted:
        raise StreamUsageError(f"allow_origins: {origin!r} is no origin; write {wanted!r}")
