"""What a server of runs refuses a request with, as an exception of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from langchain_streamkit.errors import (
    ProducerLost,
    ReplayGap,
    RunGone,
    ServerRefused,
    StreamUsageError,
    ThreadBusy,
)
from langchain_streamkit.log.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_streamkit.errors import StreamError


class _Told(msgspec.Struct):
    code: str
    message: str
    oldest: str | None = None
    run_id: str | None = None


class _Body(msgspec.Struct):
    error: _Told


_decode = msgspec.json.Decoder(_Body).decode


def refusal(status: int, body: bytes, headers: Mapping[str, str], where: str) -> StreamError:
    """Return what an answer that is no success says, whoever on the way has written it."""
    try:
        told = _decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = body[:200].decode(errors="replace").strip() or "nothing more"
        told = _Told(code="refused", message=said)
    known = gone(told, where)
    if known is not None:
        return known
    if status == 404:
        if told.code == "not_found":
            return RunGone(f"{where}: {told.message}")
        told.message += "; pass the address that streamkit_router has, its prefix included"
    if told.code == "thread_busy":
        return ThreadBusy(f"{where}: {told.message} ({told.run_id})", run_id=told.run_id)
    return ServerRefused(
        f"{where} answered {status} {told.code}: {told.message}",
        status=status,
        code=told.code,
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def gone_of(data: str, where: str) -> StreamError:
    """Return what a ``gone`` frame says."""
    try:
        told = _decode(data).error
    except msgspec.DecodeError:
        told = _Told(code="run_gone", message="the server says that the run is gone")
    return gone(told, where) or RunGone(f"{where}: {told.message}")


def gone(told: _Told, where: str) -> StreamError | None:
    """Return the exception of a run that cannot be read on."""
    text = f"{where}: {told.message}"
    match told.code:
        case "replay_gap":
            return ReplayGap(text, oldest=_position(told.oldest))
        case "run_gone":
            return RunGone(text)
        case "producer_lost":
            return ProducerLost(text)
        case _:
            return None


def _position(text: str | None) -> Position | None:
    try:
        return None if text is None else Position.parse(text)
    except StreamUsageError:
        return None


def _seconds(text: str | None) -> float | None:
    """A ``Retry-After`` in seconds; a date is not what servers of runs send."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
