"""Which encoding a model uses, where that is known; a guess is nobody's count."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_streamkit.tokens.patterns import EncodingName

_OPEN_WEIGHTS = re.compile(r"gpt-oss([-:].*)?")
_FAMILIES: tuple[tuple[re.Pattern[str], EncodingName], ...] = (
    (
        re.compile(
            r"gpt-5.*|gpt-4\.[15](-.*)?|(chat)?gpt-4o(-.*)?|o[13](-.*)?|o4-mini(-.*)?", re.DOTALL
        ),
        "o200k_base",
    ),
    (
        re.compile(
            r"gpt-4(-.*)?|gpt-3\.?5(-.*)?|davinci-002|babbage-002"
            r"|text-embedding-(ada-002|3-small|3-large)",
            re.DOTALL,
        ),
        "cl100k_base",
    ),
)
"""As ``tiktoken/model.py`` maps them; of fine-tuned models (``ft:...``) the base decides."""
_SELLERS = frozenset({None, "openai", "azure", "azure_openai", "azure_ai", "openrouter", "litellm"})
"""Providers under which these names mean OpenAI's models; ``ls_provider`` in LangChain's metadata.

With None only the name speaks.
"""


def encoding_for_model(name: str | None, provider: str | None = None) -> EncodingName | None:
    """Return the name of the encoding of an OpenAI model; None for any other.

    ``provider`` is LangChain's ``ls_provider``. gpt-oss is known wherever it runs.
    """
    if not name:
        return None
    model = name.lower().removeprefix("openai/")
    if _OPEN_WEIGHTS.fullmatch(model):
        return "o200k_harmony"
    if provider not in _SELLERS:
        return None
    if model.startswith("ft:"):
        model = model.split(":")[1]
    for pattern, encoding in _FAMILIES:
        if pattern.fullmatch(model):
            return encoding
    return None
