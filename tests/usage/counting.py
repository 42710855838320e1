"""What the tests of usage share: models whose encoding is known, and what a right count is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from langchain_openai import ChatOpenAI

from langchain_streamkit import events as ev
from langchain_streamkit.testing import ScriptedModel
from langchain_streamkit.tokens.vocabularies import load_encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_streamkit.events import Event
    from langchain_streamkit.testing import ScriptedProvider

DEAR: Any = {"scripted": {"input": 1_000_000, "output": 2_000_000}}
"""A dollar for a token of the prompt, two for one of the answer."""


def known(*turns: Any, **options: Any) -> ScriptedModel:
    """A model that passes for one of OpenAI's, so that its encoding is known."""
    return ScriptedModel(turns, model_name="gpt-oss-20b", **options)


@contextlib.contextmanager
def asking(provider: ScriptedProvider, **options: Any) -> Iterator[ChatOpenAI]:
    """LangChain's own client of a scripted provider."""
    fields: dict[str, Any] = {"model": "scripted", "max_retries": 0, "api_key": "none", **options}
    yield ChatOpenAI(base_url=provider.base_url, **fields)


def tokens_of(text: str, encoding: Any = "o200k_harmony") -> int:
    return len(load_encoding(encoding).encode_ordinary(text))


def told_and_right(events: Iterable[Event]) -> list[tuple[int | None, int]]:
    """For each delta, the tokens it tells, and those of all blocks of its message so far."""
    texts: dict[str, dict[int, str]] = {}
    found: list[tuple[int | None, int]] = []
    for event in events:
        match event:
            case ev.TextDelta() | ev.ReasoningDelta():
                piece = event.text
            case ev.ToolCallDelta():
                piece = event.args
            case _:
                continue
        blocks = texts.setdefault(event.message_id, {})
        blocks[event.index] = blocks.get(event.index, "") + piece
        found.append((event.tokens, sum(map(tokens_of, blocks.values()))))
    return found


def assert_right(events: Iterable[Event]) -> None:
    """Every delta tells the right number, or none."""
    for told, right in told_and_right(events):
        assert told in (None, right)
