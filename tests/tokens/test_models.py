"""Which encoding a model has: known for OpenAI's models, and for nobody else's."""

from __future__ import annotations

import pytest
from tiktoken.model import MODEL_PREFIX_TO_ENCODING, MODEL_TO_ENCODING

from langchain_streamkit.tokens.models import encoding_for_model
from langchain_streamkit.tokens.patterns import RECIPES

SHIPPED = {name: found for name, found in MODEL_TO_ENCODING.items() if found in RECIPES}


@pytest.mark.parametrize(("model", "encoding"), SHIPPED.items())
def test_models_that_tiktoken_knows_by_name_have_its_encoding(model: str, encoding: str) -> None:
    assert encoding_for_model(model, "openai") == encoding
    assert encoding_for_model(model) == encoding


@pytest.mark.parametrize(("prefix", "encoding"), MODEL_PREFIX_TO_ENCODING.items())
def test_models_that_tiktoken_knows_by_prefix_have_its_encoding(prefix: str, encoding: str) -> None:
    model = f"{prefix}-2026-01-01" if not prefix.endswith("-") else f"{prefix}2026-01-01"
    if prefix.startswith("ft:") and prefix.endswith("-002"):
        model = f"{prefix}:org::id"
    assert encoding_for_model(model, "openai") == encoding


@pytest.mark.parametrize(
    ("model", "provider", "encoding"),
    [
        ("gpt-5.5", "openai", "o200k_base"),
        ("gpt-4o-mini", "azure", "o200k_base"),
        ("openai/gpt-4.1-mini", "openrouter", "o200k_base"),
        ("GPT-4", None, "cl100k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:org::id", "openai", "o200k_base"),
        ("ft:gpt-4-0613:org::id", "openai", "cl100k_base"),
        ("openai/gpt-oss-120b", "groq", "o200k_harmony"),
        ("gpt-oss:20b", "ollama", "o200k_harmony"),
    ],
)
def test_openai_model_is_known_under_the_names_its_sellers_use(
    model: str, provider: str | None, encoding: str
) -> None:
    assert encoding_for_model(model, provider) == encoding


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        (None, None),
        ("", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "google_genai"),
        ("smollm2-135m", "openai"),
        ("gpt-4all", "openai"),
        ("gpt-4o", "ollama"),
        ("o1x", "openai"),
        ("text-davinci-003", "openai"),  # p50k_base, which is not shipped
        ("gpt-4\n", "openai"),
        ("my-deployment", "azure"),
    ],
)
def test_any_other_model_is_unknown(model: str | None, provider: str | None) -> None:
    assert encoding_for_model(model, provider) is None
