"""A run as spans of time, from which a plot is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from langchain_streamkit.snapshot.run import RunSnapshot


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of the plot; times in ms since ``run.started``.

    ``end_ms`` of what is still open is the time of the last event. ``first_token_ms`` is that of
    a model call's first chunk, and ``start_ms`` its call's start where that is known.
    """

    name: str
    kind: Literal["run", "graph", "node", "chain", "retriever", "model", "tool"]
    path: tuple[str, ...]
    start_ms: int
    end_ms: int
    first_token_ms: int | None = None
    status: str = "finished"


def run_timeline(run: RunSnapshot) -> list[Span]:
    """Return the spans of ``run``, by start."""
    spans: list[Span] = []
    zero = run.started_ts if run.started_ts is not None else _first_ts(run)
    last = run.last_ts if run.last_ts is not None else zero

    def end(ts: int | None) -> int:
        return (last if ts is None else ts) - zero

    if run.started_ts is not None:
        first = None if run.timing is None else run.timing.first_token_ms
        spans.append(
            Span(
                name=run.name or "run",
                kind="run",
                path=(),
                start_ms=0,
                end_ms=last - zero,
                first_token_ms=first,
                status=run.outcome,
            )
        )
    for step in run.steps:
        status = "failed" if step.error is not None else step.outcome or "open"
        spans.append(
            Span(
                name=step.name,
                kind=step.kind,
                path=step.path,
                start_ms=step.started_ts - zero,
                end_ms=end(step.finished_ts),
                status="finished" if status == "ok" else status,
            )
        )
    for message in run.messages:
        first = message.started_ts - zero
        before = None if message.usage is None else message.usage.first_token_ms
        spans.append(
            Span(
                name=message.model or message.name or message.role,
                kind="model",
                path=message.path,
                start_ms=max(first - (before or 0), 0),
                end_ms=end(message.finished_ts),
                first_token_ms=first,
                status=message.status,
            )
        )
    spans.extend(
        Span(
            name=tool.name,
            kind="tool",
            path=tool.path,
            start_ms=tool.started_ts - zero,
            end_ms=end(tool.finished_ts),
            status=tool.status,
        )
        for tool in run.tool_calls
        if tool.started_ts is not None
    )
    return sorted(spans, key=lambda span: span.start_ms)


def _first_ts(run: RunSnapshot) -> int:
    starts = [step.started_ts for step in run.steps]
    starts += [message.started_ts for message in run.messages]
    starts += [view.started_ts for view in run.tool_calls if view.started_ts is not None]
    return min(starts, default=0)
