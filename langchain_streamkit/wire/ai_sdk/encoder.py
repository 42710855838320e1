"""The UI message stream of Vercel's AI SDK: a run as one assistant message of ``useChat``.

Protocol: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#ui-message-stream-protocol, read by the
packages ``ai`` 5, 6 and 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.values import to_plain
from langchain_streamkit.wire.ai_sdk.chunks import SdkVersion, UIMessageChunks
from langchain_streamkit.wire.sse import OK, PING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_streamkit.events import Event
    from langchain_streamkit.wire.ai_sdk.chunks import Chunk

_DONE: Final = b"data: [DONE]\n\n"
_json = msgspec.json.Encoder().encode


class AiSdkEncoder:
    """Makes the UI message stream of one run; an ``Encoder`` (see ``wire/protocol.py``).

    The run is one assistant message: each answer of a model for the user, with the tools it asks
    for, is a step (answers beside each other share one), custom data are ``data-<name>``, and the
    metadata has ``runId``, ``threadId``, ``outcome``, ``finishReason``, ``usage`` and ``timing``.
    The message's id is the run's, or the one that the run's metadata has under ``CONTINUES``.

    ``sdk_version`` is the major version of ``ai`` that reads it; None is what 5, 6 and 7 all
    accept. From 6 on, interrupts ask for approval (see ``wire/ai_sdk/interrupts.py``). What an
    attempt that failed has said cannot be taken back before 7: there, ``data-dropped`` names the
    message whose parts are void (they have its id in ``providerMetadata.streamkit.messageId``);
    7 drops the parts itself where nothing else is in their step. ``resumed`` is for a client that
    comes back to a run, for which clients begin the message anew, also one that the run goes on
    with: what that had before is not counted on.

    Raises ``StreamUsageError`` for another version.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
    ping = PING

    def __init__(self, *, sdk_version: SdkVersion | None = None, resumed: bool = False) -> None:
        if sdk_version is not None and sdk_version not in get_args(SdkVersion):
            raise StreamUsageError(
                f"sdk_version={sdk_version!r} is not known; write 5, 6 or 7, or leave it out for"
                " what all of them accept"
            )
        self._chunks = UIMessageChunks(sdk_version or 5, resumed=resumed)

    def opening(self) -> bytes:
        """Return what is sent before the first event."""
        return OK

    def encode(self, event: Event, /) -> list[bytes]:
        """Return the frames of one event; after the terminal event's, nothing follows."""
        return _frames(self._chunks.feed(event), last=event.type in TERMINAL_TYPES)

    def broken_off(self, code: str, message: str, /) -> list[bytes]:
        """Return the frames that close what is open and say that no more can be had."""
        return _frames(self._chunks.broken_off(code, message), last=True)


def _frames(chunks: Iterable[Chunk], *, last: bool) -> list[bytes]:
    frames = [b"data: %b\n\n" % _encoded(chunk) for chunk in chunks]
    return [*frames, _DONE] if last and frames else frames


def _encoded(chunk: Chunk) -> bytes:
    try:
        return _json(chunk)
    except UnicodeEncodeError:  # a half surrogate in an id or a name
        return _json(to_plain(chunk))
