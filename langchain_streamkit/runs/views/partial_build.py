"""Objects of a model from part of their JSON: what is there and valid is set, the rest is missing.

Pydantic's own partial validation (``experimental_allow_partial``) knows collections and TypedDicts,
but wants a model whole, so models are taken apart here, field by field. Guarantees: whatever is set
has passed the field's own type and constraints; a Pydantic model or dataclass comes as an instance
of that very class, missing fields with their default or None (``model_fields_set`` tells a model's
fields that are there); a TypedDict as a dict of the keys that are there. Validators of whole models
and of fields (``@model_validator``, ``@field_validator``) run on the final object only.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
)

import pydantic_core
from pydantic import AliasChoices, BaseModel, RootModel, TypeAdapter, ValidationError
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

MISSING: Final = object()
"""What stands for a value that is not there, or not valid yet."""

Fields: TypeAlias = "dict[str, tuple[tuple[str, ...], Any]]"
"""By name: the keys under which JSON may have it, and its type."""


def partial(type_: Any, value: Any) -> Any:
    """What of ``value``, plain JSON that may be incomplete, is a ``type_``; MISSING for nothing."""
    origin: Any = get_origin(type_)
    args = get_args(type_)
    if origin in (NotRequired, Required, ReadOnly):
        return partial(args[0], value)
    if origin is Annotated and type(value) in (list, dict):
        return partial(args[0], value)  # what is asked of the whole of it can wait
    if origin in (Union, types.UnionType):
        return _of_union(type_, args, value)
    of_many = cast("type[Any]", origin if isinstance(origin, type) else object)
    if isinstance(value, list):
        items = cast("list[object]", value)
        if _is_collection(of_many, args):
            return _collection(of_many, args[0], items)
        return _leaf(type_, items)
    if isinstance(value, dict):
        found = cast("dict[str, object]", value)
        if issubclass(of_many, Mapping):
            pairs = {key: partial(args[1], item) for key, item in found.items()}
            return {key: item for key, item in pairs.items() if item is not MISSING}
        return _object(type_, found) if has_fields(type_) else _leaf(type_, found)
    return _leaf(type_, value)


def has_fields(type_: Any) -> bool:
    """Whether it is a Pydantic model, a TypedDict or a dataclass."""
    if is_typeddict(type_):
        return True
    cls: Any = type_
    if not isinstance(type_, type) or issubclass(cls, RootModel):
        return False
    return issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls)


def _object(cls: Any, value: dict[str, object]) -> Any:
    found: dict[str, Any] = {}
    for name, (keys, type_) in _fields(cls).items():
        for key in keys:
            if key in value:
                item = partial(type_, value[key])
                if item is not MISSING:
                    found[name] = item
                break
    if is_typeddict(cls):
        return found
    if issubclass(cls, BaseModel):
        made: Any = cls.model_construct(_fields_set=set(found))
        values = {**made.__dict__, **found}
        made.__dict__.clear()  # for the order of the fields
        made.__dict__.update({name: values.pop(name, None) for name in _fields(cls)})
        return made
    made = object.__new__(cls)
    for field in dataclasses.fields(cls):
        default = field.default_factory() if callable(field.default_factory) else field.default
        missing = None if default is dataclasses.MISSING else default
        object.__setattr__(made, field.name, found.get(field.name, missing))
    return made


@cache
def _fields(cls: Any) -> Fields:
    if not is_typeddict(cls) and issubclass(cls, BaseModel):
        return {
            name: (
                _keys(name, field.validation_alias, field.alias),
                Annotated[(field.annotation, *field.metadata)]
                if field.metadata
                else field.annotation,
            )
            for name, field in cls.model_fields.items()
        }
    hints = get_type_hints(cls, include_extras=True)
    return {name: ((name,), type_) for name, type_ in hints.items()}


def _keys(name: str, *aliases: object) -> tuple[str, ...]:
    keys: list[str] = []
    for alias in aliases:
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        keys += [choice for choice in choices if isinstance(choice, str)]
    return (*keys, name)


def _is_collection(origin: type[Any], args: Sequence[Any]) -> bool:
    """Whether it holds any number of items of one type: a tuple may hold one each of several."""
    fixed = issubclass(origin, tuple) and not (len(args) == 2 and args[1] is ...)
    return issubclass(origin, Sequence | AbstractSet) and not fixed


def _collection(origin: type[Any], item: Any, values: list[object]) -> Any:
    made = [partial(item, value) for value in values]
    found = [one for one in made if one is not MISSING]
    try:
        if issubclass(origin, tuple):
            return tuple(found)
        if issubclass(origin, frozenset):
            return frozenset(found)
        return set(found) if issubclass(origin, AbstractSet) else found
    except TypeError:  # a set of what cannot be in a set
        return MISSING


def _of_union(type_: Any, arms: Sequence[Any], value: Any) -> Any:
    """The whole value if it is valid; else the arm of which the most is there."""
    whole = _leaf(type_, value)
    if whole is not MISSING and type(value) not in (dict, list):
        return whole
    best, most = MISSING, -1
    for arm in arms:
        found = partial(arm, value)
        if found is not MISSING and (size := size_of(found)) > most:
            best, most = found, size
    return whole if best is MISSING else best


def size_of(value: Any) -> int:
    """How much of an object is there: its fields, keys or items."""
    if isinstance(value, BaseModel):
        return len(value.model_fields_set)
    if dataclasses.is_dataclass(value):
        return sum(getattr(value, field.name) is not None for field in dataclasses.fields(value))
    return len(cast("list[Any]", value)) if isinstance(value, dict | list) else 0


def _leaf(type_: Any, value: object) -> Any:
    if type_ is str and isinstance(value, str):
        return value
    try:
        # As JSON, so that a strict model takes a date from a string here too.
        return _adapter(type_).validate_json(pydantic_core.to_json(value))
    except ValidationError:
        return MISSING


def _adapter(type_: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(type_)
    except TypeError:  # unhashable metadata
        return TypeAdapter(type_)


@cache
def _cached_adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)
