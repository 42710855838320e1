"""LangGraph's runs API over the runs of a service, for the clients that LangGraph ships.

Guarantees: those of ``serve/router.py``; whatever a client sends is done, or a 4xx with ``detail``
that says why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from langchain_streamkit.serve.langgraph_answers import answering
from langchain_streamkit.serve.langgraph_state import StateEndpoints

if TYPE_CHECKING:
    from langchain_streamkit.serve.service import RunService


def langgraph_routes(
    service: RunService, *, max_body_bytes: int, heartbeat_s: float, send_timeout_s: float
) -> APIRouter:
    """Return the router of the API, at paths relative to its prefix. The options are those of
    ``streamkit_router``.
    """
    router = APIRouter(tags=["langgraph"])
    states = StateEndpoints(service, max_body_bytes)
    for method, path, endpoint in (
        ("GET", "/threads/{thread_id}/state", states.read),
        ("POST", "/threads/{thread_id}/state", states.write),
        ("POST", "/threads/{thread_id}/state/checkpoint", states.read_checkpoint),
        ("GET", "/threads/{thread_id}/state/{checkpoint_id}", states.read),
        ("POST", "/threads/{thread_id}/history", states.history),
    ):
        router.add_api_route(
            path, answering(endpoint), methods=[method], response_model=None, summary=method
        )
    return router
