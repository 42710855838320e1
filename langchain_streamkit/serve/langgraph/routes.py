"""LangGraph's runs API over the runs of a service, for the clients that LangGraph ships.

Guarantees: those of ``serve/router.py``; whatever a client sends is done, or a 4xx with ``detail``
that says why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from langchain_streamkit.serve.answering import answering
from langchain_streamkit.serve.langgraph.answers import refused
from langchain_streamkit.serve.langgraph.assistants import AssistantEndpoints
from langchain_streamkit.serve.langgraph.runs import RunEndpoints
from langchain_streamkit.serve.langgraph.state import StateEndpoints
from langchain_streamkit.serve.langgraph.threads import ThreadEndpoints

if TYPE_CHECKING:
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings


def langgraph_routes(service: RunService, settings: ServeSettings) -> APIRouter:
    """Return the router of the API, at paths relative to its prefix."""
    router = APIRouter(tags=["langgraph"])
    assistants = AssistantEndpoints(service, settings.max_body_bytes)
    threads = ThreadEndpoints(service, settings.max_body_bytes)
    states = StateEndpoints(service, settings.max_body_bytes)
    runs = RunEndpoints(service, settings)
    for method, path, endpoint in (
        ("GET", "/info", assistants.info),
        ("GET", "/ok", assistants.ok),
        ("POST", "/assistants/search", assistants.search),
        ("GET", "/assistants/{assistant_id}", assistants.get),
        ("GET", "/assistants/{assistant_id}/graph", assistants.graph),
        ("GET", "/assistants/{assistant_id}/schemas", assistants.schemas),
        ("POST", "/threads", threads.create),
        ("POST", "/threads/search", threads.search),
        ("GET", "/threads/{thread_id}", threads.get),
        ("DELETE", "/threads/{thread_id}", threads.delete),
        ("GET", "/threads/{thread_id}/state", states.read),
        ("POST", "/threads/{thread_id}/state", states.write),
        ("POST", "/threads/{thread_id}/state/checkpoint", states.read_checkpoint),
        ("GET", "/threads/{thread_id}/state/{checkpoint_id}", states.read),
        ("POST", "/threads/{thread_id}/history", states.history),
        ("POST", "/threads/{thread_id}/runs", runs.create),
        ("GET", "/threads/{thread_id}/runs", runs.every),
        ("POST", "/threads/{thread_id}/runs/stream", runs.stream),
        ("POST", "/threads/{thread_id}/runs/wait", runs.wait),
        ("GET", "/threads/{thread_id}/runs/{run_id}", runs.get),
        ("GET", "/threads/{thread_id}/runs/{run_id}/stream", runs.join_stream),
        ("GET", "/threads/{thread_id}/runs/{run_id}/join", runs.join),
        ("POST", "/threads/{thread_id}/runs/{run_id}/cancel", runs.cancel),
        ("POST", "/runs/stream", runs.stream),
        ("POST", "/runs/wait", runs.wait),
        ("GET", "/runs/{run_id}/stream", runs.join_stream),
    ):
        answer = answering(endpoint, refused)
        router.add_api_route(path, answer, methods=[method], response_model=None, summary=method)
    return router
