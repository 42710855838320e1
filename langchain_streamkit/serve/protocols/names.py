"""The names of the protocols that are served."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

ServedProtocol: TypeAlias = Literal["native", "ai-sdk", "ag-ui", "openai-chat", "openai-responses"]
"""``native`` are our own endpoints for runs and threads, and ``/ws``."""
PROTOCOLS: Final[tuple[ServedProtocol, ...]] = get_args(ServedProtocol)
