"""Random legal streams of events: whatever the grammar allows, likely or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_streamkit import events as ev
from tests.wire.story import TIMING, USAGE, Story

if TYPE_CHECKING:
    import random

NAMES = ("a", "b", "a/b", "a#2", 'q"\\\n\n\u2028data: x', "\ud83d", "constructor")
CALLS = NAMES[:-2]
ERROR = ev.ErrorInfo(code="graph_error", message="A step failed.", error_id="e1")
ASKED = ev.InterruptInfo(interrupt_id="i1", payload={"message": "sure?"}, tool_call_id="a")


class Wild:
    """A run in which anything may happen next."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.story = Story()
        self.events: list[Any] = [self.story.start(thread_id="t")]
        self.steps: list[dict[str, Any]] = [self._place("root", None, ())]
        self.tools: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.done: list[str] = []
        self.number = 0

    def told(self, length: int) -> list[Any]:
        self._say(ev.StepStarted, step_id="root", kind="graph", name="root")
        whats = [self.step, self.tool, self.message, self.block, self.piece, self.aside, self.end]
        for _ in range(length):
            self.chance.choice([*whats, self.block, self.piece, self.piece])()
        self.retract()
        while self.messages:
            self.end_message(self.messages[-1])
        while self.tools or self.steps:
            self.end_work()
        self.events.append(self._terminal())
        return self.events

    def step(self) -> None:
        parent = self.chance.choice([*self.steps, *self.tools])
        name = self.chance.choice(NAMES)
        kind = self.chance.choice(["graph", "node", "node", "chain"])
        place = self._place(self._id("s"), parent, (*parent["path"], name))
        self.steps.append(place)
        about = {"parent_id": parent["step_id"], "cause": parent.get("call")}
        self._say(
            ev.StepStarted,
            kind=kind,
            name=name,
            path=place["path"],
            step_id=place["step_id"],
            **about,
        )

    def tool(self) -> None:
        parent = self.chance.choice(self.steps)
        call = self.chance.choice(CALLS)
        place = self._place(self._id("t"), parent, (*parent["path"], "tool"))
        self.tools.append({**place, "call": call})
        attempt = self.chance.choice([1, 1, 2])
        given = self.chance.choice([None, {"a": 1}, "text"])
        about = {"name": "tool", "input": given, "attempt": attempt}
        self._say(ev.ToolStarted, tool_call_id=call, **self._where(place), **about)

    def message(self) -> None:
        place = self.chance.choice([*self.steps, *self.tools])
        message = {"message_id": self._id(self.chance.choice(NAMES)), "blocks": [], "count": 0}
        self.messages.append(message | self._where(place))
        role = self.chance.choice(
            ["assistant", "assistant", "assistant", "user", "system", "other"]
        )
        audience = self.chance.choice(["user", "user", "user", "internal"])
        about = {"role": role, "audience": audience, "name": self.chance.choice([None, "n"])}
        where = self._where(place)
        self._say(ev.MessageStarted, message_id=message["message_id"], **where, **about)

    def block(self) -> None:
        if not self.messages:
            return
        message = self.chance.choice(self.messages)
        kind = self.chance.choice(["Text", "Text", "Reasoning", "ToolCall", "Content"])
        block: dict[str, Any] = {"kind": kind, "text": "", "index": message["count"]}
        message["count"] += 1
        if kind == "Content":
            self._of(message, ev.ContentAdded, index=block["index"], block={"type": "image"})
            return
        block["call"] = {"tool_call_id": self.chance.choice(CALLS)} if kind == "ToolCall" else {}
        named = {"name": "tool"} if kind == "ToolCall" else {}
        message["blocks"].append(block)
        started = getattr(ev, f"{kind}Started")
        self._of(message, started, index=block["index"], **block["call"], **named)

    def piece(self) -> None:
        opened = [(m, b) for m in self.messages for b in m["blocks"]]
        if not opened:
            return
        message, block = self.chance.choice(opened)
        if block["kind"] == "ToolCall":
            if block["text"]:
                return
            text = self.chance.choice(['{"a":1}', '{"a":', '{"a":"\n"}'])
            field = {"args": text}
        else:
            text = self.chance.choice(["", "Hi ", "\n\n", '"}', "\U0001f600"])
            field = {"text": text}
        block["text"] += text
        delta = getattr(ev, f"{block['kind']}Delta")
        self._of(message, delta, index=block["index"], **block["call"], **field)

    def aside(self) -> None:
        where = self._where(self.chance.choice([*self.steps, *self.tools]))
        match self.chance.randrange(6):
            case 0:
                self._say(ev.Custom, name=self.chance.choice([None, *NAMES]), data=None, **where)
            case 1:
                where = {"step_id": "root", "path": ()}
                state = self.chance.choice([{}, {"x": [1]}, {"x": [1, 2], "constructor": 1}, 7])
                self._say(ev.StateSnapshot, values=state, **where)
            case 2:
                about = {"interrupt_id": "i1", "payload": ASKED.payload}
                self._say(ev.InterruptRequested, **about, **where)
            case 3 if self.tools:
                tool = self.chance.choice(self.tools)
                call = tool["call"]
                self._say(ev.ToolProgress, tool_call_id=call, data=None, **self._where(tool))
            case 4:
                self._say(ev.OutputDelta, data=[None], **where)
            case _:
                self._say(ev.Diagnostic, code="gap", message="lost", lost=2, **where)

    def end(self) -> None:
        match self.chance.randrange(3):
            case 0 if self.messages:
                self.end_message(self.chance.choice(self.messages))
            case 1 if len(self.steps) + len(self.tools) > 1:
                self.end_work()
            case _:
                self.retract()

    def end_message(self, message: dict[str, Any]) -> None:
        for block in message["blocks"]:
            self._end_block(message, block)
        self.messages.remove(message)
        if self.chance.random() < 0.3:
            reason = self.chance.choice(["error", "retry", "cancelled", "budget"])
            self._of(message, ev.MessageAborted, reason=reason)
            return
        self.done.append(message["message_id"])
        self._of(message, ev.MessageFinished, finish_reason="stop")

    def retract(self) -> None:
        if self.done and self.chance.random() < 0.5:
            message_id = self.done.pop()
            self._say(ev.MessageRetracted, message_id=message_id, reason="retry", step_id="x")

    def end_work(self) -> None:
        """End what has nothing inside that is open."""
        around = {one["parent"] for one in [*self.steps, *self.tools]}
        around |= {message["step_id"] for message in self.messages}
        free = [one for one in [*self.steps, *self.tools] if one["step_id"] not in around]
        if len(self.steps) + len(self.tools) > 1:
            free = [one for one in free if one["step_id"] != "root"]
        if not free:
            return
        place = self.chance.choice(free)
        outcome = self.chance.choice(["ok", "ok", "suspended", "handed_off", "cancelled"])
        failed = self.chance.random() < 0.2
        if place in self.tools:
            self.tools.remove(place)
            who = {"tool_call_id": place["call"], **self._where(place)}
            if failed:
                self._say(ev.ToolFailed, error=ERROR, content="secret", **who)
                return
            output = self.chance.choice([None, 3, {"a": 1}])
            content = self.chance.choice([None, "text"])
            self._say(ev.ToolFinished, outcome=outcome, output=output, content=content, **who)
            return
        self.steps.remove(place)
        if failed:
            self._say(ev.StepFailed, error=ERROR, **self._where(place))
        else:
            self._say(ev.StepFinished, outcome=outcome, **self._where(place))

    def _end_block(self, message: dict[str, Any], block: dict[str, Any]) -> None:
        text, index = block["text"], block["index"]
        extras = self.chance.choice([None, {"signature": "x"}])
        if block["kind"] != "ToolCall":
            finished = getattr(ev, f"{block['kind']}Finished")
            cited = self.chance.choice([(), ({"type": "citation", "url": "https://x"},)])
            self._of(message, finished, index=index, text=text, extras=extras, annotations=cited)
            return
        try:
            args = {"args": json.loads(text or "{}", strict=False)}
        except ValueError:
            args = {"invalid": ev.InvalidArgs(text=text, error="it is cut off")}
        about = {"name": "tool", "extras": extras, **block["call"], **args}
        self._of(message, ev.ToolCallFinished, index=index, **about)

    def _terminal(self) -> Any:
        about = {"usage": USAGE, "timing": TIMING}
        match self.chance.randrange(4):
            case 0:
                return self.story.make(ev.RunFailed, error=ERROR, **about)
            case 1:
                return self.story.make(ev.RunInterrupted, interrupts=(ASKED,), **about)
            case 2:
                return self.story.cancelled()
            case _:
                return self.story.finish()

    def _say(self, cls: Any, **fields: Any) -> None:
        self.events.append(self.story.make(cls, **fields))

    def _of(self, message: dict[str, Any], cls: Any, **fields: Any) -> None:
        about = {"message_id": message["message_id"], **self._where(message)}
        self._say(cls, **about, **fields)

    def _where(self, place: dict[str, Any]) -> dict[str, Any]:
        return {"step_id": place["step_id"], "path": place["path"]}

    def _place(
        self, step_id: str, parent: dict[str, Any] | None, path: tuple[str, ...]
    ) -> dict[str, Any]:
        above = None if parent is None else parent["step_id"]
        return {"step_id": step_id, "parent": above, "path": path}

    def _id(self, wanted: str) -> str:
        self.number += 1
        return f"{wanted}{self.number}"
