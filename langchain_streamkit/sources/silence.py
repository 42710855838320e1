"""Why an answer did not come token by token, in words that say what to change.

What is looked at is what ``BaseChatModel._should_stream`` looks at, in its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.language_models import BaseChatModel

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_MODEL: Final = "a text-completion model streams only under stream() and astream()"
"""Why an old text model that is invoked does not stream."""
UNSEEN: Final = (
    "its model call was not seen, because it was given callbacks of its own (callbacks=[...] or"
    " with_config(callbacks=...)) or ran in another process"
)
"""Why there are no tokens of an answer that a node returned."""
_ONE_CHUNK: Final = 500
"""Characters that no provider sends as one chunk of several: an answer of so many in its first
chunk was held back and sent whole."""


def why_whole(model: BaseChatModel, given: Mapping[str, Any], *, taken: bool = False) -> str | None:
    """Why ``model``, called with the arguments ``given``, answers in one piece; None if it ought
    to stream. ``taken`` tells that a handler beside us takes its chunks in another form.
    """
    kind = type(model)
    plain = kind._stream is not BaseChatModel._stream  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    asynchronous = kind._astream is not BaseChatModel._astream  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    disabled = model.disable_streaming
    if not plain and not asynchronous:
        return "its class has neither _stream nor _astream, so it cannot stream"
    if disabled is True:
        return "it was made with disable_streaming=True"
    if disabled == "tool_calling" and given.get("tools"):
        return "it was made with disable_streaming='tool_calling', and it is given tools"
    if "stream" in given and not given["stream"]:
        return "it is called with stream=False"
    if "streaming" in model.model_fields_set and getattr(model, "streaming", None) is False:
        return "it was made with streaming=False"
    if taken:
        return "a handler beside this one (astream_events v3) takes its chunks in another form"
    if not plain:
        return "its class has _astream but no _stream, so it streams in asynchronous code only"
    return None


def no_tokens(name: str, cause: str | None, first: int | None, whole: int) -> str | None:
    """What to say of an answer of ``whole`` characters, or calls, that came without tokens.

    ``first`` is the size of its first chunk, None if there was none. None if all is well.
    """
    model = name or "the model"
    if first is None:
        known = cause or "it sent no chunk, and nobody says why"
        return f"{model} answered in one piece: {known}" if whole else None
    if _ONE_CHUNK <= first == whole:
        return (
            f"{model} streams, but all {whole} characters came in one chunk: the provider, or a"
            " proxy before it, holds tokens back"
        )
    return None


def model_run_of(message_id: str, *, since: int) -> str | None:
    """The model run after which LangChain named a message, if that began ``since`` then.

    ``since`` is in ms since the epoch. LangChain's run ids are UUIDs of version 7, which begin with
    such a time (RFC 9562, section 5.7); of any other id it cannot be said.
    """
    if not message_id.startswith(_NAMED_AFTER_RUN):
        return None
    try:
        run_id = UUID(message_id[len(_NAMED_AFTER_RUN) :][:36])
    except ValueError:
        return None
    return str(run_id) if run_id.version == 7 and run_id.int >> 80 >= since else None


_NAMED_AFTER_RUN: Final = "lc_run--"
"""``LC_ID_PREFIX`` in langchain-core, and the hyphen that follows it."""
