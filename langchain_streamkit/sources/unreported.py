"""Whether a provider was asked for its usage, and what to say when it has told none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import BaseChatModel

_OPENAI: Final = frozenset({"openai", "azure", "azure_openai"})
"""Providers whose streams carry usage only when it is asked for; LangChain's ``ls_provider``."""


class Unreported(NamedTuple):
    """A diagnostic about missing usage."""

    code: str
    message: str


def asks_for_usage(model: BaseChatModel, given: Mapping[str, Any]) -> bool | None:
    """Whether ``model``, called with the arguments ``given``, asks its provider for usage while it
    streams; None where that cannot be known, or the provider tells it unasked.
    """
    if not hasattr(model, "stream_usage"):  # langchain-openai's models, and those made after it
        return None
    own: Mapping[str, Any] = getattr(model, "model_kwargs", None) or {}
    of_call: Mapping[str, Any] = given.get("stream_options") or {}
    of_model: Mapping[str, Any] = own.get("stream_options") or {}
    said: tuple[Any, ...] = (
        given.get("stream_usage"),
        of_call.get("include_usage"),
        of_model.get("include_usage"),
        getattr(model, "stream_usage", None),
    )
    return next((answer for answer in said if isinstance(answer, bool)), False)


def unreported(name: str, provider: str | None, *, asked: bool | None) -> Unreported | None:
    """What to say of an answer of the model ``name`` that streamed and came without usage."""
    if asked:
        text = f"the provider of {name} was asked for its usage and sent none"
        return Unreported("usage_not_reported", f"{text}: tokens are counted here instead")
    if asked is None and provider not in _OPENAI:
        return None
    return Unreported(
        "usage_not_requested",
        f"the provider of {name} was not asked for its usage: write ChatOpenAI(...,"
        " stream_usage=True), which is not the default beside a base_url of your own, or, with"
        " OpenAI's client, stream_options={'include_usage': True}; tokens are counted here instead",
    )
