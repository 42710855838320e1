"""Which store of limits a URL means."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.limits.memory import MemoryLimitStore
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from langchain_streamkit.limits.contract import LimitStore

_FORMS: Final = "write url='memory://' or url='redis://localhost:6379/0'"


def open_store(url: object) -> LimitStore:
    """Return the store that a URL names; nothing is connected before it is used.

    Raises ``StreamUsageError`` for what is no such URL, ``StreamError`` if the extra is missing.
    """
    if not isinstance(url, str):
        raise StreamUsageError(f"url={short_repr(url)} is no URL of limits; {_FORMS}")
    parts = urlsplit(url)
    match parts.scheme:
        case "memory":
            if parts.netloc or parts.path.strip("/"):
                raise StreamUsageError(
                    f"url={url!r} names something in memory, where each Limits() counts for itself;"
                    " write url='memory://' and pass the limits around"
                )
            return MemoryLimitStore()
        case "redis" | "rediss" | "unix":
            return _redis(url)
        case _:
            raise StreamUsageError(f"url={short_repr(url)} is no URL of limits; {_FORMS}")


def _redis(url: str) -> LimitStore:
    if any(importlib.util.find_spec(name) is None for name in ("redis", "hiredis")):
        raise StreamError(
            f"url={url!r} needs the extra redis: pip install 'langchain-streamkit[redis]'"
        )
    from langchain_streamkit.limits.redis import RedisLimitStore

    try:
        return RedisLimitStore(url)
    except (ValueError, TypeError) as exc:
        raise StreamUsageError(
            f"url={url!r} is no URL of a Redis server ({exc}); {_FORMS}"
        ) from exc
