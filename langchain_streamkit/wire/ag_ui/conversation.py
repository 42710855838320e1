"""The messages that an AG-UI client has: what it sent, and what it was told since.

Guarantees: ids are unique in the whole conversation, those of messages and those of tool calls; the
order is the client's own, with each result of a tool behind the message that asked for it; what is
dropped is in no later snapshot. A client keeps reasoning that no snapshot replaces, so reasoning
that is dropped goes on as an empty message until there is other reasoning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    Told = dict[str, Any]


class Entry(msgspec.Struct, eq=False, kw_only=True):
    """One message of the client's list."""

    fields: dict[str, Any]
    """``id``, ``role``, and whatever does not grow."""
    message_id: str | None = None
    """The run's message that it is of; None for what the client sent, and for tools nobody asked
    for."""
    blocks: dict[int, list[str]] = {}
    """Pieces of the content, by the block they belong to."""
    calls: list[Call] = []
    void: bool = False
    """Whether its message was dropped; reasoning stays, empty, as the client keeps it."""

    @property
    def id(self) -> str:
        """The client's id of it."""
        return cast("str", self.fields["id"])

    def told(self) -> Told:
        """Return it as AG-UI has it."""
        found = dict(self.fields)
        if self.blocks:
            found["content"] = "".join("".join(self.blocks[n]) for n in sorted(self.blocks))
        if self.calls:
            found["toolCalls"] = [call.told() for call in self.calls]
        return found


class Call(msgspec.Struct, eq=False, kw_only=True):
    """A tool call: a model's, or a run of a tool that nobody asked for."""

    id: str
    """The client's id of it."""
    tool_call_id: str
    name: str
    entry: Entry
    args: list[str] = []
    encrypted: str | None = None
    metadata: dict[str, Any] | None = None
    """The client's own."""
    whole: bool = False
    step_id: str | None = None
    """Of the tool's last run."""
    result: Entry | None = None

    @property
    def waits(self) -> bool:
        """Whether it was asked for and nothing has come of it."""
        return self.whole and self.step_id is None and self.result is None

    def told(self) -> Told:
        """Return it as AG-UI has it."""
        found: Told = {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": "".join(self.args)},
        }
        if self.encrypted is not None:
            found["encryptedValue"] = self.encrypted
        if self.metadata is not None:
            found["metadata"] = self.metadata
        return found


class Conversation:
    """The list of messages of one client, beginning with what it sent."""

    def __init__(self, history: Iterable[Mapping[str, Any]]) -> None:
        self._entries: list[Entry] = []
        self._ids: set[str] = set()
        self._calls: dict[str, Call] = {}
        """By the client's id, in order of their start."""
        for message in history:
            self._remember(dict(message))

    def add(self, role: str, wanted_id: str, message_id: str | None = None, **fields: Any) -> Entry:
        """Append a message; fields that are None are left out."""
        entry = Entry(
            fields={"id": self._fresh(wanted_id), "role": role} | _present(fields),
            message_id=message_id,
        )
        self._entries.append(entry)
        return entry

    def ask(self, entry: Entry, tool_call_id: str, name: str) -> Call:
        """Append a tool call to an assistant's message."""
        call = Call(
            id=_unlike(tool_call_id, self._calls), tool_call_id=tool_call_id, name=name, entry=entry
        )
        self._calls[call.id] = call
        entry.calls.append(call)
        return call

    def answer(self, call: Call, wanted_id: str, content: str, **fields: Any) -> Entry:
        """Put in the result of a call, in the place of an earlier one."""
        if call.result is not None:
            self._entries.remove(call.result)
        about = {"id": self._fresh(wanted_id), "role": "tool", "toolCallId": call.id}
        result = Entry(
            fields={**about, "content": content} | _present(fields),
            message_id=call.entry.message_id,
        )
        place = self._entries.index(call.entry) + 1
        while place < len(self._entries) and self._entries[place].fields["role"] == "tool":
            place += 1
        self._entries.insert(place, result)
        call.result = result
        return result

    def drop(self, message_id: str) -> bool:
        """Take out all that is of a message; whether there was anything."""
        gone = [entry for entry in self._entries if entry.message_id == message_id]
        for entry in gone:
            entry.void = True
            if entry.fields["role"] == "reasoning":
                entry.fields = {"id": entry.id, "role": "reasoning"}
                entry.blocks = {0: []}
            else:
                self._entries.remove(entry)
            for call in entry.calls:
                del self._calls[call.id]
        return bool(gone)

    @property
    def calls(self) -> Iterator[Call]:
        """All tool calls, the latest first."""
        return reversed(self._calls.values())

    def told(self) -> list[Told]:
        """Return all of it as AG-UI has it."""
        thinks = any(
            entry.fields["role"] == "reasoning" and not entry.void for entry in self._entries
        )
        return [entry.told() for entry in self._entries if not (entry.void and thinks)]

    def _remember(self, message: Told) -> None:
        calls: list[Told] = message.pop("toolCalls", None) or []
        entry = Entry(fields=message)
        if message["role"] == "reasoning":
            entry.blocks = {0: [message.pop("content")]}
        self._entries.append(entry)
        self._ids.add(entry.id)
        for given in calls:
            call = Call(
                id=given["id"],
                tool_call_id=given["id"],
                name=given["function"]["name"],
                entry=entry,
                args=[given["function"]["arguments"]],
                encrypted=given.get("encryptedValue"),
                metadata=given.get("metadata"),
                whole=True,
            )
            entry.calls.append(call)
            self._calls[call.id] = call
        if message["role"] == "tool" and (asked := self._calls.get(message["toolCallId"])):
            asked.result = entry

    def _fresh(self, wanted: str) -> str:
        found = _unlike(wanted, self._ids)
        self._ids.add(found)
        return found


def _unlike(wanted: str, taken: Collection[str]) -> str:
    """``wanted``, with a number behind it if it is taken."""
    found, number = wanted, 1
    while found in taken:
        number += 1
        found = f"{wanted}#{number}"
    return found


def _present(fields: Mapping[str, Any]) -> Told:
    return {name: value for name, value in fields.items() if value is not None}
