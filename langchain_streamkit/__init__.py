"""One typed, ordered, complete event stream from any LangChain runnable or LangGraph graph.

Everything named here is public and imported on first use, so that ``import langchain_streamkit``
costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_streamkit.adapting import adapt as adapt
    from langchain_streamkit.api import astream as astream
    from langchain_streamkit.api import stream as stream
    from langchain_streamkit.client.connecting import RemoteRun as RemoteRun
    from langchain_streamkit.client.connecting import connect as connect
    from langchain_streamkit.errors import AdaptError as AdaptError
    from langchain_streamkit.errors import BudgetExceeded as BudgetExceeded
    from langchain_streamkit.errors import Fenced as Fenced
    from langchain_streamkit.errors import InvalidOutput as InvalidOutput
    from langchain_streamkit.errors import LimitExceeded as LimitExceeded
    from langchain_streamkit.errors import LimitsUnavailable as LimitsUnavailable
    from langchain_streamkit.errors import LogUnavailable as LogUnavailable
    from langchain_streamkit.errors import NotOwner as NotOwner
    from langchain_streamkit.errors import ProducerLost as ProducerLost
    from langchain_streamkit.errors import ReaderOverflow as ReaderOverflow
    from langchain_streamkit.errors import RemoteFailed as RemoteFailed
    from langchain_streamkit.errors import ReplayGap as ReplayGap
    from langchain_streamkit.errors import RunCancelled as RunCancelled
    from langchain_streamkit.errors import RunGone as RunGone
    from langchain_streamkit.errors import RunTimeout as RunTimeout
    from langchain_streamkit.errors import ServerRefused as ServerRefused
    from langchain_streamkit.errors import ServerUnreachable as ServerUnreachable
    from langchain_streamkit.errors import ShuttingDown as ShuttingDown
    from langchain_streamkit.errors import SinkError as SinkError
    from langchain_streamkit.errors import StreamError as StreamError
    from langchain_streamkit.errors import StreamUsageError as StreamUsageError
    from langchain_streamkit.errors import ThreadBusy as ThreadBusy
    from langchain_streamkit.events import Event as Event
    from langchain_streamkit.events import decode_event as decode_event
    from langchain_streamkit.grammar import check_stream as check_stream
    from langchain_streamkit.handler import StreamCallbackHandler as StreamCallbackHandler
    from langchain_streamkit.jsonl import read_jsonl as read_jsonl
    from langchain_streamkit.limits.user_limits import Limits as Limits
    from langchain_streamkit.manager.run_manager import RunManager as RunManager
    from langchain_streamkit.runnable import with_sinks as with_sinks
    from langchain_streamkit.runs.async_run import AsyncRun as AsyncRun
    from langchain_streamkit.runs.sync_run import Run as Run
    from langchain_streamkit.runs.timeout import Timeout as Timeout
    from langchain_streamkit.runs.usage_ledger import UsageLedger as UsageLedger
    from langchain_streamkit.serve.protocols.respond import respond as respond
    from langchain_streamkit.serve.router import streamkit_router as streamkit_router
    from langchain_streamkit.serve.sse_response import SSEResponse as SSEResponse
    from langchain_streamkit.serve.websocket import WebSocketSession as WebSocketSession
    from langchain_streamkit.sinks.callback import CallbackSink as CallbackSink
    from langchain_streamkit.sinks.console import ConsoleSink as ConsoleSink
    from langchain_streamkit.sinks.jsonl import JSONLSink as JSONLSink
    from langchain_streamkit.sinks.queue import QueueSink as QueueSink
    from langchain_streamkit.snapshot import RunSnapshot as RunSnapshot
    from langchain_streamkit.tokens.budget import Budget as Budget
    from langchain_streamkit.tokens.counter import TokenCounter as TokenCounter
    from langchain_streamkit.tokens.prompt import count_prompt as count_prompt
    from langchain_streamkit.tokens.quota import Quota as Quota
    from langchain_streamkit.wire.byte_stream import sse_bytes as sse_bytes

__version__ = "0.1.0"

_HOMES = {
    "adapt": "adapting",
    "astream": "api",
    "stream": "api",
    "connect": "client.connecting",
    "RemoteRun": "client.connecting",
    "AdaptError": "errors",
    "BudgetExceeded": "errors",
    "Fenced": "errors",
    "InvalidOutput": "errors",
    "LimitExceeded": "errors",
    "LimitsUnavailable": "errors",
    "LogUnavailable": "errors",
    "ProducerLost": "errors",
    "ReaderOverflow": "errors",
    "RemoteFailed": "errors",
    "ReplayGap": "errors",
    "RunCancelled": "errors",
    "NotOwner": "errors",
    "RunGone": "errors",
    "ServerRefused": "errors",
    "ServerUnreachable": "errors",
    "ShuttingDown": "errors",
    "ThreadBusy": "errors",
    "RunManager": "manager.run_manager",
    "RunTimeout": "errors",
    "SinkError": "errors",
    "StreamError": "errors",
    "StreamUsageError": "errors",
    "Event": "events",
    "decode_event": "events",
    "check_stream": "grammar",
    "StreamCallbackHandler": "handler",
    "read_jsonl": "jsonl",
    "Limits": "limits.user_limits",
    "with_sinks": "runnable",
    "AsyncRun": "runs.async_run",
    "Run": "runs.sync_run",
    "Timeout": "runs.timeout",
    "UsageLedger": "runs.usage_ledger",
    "SSEResponse": "serve.sse_response",
    "respond": "serve.protocols.respond",
    "streamkit_router": "serve.router",
    "WebSocketSession": "serve.websocket",
    "CallbackSink": "sinks.callback",
    "ConsoleSink": "sinks.console",
    "JSONLSink": "sinks.jsonl",
    "QueueSink": "sinks.queue",
    "RunSnapshot": "snapshot",
    "Budget": "tokens.budget",
    "TokenCounter": "tokens.counter",
    "count_prompt": "tokens.prompt",
    "Quota": "tokens.quota",
    "sse_bytes": "wire.byte_stream",
}

# Without SSEResponse, which needs the serve extra to be imported: `import *` works without it.
__all__ = [
    "AdaptError",
    "AsyncRun",
    "Budget",
    "BudgetExceeded",
    "CallbackSink",
    "ConsoleSink",
    "Event",
    "Fenced",
    "InvalidOutput",
    "JSONLSink",
    "LimitExceeded",
    "Limits",
    "LimitsUnavailable",
    "LogUnavailable",
    "NotOwner",
    "ProducerLost",
    "QueueSink",
    "Quota",
    "ReaderOverflow",
    "RemoteFailed",
    "RemoteRun",
    "ReplayGap",
    "Run",
    "RunCancelled",
    "RunGone",
    "RunManager",
    "RunSnapshot",
    "RunTimeout",
    "ServerRefused",
    "ServerUnreachable",
    "ShuttingDown",
    "SinkError",
    "StreamCallbackHandler",
    "StreamError",
    "StreamUsageError",
    "ThreadBusy",
    "Timeout",
    "TokenCounter",
    "UsageLedger",
    "WebSocketSession",
    "__version__",
    "adapt",
    "astream",
    "check_stream",
    "connect",
    "count_prompt",
    "decode_event",
    "read_jsonl",
    "sse_bytes",
    "stream",
    "with_sinks",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*_HOMES, "__version__"]
