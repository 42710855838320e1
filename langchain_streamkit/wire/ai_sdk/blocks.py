"""Files, sources and usage as the AI SDK has them: plain functions of what an event holds.

Blocks and citations are LangChain's standard ones:
https://docs.langchain.com/oss/python/langchain/messages#standard-content-blocks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_streamkit.events import Timing, Usage

    Chunk = dict[str, Any]

_MEDIA_TYPES: Final = {
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "file": "application/octet-stream",
    "text-plain": "text/plain",
}
"""The kinds of blocks that are files, with the type of one that does not say its own."""


def file_of(block: Chunk) -> Chunk | None:
    """Return the ``file`` chunk of a block; None for one that is no file, or has no URL."""
    kind = block.get("type")
    if kind not in _MEDIA_TYPES:
        return None
    media_type = block.get("mime_type") or _MEDIA_TYPES[kind]
    match block:
        case {"url": str(url)} if url:
            pass
        case {"base64": str(data)} if data:
            url = f"data:{media_type};base64,{data}"
        case _:
            return None
    return {"type": "file", "url": url, "mediaType": media_type}


def sources_of(annotations: Sequence[Any], part_id: str) -> Iterator[Chunk]:
    """Yield the sources that a text cites, each once."""
    seen: set[tuple[str, str]] = set()
    for annotation in annotations:
        match annotation:
            case {"type": "citation", "url": str(url)} if url:
                source: Chunk = {"type": "source-url", "url": url}
                if title := annotation.get("title"):
                    source["title"] = str(title)
            case {"type": "citation", "title": str(title)} if title:
                source = {"type": "source-document", "mediaType": "text/plain", "title": title}
            case _:
                continue
        key = (source.get("url", ""), source.get("title", ""))
        if key not in seen:
            seen.add(key)
            yield {**source, "sourceId": f"{part_id}-{len(seen)}"}


def usage_of(usage: Usage) -> Chunk:
    """Return usage under the AI SDK's own names, with ``source`` and ``cost`` if it has a price."""
    found: Chunk = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "reasoningTokens": usage.details.reasoning,
        "cachedInputTokens": usage.details.cache_read,
        "source": usage.source,
    }
    if usage.cost is not None:
        found["cost"] = usage.cost
    return found


def timing_of(timing: Timing) -> Chunk:
    """Return how long a run took, in ms since its start."""
    found: Chunk = {"durationMs": timing.duration_ms}
    if timing.first_token_ms is not None:
        found["firstTokenMs"] = timing.first_token_ms
    return found
