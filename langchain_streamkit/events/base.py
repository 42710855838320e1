"""What every event carries, and how its values become plain JSON at birth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from langchain_streamkit.values import clean_text, to_plain

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder()


def set_plain(struct: msgspec.Struct, *names: str) -> None:
    """Replace the named fields by their plain JSON values."""
    for name in names:
        value = getattr(struct, name)
        if value is not None:
            plain = to_plain(value)
            if plain is not value:
                msgspec.structs.force_setattr(struct, name, plain)


def set_text(struct: msgspec.Struct, *names: str) -> None:
    """Replace the named text fields by valid Unicode."""
    for name in names:
        value = getattr(struct, name)
        if value is not None and not value.isascii():
            msgspec.structs.force_setattr(struct, name, clean_text(value))


class BaseEvent(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"
):
    """What every event carries: ``seq`` (1, 2, 3 … dense in one run), ``run_id``, ``ts`` (ms since
    the epoch, never decreasing) and ``path`` (names from the root graph, not named, down).
    """

    seq: int
    run_id: str
    ts: int
    path: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The event as one UTF-8 JSON object without line breaks."""
        try:
            return _ENCODER.encode(self)
        except UnicodeEncodeError:  # a half surrogate in an id or a name
            return _ENCODER.encode(to_plain(msgspec.to_builtins(self)))

    def to_dict(self) -> dict[str, Any]:
        """What ``to_json`` says, as plain dicts, lists, strings and numbers."""
        return _DECODER.decode(self.to_json())

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from langchain_streamkit.schema import pydantic_core_schema

        return pydantic_core_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        from langchain_streamkit.schema import inlined_json_schema

        return inlined_json_schema(cls)


class StepEvent(BaseEvent, frozen=True, kw_only=True):
    """An event that belongs to a step."""

    step_id: str
    """LangChain run id of the step the event belongs to."""
