"""The AI SDK as a front end: ``POST /api/chat``, ``GET /api/chat/{id}/stream``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from langchain_streamkit.serve.protocols.asked import Asked
from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from langchain_streamkit.wire.ai_sdk.request import ChatRequest, read_chat_request

if TYPE_CHECKING:
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.asked import Names
    from langchain_streamkit.serve.refusals import Refusal
    from langchain_streamkit.wire.ai_sdk.chunks import SdkVersion


class AiSdk:
    """UI message streams, for that major version of ``ai``; None is what 5, 6 and 7 accept."""

    resumes = True

    def __init__(self, sdk_version: SdkVersion | None = None) -> None:
        self.sdk_version: SdkVersion | None = sdk_version
        self.new_encoder()  # an unknown version fails here

    def new_encoder(self, *, resumed: bool = False) -> AiSdkEncoder:
        """Return the encoder of one stream; ``resumed`` for a client that comes back to a run."""
        return AiSdkEncoder(sdk_version=self.sdk_version, resumed=resumed)

    def read(self, body: bytes, names: Names, /) -> Asked:
        """See ``FrontEnd``."""
        return asked_by(read_chat_request(body), self.new_encoder())

    def refusal(self, refusal: Refusal, /) -> Response:
        """See ``FrontEnd``: the text is the message of the error that ``useChat`` gives."""
        return PlainTextResponse(refusal.error["message"], refusal.status, refusal.headers)


def asked_by(asked: ChatRequest, encoder: AiSdkEncoder) -> Asked:
    """Return what a chat asks for."""
    return Asked(
        encoder=encoder,
        messages=list(asked.messages),
        new_messages=list(asked.new_messages),
        thread_id=asked.thread_id,
        resume=asked.resume,
        metadata=asked.metadata,
    )
