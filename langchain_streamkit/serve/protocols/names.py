"""The names of the protocols that are served."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

ServedProtocol: TypeAlias = Literal[
    "native", "ai-sdk", "ag-ui", "openai-chat", "openai-responses", "langgraph"
]
"""``native`` are our own endpoints for runs and threads, and ``/ws``."""
WHERE: Final[dict[ServedProtocol, str]] = {
    "native": "/runs",
    "ai-sdk": "/api/chat",
    "ag-ui": "/ag-ui",
    "openai-chat": "/v1",
    "openai-responses": "/v1",
    "langgraph": "",
}
"""What clients of each are told, after the router's prefix: those of OpenAI and LangGraph know what
follows."""
PROTOCOLS: Final[tuple[ServedProtocol, ...]] = get_args(ServedProtocol)
