"""Events as Pydantic field types, and so as FastAPI request and response types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

    from langchain_streamkit.events import BaseEvent

_E = TypeVar("_E", bound="BaseEvent")


def pydantic_core_schema(cls: type[_E]) -> CoreSchema:
    """Return the Pydantic core schema of an event class.

    Takes an event of that class or its JSON as a dict, gives a dict (``model_dump``, FastAPI) or
    JSON. What does not fit is a Pydantic ``ValidationError`` that says where.
    """
    from pydantic_core import core_schema

    def validate(value: object) -> _E:
        if isinstance(value, cls):
            return value
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as exc:
            raise ValueError(str(exc)) from exc

    def serialize(event: BaseEvent) -> dict[str, Any]:
        return event.to_dict()

    return core_schema.no_info_plain_validator_function(
        validate, serialization=core_schema.plain_serializer_function_ser_schema(serialize)
    )
