"""What the caller of a callback knows and the callback is not told: LangChain's own frames.

Guarantees: nothing is changed there, and nothing is raised; what cannot be found is ``None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.tracers import _streaming

from langchain_streamkit.sources.silence import why_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def why_model_is_silent(caller: FrameType) -> str | None:
    """Why the model that calls its start callback will send no chunks, where that can be known."""
    taken = False
    for frame in _up(caller):
        names = frame.f_locals
        owner: Any = names.get("self")
        if isinstance(owner, BaseCallbackManager):
            taken = taken or any(isinstance(one, _TAKER) for one in owner.handlers)
        elif isinstance(owner, BaseChatModel):
            return why_whole(owner, names.get("kwargs") or {}, taken=taken)
    return None


_TAKER: Any = getattr(_streaming, "_V2StreamingCallbackHandler", ())
"""Handlers for which LangChain hands out protocol events instead of chunks."""


def _up(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back
