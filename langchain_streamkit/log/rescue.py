"""Closing the run of a producer that is gone: by whoever notices, and by one of them only."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

import msgspec

from langchain_streamkit.events import UnknownEventError, decode_event
from langchain_streamkit.log.closing import Closing
from langchain_streamkit.log.contract import Append

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import Info, LogStore

LOGGER = logging.getLogger("langchain_streamkit")
LEASE_MS: Final = 10_000
"""How long closing a run may take before the next one who notices does it."""
_PAGE: Final = 1000


class _Numbered(msgspec.Struct):
    """An event of whatever type, of a newer version too."""

    seq: int


async def rescue(store: LogStore, name: str) -> bool:
    """Close the lapsed run of a stream, with ``run.failed`` of code ``producer_lost``.

    Its producer is fenced first, so that nothing comes after. A finished stream's readers end
    then; a lasting one is idle. Returns False, and has changed nothing, if there is no such run, or
    somebody else is at it.
    """
    owner = secrets.token_hex(16)
    status, info = await store.take_over(name, owner, LEASE_MS)
    if status != "ok" or info is None:
        return False
    closers = await _closers(store, info)
    then: Literal["idle", "finished"] = "idle" if info.lasting else "finished"
    (answer,) = await store.append([Append(name, owner, info.top + 1, closers, then)])
    return answer.status == "ok"


async def _closers(store: LogStore, info: Info) -> list[bytes]:
    """What is to be added; nothing where the run had not begun, or had ended."""
    closing = Closing()
    seq = 0
    at = info.start - 1
    while at < info.top:
        page = await store.read(info.name, at, _PAGE)
        if page is None or not page.entries:
            break
        for number, data in page.entries:
            at = number
            seq = msgspec.json.decode(data, type=_Numbered).seq
            try:
                closing.feed(decode_event(data))
            except UnknownEventError:
                continue
    if not seq:
        return []
    error_id = uuid4().hex
    end = closing.close(seq=seq + 1, ts=int(time.time() * 1000), error_id=error_id)
    if end:
        LOGGER.warning(
            "run %s lost its producer after %d events (error_id %s)",
            info.run_id,
            info.top - info.start + 1,
            error_id,
            extra={"run_id": info.run_id, "error_id": error_id},
        )
    return [event.to_json() for event in end]
