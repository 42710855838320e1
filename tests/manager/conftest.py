"""The three stores of the log's tests, with managers in place of logs."""

from __future__ import annotations

from tests.log.conftest import own_redis, place, shared_redis

__all__ = ["own_redis", "place", "shared_redis"]
