"""What ``run.partial(Model)`` is asked for, and how text becomes one of it.

JSON that is cut off is parsed by ``pydantic_core.from_json(allow_partial="trailing-strings")``, the
parser of Pydantic itself; whatever follows the JSON (a fence, prose) is left alone.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

import pydantic_core
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from langchain_streamkit.errors import InvalidOutput, StreamUsageError
from langchain_streamkit.runs.views.partial_build import has_fields, partial

_OPEN_NUMBER = re.compile(r"(?<=[\[,:])\s*-?\d[\d.eE+-]*$")
"""A number that may yet grow: 1 may become 12."""
_SHOWN = 80
"""Characters of an answer that an error shows."""
_RESULT_KEYS = ("structured_response", "parsed")
"""Of ``create_agent(response_format=)`` and of ``with_structured_output(include_raw=True)``."""


class Schema:
    """One model. Raises StreamUsageError for what is none."""

    def __init__(self, model: Any) -> None:
        if not has_fields(model):
            raise StreamUsageError(
                f"partial() takes a Pydantic model, a TypedDict or a dataclass, not {model!r}; pass"
                " the class that with_structured_output() or response_format= got"
            )
        self._model: Any = model
        self.name: str = self._model.__name__
        self.names = frozenset({self.name, *_tool_name(model)})
        """What a tool call is called that carries one."""
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(self._model)
            self._adapter.rebuild(raise_errors=True)
        except (PydanticUserError, NameError) as exc:  # said at once, not at the first object
            raise StreamUsageError(
                f"Pydantic cannot check a {self.name}: {exc}; before Python 3.12 a TypedDict has to"
                " be that of typing_extensions, and every name in its annotations known"
            ) from exc

    def partial(self, value: dict[str, Any]) -> Any:
        """What of it is there and valid."""
        return partial(self._model, value)

    def whole(self, text: str) -> Any:
        """The object of the whole JSON. Raises InvalidOutput."""
        try:
            return self._adapter.validate_json(_cut(text))
        except (ValidationError, ValueError, RecursionError) as exc:
            said = f"the JSON {_beginning(text)} is no {self.name}: {exc}"
            raise InvalidOutput(said, text=text) from exc

    def missing(self, text: str) -> InvalidOutput:
        """What to raise for an answer without any JSON object."""
        said = f"the answer is no {self.name}, it holds no JSON object: {_beginning(text)}"
        return InvalidOutput(said, text=text)

    def found_in(self, result: Any) -> Any:
        """The object that the run returned, as it is; None if it returned none."""
        return next((one for one in (result, *_parts(result)) if self._is_one(one)), None)

    def _is_one(self, value: Any) -> bool:
        if not is_typeddict(self._model):
            return isinstance(value, self._model)
        known = self._model.__annotations__.keys()
        required: frozenset[str] = self._model.__required_keys__
        keys = cast("dict[str, Any]", value).keys() if isinstance(value, dict) else set[str]()
        return bool(keys) and required <= keys <= known


def parsed(text: str, *, ended: bool) -> dict[str, Any] | None:
    """The object that ``text`` begins with, as far as it goes; None if it begins with none."""
    number = None if ended else _OPEN_NUMBER.search(text)
    try:
        value: Any = pydantic_core.from_json(
            text[: number.start()] if number else text,
            allow_partial=False if ended and text.endswith("}") else "trailing-strings",
        )
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _cut(text: str) -> str:
    """The JSON value that ``text`` begins with, without what follows it."""
    _, end = json.JSONDecoder(strict=False).raw_decode(text)
    return text[:end]


def _beginning(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _parts(result: Any) -> list[Any]:
    if not isinstance(result, dict):
        return []
    values = cast("dict[str, Any]", result)
    return [values[key] for key in _RESULT_KEYS if values.get(key) is not None]


def _tool_name(model: Any) -> list[str]:
    try:
        return [convert_to_openai_tool(model)["function"]["name"]]
    except Exception:  # noqa: BLE001 -- a type that LangChain does not take: then nobody asks for it
        return []
