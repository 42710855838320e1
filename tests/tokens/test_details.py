"""The details of usage under the names that providers' packages give them, real shapes."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_openai.chat_models.base import (
    _create_usage_metadata,
    _create_usage_metadata_responses,
)

from langchain_streamkit.sources.usage import UsageTally, read_counts
from langchain_streamkit.tokens.details import NO_DETAILS, TokenDetails, read_details

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 60,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 25, "audio_tokens": 2},
}
RESPONSES = {
    "input_tokens": 100,
    "output_tokens": 60,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens_details": {"reasoning_tokens": 25},
}


@pytest.mark.parametrize("tier", [None, "default", "priority", "flex"])
def test_openai_details_are_the_same_at_every_service_tier(tier: str | None) -> None:
    named = tier if tier in ("priority", "flex") else None
    chat: dict[str, Any] = {**_create_usage_metadata(CHAT, tier)}
    assert read_details(chat) == TokenDetails(
        cache_read=40, reasoning=25, audio_input=3, audio_output=2, service_tier=named
    )
    responses: dict[str, Any] = {**_create_usage_metadata_responses(RESPONSES, tier)}
    assert read_details(responses) == TokenDetails(cache_read=40, reasoning=25, service_tier=named)


def test_anthropic_cache_writes_by_their_lifetime_are_part_of_the_cache_writes() -> None:
    moved = {"cache_creation": 0, "ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 7}
    expected = TokenDetails(cache_creation=37, cache_creation_1h=7)
    assert read_details({"input_token_details": moved}) == expected
    both = {**moved, "cache_creation": 37}  # as Anthropic's own answer has it
    assert read_details({"input_token_details": both}) == expected
    plain = {"cache_creation": 37}
    assert read_details({"input_token_details": plain}) == TokenDetails(cache_creation=37)


@pytest.mark.parametrize(
    "details",
    [None, {}, 7, {"cache_read": None}, {"cache_read": "9", "new": 4}, {"priority_x": None}],
)
def test_details_in_a_broken_form_are_none(details: object) -> None:
    found = read_details({"input_token_details": details, "output_token_details": details})
    assert (found.cache_read, found.cache_creation, found.reasoning) == (0, 0, 0)
    if not details:
        assert found is NO_DETAILS


def test_usage_of_an_event_tells_the_details_of_every_tier_and_provider() -> None:
    fields = {
        "input_tokens": 100,
        "output_tokens": 60,
        "input_token_details": {
            "flex_cache_read": 40,
            "audio": 3,
            "ephemeral_5m_input_tokens": 5,
            "flex": 60,
        },
        "output_token_details": {"flex_reasoning": 25, "audio": 2, "flex": 35},
    }
    counts = read_counts(fields)
    assert counts is not None
    details = counts.details
    assert (details.cache_read, details.cache_creation) == (40, 5)
    assert (details.reasoning, details.audio) == (25, 5)
    assert counts.parts.service_tier == "flex"


def test_service_tier_outlives_the_sum_over_chunks() -> None:
    tally = UsageTally()
    for tokens_in, tokens_out, details in ((10, 0, {"priority": 10}), (0, 5, {})):
        counts = read_counts(
            {
                "input_tokens": tokens_in,
                "output_tokens": tokens_out,
                "input_token_details": details,
            }
        )
        assert counts is not None
        tally.add(counts)
    assert tally.counts is not None
    assert tally.counts.parts.service_tier == "priority"
    assert tally.counts.total_tokens == 15
