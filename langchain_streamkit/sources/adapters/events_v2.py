"""``astream_events(version="v2")``: dictionaries that mirror callbacks."""

from __future__ import annotations

from typing import Any, TypeGuard
from uuid import UUID

from langchain_core.messages import BaseMessage

from langchain_streamkit.errors import AdaptError, ProducerLost
from langchain_streamkit.sources.adapters.base import Adapter, Opening
from langchain_streamkit.sources.pieces import extract
from langchain_streamkit.sources.results import now_ms
from langchain_streamkit.sources.signals import ModelEnd


def is_event_dict(item: object) -> TypeGuard[dict[str, Any]]:
    """Whether an item is an event of ``astream_events``, of version 1 or 2."""
    return isinstance(item, dict) and {"event", "run_id", "data"} <= item.keys()


class EventsV2(Adapter):
    """Adapts event dictionaries."""

    route = "astream_events(version='v2')"

    def opening(self, first: Any) -> Opening:
        self._ids: dict[str, UUID] = {first["run_id"]: self.root}
        self._output: Any = None
        self._ended = False
        metadata: dict[str, Any] = first.get("metadata") or {}
        return Opening(first["name"], metadata.get("thread_id"), metadata)

    def feed(self, item: Any) -> None:
        kind = item["event"]
        run_id = self._id(item["run_id"])
        data = item["data"]
        if kind == "on_chat_model_stream":
            chunk = data["chunk"]
            self.token(run_id, chunk.id, extract(chunk))
            return
        parents = item["parent_ids"]
        parent = self._id(parents[-1]) if parents else None
        start = (run_id, parent, item["name"], item["tags"], item["metadata"])
        match kind:
            case "on_chain_start" | "on_prompt_start" | "on_parser_start":
                self.tap.chain_start(*start, data.get("input"))
            case "on_chain_end" | "on_prompt_end" | "on_parser_end":
                self.tap.chain_end(run_id, data.get("output"))
            case "on_chat_model_start":
                self.tap.model_start(*start)
            case "on_chat_model_end":
                output = data.get("output")
                message = output.model_copy() if isinstance(output, BaseMessage) else None
                self.tap.push(ModelEnd(now_ms(), run_id, message))
            case "on_tool_start":
                self.tap.tool_start(*start, data.get("input"), None)
            case "on_tool_end":
                self.tap.tool_end(run_id, data.get("output"))
            case _:
                return
        if run_id == self.root and kind.endswith("_end"):
            self._ended = True
            self._output = data.get("output")

    def end(self) -> object:
        if not self._ended:
            raise ProducerLost("the events stop before the end of the root run")
        return self._output

    def _id(self, text: str) -> UUID:
        found = self._ids.get(text)
        if found is None:
            try:
                found = self._ids[text] = UUID(text)
            except ValueError:
                raise AdaptError(f"run_id {text!r} is no UUID") from None
        return found
