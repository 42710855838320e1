"""A run that goes on with an assistant's message: what its stream has to know of that message.

When clients are told of a tool's input, they look for its part in the last step only, and make
another one if it is not there. So a tool of an earlier step that goes on is told of by what comes
of it alone, which clients look for everywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

CONTINUES: Final = "ai_sdk_message_id"
"""The key of a run's metadata that names the assistant's message which the run goes on with."""
TOOL_PARTS: Final = "ai_sdk_tool_parts"
"""The key of a run's metadata with the tool parts of that message, as ``ToolPartsBefore``."""

_NUMBERED: Final = re.compile(r"(.+)#[1-9][0-9]{0,5}", re.DOTALL)


class ToolPartsBefore(msgspec.Struct, frozen=True):
    """The ids of tool parts in a message that a run goes on with."""

    open: frozenset[str] = frozenset()
    """In steps before the last: of calls that nothing has come of."""
    ended: frozenset[str] = frozenset()
    """In steps before the last: of calls that something has come of."""
    questions: frozenset[str] = frozenset()
    """Of interrupts that were answered, in any step."""

    def to_metadata(self) -> dict[str, list[str]]:
        """Return what ``from_metadata`` reads."""
        all_ids = msgspec.structs.asdict(self).items()
        return {name: sorted(ids) for name, ids in all_ids if ids}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> ToolPartsBefore:
        """Read the metadata of a run; what is of another form says nothing."""
        try:
            return msgspec.convert(metadata.get(TOOL_PARTS), cls)
        except msgspec.ValidationError:
            return cls()


def numbered(name: str, taken: Container[str]) -> str:
    """Return the id of another part of this name: ``name``, else ``name#2``, ``#3`` and so on."""
    part_id, number = name, 1
    while part_id in taken:
        number += 1
        part_id = f"{name}#{number}"
    return part_id


def unnumbered(part_id: str, taken: Container[object]) -> str:
    """Return the name that ``numbered`` made this id of, one of ``taken``."""
    found = _NUMBERED.fullmatch(part_id)
    return found[1] if found is not None and found[1] in taken else part_id
