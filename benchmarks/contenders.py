"""Who serves streams of server-sent events, by name."""

from __future__ import annotations

from typing import Final

BARE: Final = "bare"
SSE_STARLETTE: Final = "sse-starlette"
NATIVE: Final = "native"
RUN: Final = "run"
LOGGED: Final = "logged"
ONE_RUN: Final = "one run"
CONTENDERS: Final = (BARE, SSE_STARLETTE, NATIVE, RUN, LOGGED, ONE_RUN)
