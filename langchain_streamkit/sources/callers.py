"""What the caller of a callback knows and the callback is not told: LangChain's own frames.

Guarantees: nothing is changed there, and nothing is raised; what cannot be found is ``None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.tracers import _streaming

from langchain_streamkit.sources.silence import why_whole
from langchain_streamkit.sources.unreported import asks_for_usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

_FRAMES = 16
"""How far up a model is looked for; it is 3 to 5 frames away unless others have wrapped it."""


def next_streaming_handler(caller: FrameType, ours: type[Any]) -> Any:
    """The next handler whose tap LangChain would have called, were ``ours`` not there.

    LangChain calls the tap of the first streaming handler only (``_transform_stream_with_config``),
    so ours must hand on, or ``astream_events`` beside us loses what parsers yield.
    """
    handlers = getattr(caller.f_locals.get("run_manager"), "handlers", ())
    for handler in handlers:
        if not isinstance(handler, ours) and hasattr(handler, "tap_output_aiter"):
            return handler
    return None


class Known(NamedTuple):
    """What can be known of a model call before it is made."""

    silent: str | None
    """Why it will send no chunks."""
    asks_usage: bool | None
    """Whether it asks its provider for usage while it streams."""


UNKNOWN = Known(None, None)


def known_of(model: BaseChatModel, given: Mapping[str, Any], *, taken: bool = False) -> Known:
    """What is known of ``model``, called with the arguments ``given``; ``taken`` as for
    ``why_whole``.
    """
    return Known(why_whole(model, given, taken=taken), asks_for_usage(model, given))


def known_of_caller(caller: FrameType) -> Known:
    """What is known of the model that calls its start callback."""
    taken = False
    for frame in _up(caller):
        names = frame.f_locals
        owner: Any = names.get("self")
        if isinstance(owner, BaseCallbackManager):
            taken = taken or any(isinstance(one, _TAKER) for one in owner.handlers)
        elif isinstance(owner, BaseChatModel):
            return known_of(owner, names.get("kwargs") or {}, taken=taken)
    return UNKNOWN


_TAKER: Any = getattr(_streaming, "_V2StreamingCallbackHandler", ())
"""Handlers for which LangChain hands out protocol events instead of chunks."""


def _up(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back
