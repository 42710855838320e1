"""Interrupts of a run, and what a user of the AI SDK answers to them.

An interrupt is told as ``data-interrupt`` and asked as a tool part, in one of two ways.

* Clients from 6 on are asked for approval: of the tool that waits for the answer, of each tool
  call that LangChain's ``HumanInTheLoopMiddleware`` asks about, else of a tool ``interrupt``.
* Others get the tool ``interrupt``, whose output, set by ``addToolOutput``, is the answer.

Clients send answers on when no tool of the last step is left open; so a part that can be answered
is never in a step with one that cannot.

The id of the tool ``interrupt`` is that of the interrupt, with ``#2`` … behind it where the message
has a part of that id (a task's second interrupt has the id of its first); that of an approval is
the interrupt's, with ``/<number>/<count>`` behind it where the middleware asks about calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.wire.ai_sdk.continuing import numbered, unnumbered

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from langchain_streamkit.events import InterruptInfo
    from langchain_streamkit.wire.ai_sdk.tools import Call, ToolParts

    Chunk = dict[str, Any]

_ONE_OF_SEVERAL: Final = re.compile(r"(.+)/([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
TOOL: Final = "interrupt"
"""The name of the tool that stands for an interrupt, and the type of its data part."""


def data_part(interrupt: InterruptInfo) -> Chunk:
    """Return the part that tells of an interrupt."""
    data: Chunk = {"interruptId": interrupt.interrupt_id, "payload": interrupt.payload}
    if interrupt.tool_call_id is not None:
        data["toolCallId"] = interrupt.tool_call_id
    if interrupt.response_schema is not None:
        data["responseSchema"] = interrupt.response_schema
    return {"type": "data-interrupt", "id": interrupt.interrupt_id, "data": data}


def questions(
    interrupts: Iterable[InterruptInfo], taken: Container[str], *, approve: bool
) -> list[Chunk]:
    """Return the tool parts that ask for any answer, or for approval.

    Under other ids than those ``taken``.
    """
    chunks: list[Chunk] = []
    for interrupt in interrupts:
        for name, asked in _asked(interrupt, one_by_one=approve):
            part_id = numbered(name, taken)
            chunks.append(
                {
                    "type": "tool-input-available",
                    "toolCallId": part_id,
                    "toolName": TOOL,
                    "input": asked,
                }
            )
            if approve:
                chunks.append(_approval(name, part_id))
    return chunks


def _asked(interrupt: InterruptInfo, *, one_by_one: bool) -> Iterator[tuple[str, Any]]:
    """What an interrupt asks, by approval id: the calls that the middleware asks about, if any."""
    requests = _requests(interrupt.payload) if one_by_one else None
    if not requests:
        yield interrupt.interrupt_id, interrupt.payload
        return
    for number, request in enumerate(requests, 1):
        yield _one_of(interrupt.interrupt_id, number, len(requests)), request


def _one_of(interrupt_id: str, number: int, count: int) -> str:
    return f"{interrupt_id}/{number}/{count}"


def _approval(approval_id: str, part_id: str) -> Chunk:
    return {"type": "tool-approval-request", "approvalId": approval_id, "toolCallId": part_id}


def approvals(
    interrupts: Iterable[InterruptInfo], tools: ToolParts, step: int
) -> list[Chunk] | None:
    """Return the requests to approve the tool parts that the interrupts are about.

    None where one of them is about none, or about one that is not in the present step, as clients
    look for answers there only; and where another tool of that step is open.
    """
    found: list[Chunk] = []
    taken: set[str] = set()
    for interrupt in interrupts:
        calls = _asked_about(interrupt, tools, taken)
        if not calls or any(call.step != step for call in calls):
            return None
        taken |= {call.part_id for call in calls}
        several = _requests(interrupt.payload) is not None
        found += [
            _approval(
                _one_of(interrupt.interrupt_id, number, len(calls))
                if several
                else interrupt.interrupt_id,
                call.part_id,
            )
            for number, call in enumerate(calls, 1)
        ]
    return found if all(call.part_id in taken for call in tools.open_in(step)) else None


def _asked_about(interrupt: InterruptInfo, tools: ToolParts, taken: set[str]) -> list[Call]:
    requests = _requests(interrupt.payload)
    if requests is None:
        call = tools.paused(interrupt.tool_call_id) if interrupt.tool_call_id else None
        return [] if call is None or call.part_id in taken else [call]
    waiting = [call for call in tools.waiting() if call.part_id not in taken]
    calls: list[Call] = []
    for request in requests:
        wanted = (request.get("name"), request.get("args"))
        call = next((c for c in waiting if (c.name, c.args) == wanted), None)
        if call is None:
            return []
        waiting.remove(call)
        calls.append(call)
    return calls


def _requests(payload: Any) -> list[Chunk] | None:
    """The calls that LangChain's middleware asks about; None for another interrupt."""
    match payload:
        case {"action_requests": [*requests], "review_configs": [*_]} if all(
            isinstance(request, dict) for request in requests
        ):
            return cast("list[Chunk]", requests)
        case _:
            return None


def answers(parts: Iterable[Mapping[str, Any]], asked: Container[object]) -> dict[str, Any]:
    """Return what the tool parts of an assistant's last message answer, by interrupt id.

    ``asked`` are the ids of all its tool parts. Approval is ``True`` or ``False``;
    that of the middleware's calls is what the middleware takes, a reason included. Raises
    ``StreamUsageError`` where only some of its calls are answered.
    """
    found: dict[str, Any] = {}
    decisions: dict[str, dict[int, Chunk]] = {}
    counts: dict[str, int] = {}
    for part in parts:
        match part:
            case {"type": "tool-interrupt", "state": "output-available", "toolCallId": str(name)}:
                found[unnumbered(name, asked)] = part.get("output")
            case {
                "state": "approval-responded",
                "approval": {"id": str(name), "approved": bool(approved)} as given,
            }:
                interrupt_id, number, count = _split(name)
                if not count:
                    found[interrupt_id] = approved
                    continue
                counts[interrupt_id] = count
                decisions.setdefault(interrupt_id, {})[number] = _decision(given)
            case _:
                pass
    for interrupt_id, made in decisions.items():
        if len(made) != counts[interrupt_id] or max(made) != len(made) or min(made) != 1:
            said = (
                f"interrupt {interrupt_id!r} asks about {counts[interrupt_id]} tool calls, and"
                f" {len(made)} are answered; answer all of them"
            )
            raise StreamUsageError(said, wire=said)
        found[interrupt_id] = {"decisions": [made[number] for number in sorted(made)]}
    return found


def _decision(given: Mapping[str, Any]) -> Chunk:
    if given["approved"]:
        return {"type": "approve"}
    reason = given.get("reason")
    return {"type": "reject", "message": reason} if isinstance(reason, str) else {"type": "reject"}


def _split(approval_id: str) -> tuple[str, int, int]:
    """The interrupt, the number of the call and how many there are; 0 of 0 for a plain one."""
    found = _ONE_OF_SEVERAL.fullmatch(approval_id)
    if found is None:
        return approval_id, 0, 0
    return found[1], int(found[2]), int(found[3])
