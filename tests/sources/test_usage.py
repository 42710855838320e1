"""Token counts of one call, however its chunks state them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_streamkit.sources.usage import TokenCounts, read_counts
from tests.sources.assembling import Session, merged


def usage(tokens_in: int, tokens_out: int, **details: Any) -> Any:
    return {
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        **details,
    }


def used(*usages: Any, final: AIMessage | None = None) -> tuple[int, int, int] | None:
    chunks = [AIMessageChunk(content="a", usage_metadata=u) for u in usages]
    counts = Session().feed(chunks).finish(final)[1].usage
    if counts is None:
        return None
    return counts.input_tokens, counts.output_tokens, counts.total_tokens


def test_usage_on_the_last_chunk() -> None:
    assert used(None, None, usage(10, 5)) == (10, 5, 15)


def test_usage_as_differences_is_summed() -> None:
    """Anthropic: input on the first chunk, output on the last."""
    assert used(usage(10, 0), None, usage(0, 5)) == (10, 5, 15)


def test_cumulative_usage_is_not_summed() -> None:
    """P6: LangChain says 50 input tokens of this."""
    usages = [usage(10, n) for n in range(1, 6)]
    chunks = [AIMessageChunk(content="a", usage_metadata=u) for u in usages]
    assert merged(chunks).usage_metadata["input_tokens"] == 50
    assert used(*usages, final=merged(chunks)) == (10, 5, 15)


def test_placeholders_of_zero_do_not_hide_that_usage_is_cumulative() -> None:
    assert used(usage(0, 0), usage(10, 1), usage(10, 2)) == (10, 2, 12)


def test_usage_said_twice_counts_once() -> None:
    assert used(usage(10, 5), usage(10, 5)) == (10, 5, 15)


def test_output_that_falls_is_not_cumulative() -> None:
    assert used(usage(10, 5), usage(10, 1)) == (20, 6, 26)


def test_output_alone_is_summed() -> None:
    assert used(usage(0, 1), usage(0, 1), usage(0, 1)) == (0, 3, 3)


def test_final_usage_counts_only_if_no_chunk_had_any() -> None:
    final = AIMessage("aa", usage_metadata=usage(99, 99))
    assert used(None, final=final) == (99, 99, 198)
    assert used(usage(10, 5), final=final) == (10, 5, 15)


def test_no_usage_is_none_and_zero_usage_is_zero() -> None:
    assert used(None) is None
    assert used(usage(0, 0)) == (0, 0, 0)


def test_details_are_summed_or_cumulative_like_the_counts() -> None:
    def counts(*usages: Any) -> TokenCounts:
        chunks = [AIMessageChunk(content="a", usage_metadata=u) for u in usages]
        found = Session().feed(chunks).assembler.usage
        assert found is not None
        return found

    cached = {"input_token_details": {"cache_read": 4}}
    assert counts(usage(10, 1, **cached), usage(10, 2, **cached)).details.cache_read == 4
    thought = {"output_token_details": {"reasoning": 2}}
    assert counts(usage(10, 1, **thought), usage(0, 2, **thought)).details.reasoning == 4


@pytest.mark.parametrize("value", [None, 7, "x", [], {"input_tokens": None, "total_tokens": "9"}])
def test_usage_in_a_broken_form_is_no_exception(value: object) -> None:
    assert read_counts(value) in (None, TokenCounts(0, 0, 0))
