"""Which log a URL means."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from langchain_streamkit.errors import StreamError, StreamUsageError
from langchain_streamkit.log.event_log import KEEP, LEASE_S, TTL_S, EventLog
from langchain_streamkit.log.memory import MemoryStore
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import LogStore

_FORMS: Final = (
    "write 'memory://', 'sqlite:///runs.db' (three slashes and a path, four if it is absolute)"
    " or 'redis://localhost:6379/0'"
)


def open_log(
    url: str = "memory://", *, lease_s: float = LEASE_S, ttl_s: float = TTL_S, keep: int = KEEP
) -> EventLog:
    """Return the log that a URL names; nothing is connected or made before it is used.

    ``memory://``: in this process, until the log is dropped. ``sqlite:///file``: a file, made if it
    is not there, for all processes of this host. ``redis://host:port/db`` (``rediss://`` with TLS,
    ``unix://path``): a Redis server, for everybody who reaches it; needs the extra ``redis``.

    ``lease_s``, ``ttl_s`` and ``keep`` are those of ``EventLog``. Raises ``StreamUsageError`` for
    anything else, and ``StreamError`` if the extra is missing.
    """
    return EventLog(_store(url), lease_s=lease_s, ttl_s=ttl_s, keep=keep)


def _store(url: object) -> LogStore:
    if not isinstance(url, str):
        raise StreamUsageError(f"{short_repr(url)} is no URL of a log; {_FORMS}")
    parts = urlsplit(url)
    match parts.scheme:
        case "memory":
            if parts.netloc or parts.path.strip("/"):
                raise StreamUsageError(
                    f"{url!r} names something in memory, where there is one log for each"
                    " open_log(); write 'memory://' and pass the log around"
                )
            return MemoryStore()
        case "sqlite":
            return _sqlite(url, parts.netloc, unquote(parts.path))
        case "redis" | "rediss" | "unix":
            return _redis(url)
        case _:
            raise StreamUsageError(f"{url!r} is no URL of a log; {_FORMS}")


def _sqlite(url: str, host: str, path: str) -> LogStore:
    from langchain_streamkit.log.sqlite import SQLiteStore

    file = path.removeprefix("/")
    if host:
        raise StreamUsageError(
            f"{url!r} names a host, {host!r}, where a log in a file has none; write"
            f" 'sqlite:///{host}{path}' for a file beside the program"
        )
    if file == ":memory:":
        raise StreamUsageError(f"{url!r} keeps nothing in a file; write 'memory://'")
    if not file or file.endswith("/"):
        raise StreamUsageError(f"{url!r} names no file; write 'sqlite:///runs.db'")
    return SQLiteStore(file)


def _redis(url: str) -> LogStore:
    if any(importlib.util.find_spec(name) is None for name in ("redis", "hiredis")):
        raise StreamError(
            f"{url!r} needs the extra redis: pip install 'langchain-streamkit[redis]'"
        )
    from langchain_streamkit.log.redis import RedisStore

    try:
        return RedisStore(url)
    except (ValueError, TypeError) as exc:
        raise StreamUsageError(f"{url!r} is no URL of a Redis server ({exc}); {_FORMS}") from exc
