"""What items of the ``openai`` package look like, as objects or as the dicts of ``model_dump()``.

Guarantees: the package is never imported, an item never changed; nothing here raises, whatever a
server that only resembles OpenAI's has put into an item (the SDK builds its objects unchecked).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from langchain_streamkit.sources.content import as_word
from langchain_streamkit.values import to_plain

Fields = Mapping[str, Any]

PROVIDER: Final = "openai"
_NO_FIELDS: Final[Fields] = {}
_CHUNK: Final = "chat.completion.chunk"


def fields(item: object) -> Fields:
    """The fields of an item one level deep, those the SDK has no name for too; not to be changed.

    Empty for what has no fields.
    """
    if isinstance(item, dict):
        return cast("Fields", item)
    extra = getattr(item, "__pydantic_extra__", _NO_FIELDS)
    if extra is _NO_FIELDS:
        return _NO_FIELDS
    own: Fields = vars(item)
    return {**own, **extra} if extra else own


def plain(value: object) -> Any:
    """``value`` as dicts and lists all the way down, without what is None, as it was sent.

    Not by ``model_dump``, which warns of fields whose type is not what the SDK expects.
    """
    if isinstance(value, list):
        return [plain(one) for one in cast("list[object]", value)]
    found = fields(value)
    if not found and not isinstance(value, dict):
        return None if found is not _NO_FIELDS else value
    return {str(name): plain(one) for name, one in found.items() if one is not None}


def listed(value: object) -> list[object]:
    """``value`` if it is a list, else an empty one."""
    return [*cast("list[object]", value)] if isinstance(value, list) else []


def word(value: object) -> str | None:
    """An id or a name, valid Unicode; None for an empty one or none at all."""
    return as_word(to_plain(value)) if isinstance(value, str | int) else None


def chat_chunk(item: object) -> Fields | None:
    """The fields of a chat completion chunk, also of the one in a ``chunk`` event of the helper
    ``client.chat.completions.stream()``; None for anything else.
    """
    found = fields(item)
    if found.get("type") == "chunk":
        found = fields(found.get("chunk"))
    choices = found.get("choices")
    if not isinstance(choices, list):
        return None
    if found.get("object") == _CHUNK:
        return found
    # Azure's first and last chunks have no object, other servers leave it out or name it otherwise
    first = cast("list[object]", choices)[0] if choices else None
    is_chunk = "delta" in fields(first) if choices else "model" in found and "id" in found
    return found if is_chunk else None


def is_response_event(item: object) -> bool:
    """Whether an item is an event of the Responses API."""
    found = fields(item)
    kind = found.get("type")
    if not isinstance(kind, str):
        return False
    return kind.startswith("response.") or (kind == "error" and "sequence_number" in found)


def usage_metadata(usage: object) -> dict[str, Any] | None:
    """LangChain's ``usage_metadata`` of the usage that either API reports, None if it is none."""
    given = fields(usage)
    tokens_in = _count(given, "prompt_tokens", "input_tokens")
    tokens_out = _count(given, "completion_tokens", "output_tokens")
    if tokens_in is None and tokens_out is None:
        return None
    total = _count(given, "total_tokens")
    of_input = fields(given.get("prompt_tokens_details") or given.get("input_tokens_details"))
    of_output = fields(given.get("completion_tokens_details") or given.get("output_tokens_details"))
    cached = _count(of_input, "cached_tokens")
    details_in = {
        "audio": _count(of_input, "audio_tokens"),
        "cache_read": _count(given, "prompt_cache_hit_tokens") if cached is None else cached,
        "cache_creation": _count(of_input, "cache_write_tokens"),
    }
    details_out = {
        "audio": _count(of_output, "audio_tokens"),
        "reasoning": _count(of_output, "reasoning_tokens"),
    }
    return {
        "input_tokens": tokens_in or 0,
        "output_tokens": tokens_out or 0,
        "total_tokens": (tokens_in or 0) + (tokens_out or 0) if total is None else total,
        "input_token_details": {k: v for k, v in details_in.items() if v is not None},
        "output_token_details": {k: v for k, v in details_out.items() if v is not None},
    }


def _count(found: Fields, *names: str) -> int | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and value >= 0:
            return int(value)
    return None
