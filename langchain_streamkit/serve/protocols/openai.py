"""OpenAI's two protocols as front ends: ``POST /v1/chat/completions``, ``POST /v1/responses``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from langchain_streamkit.serve.protocols.asked import Asked
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.wire.openai.chat import ChatEncoder, chat_reply
from langchain_streamkit.wire.openai.chat_request import ModelRequest, read_chat_request
from langchain_streamkit.wire.openai.responses import ResponsesEncoder, responses_reply
from langchain_streamkit.wire.openai.responses_request import read_responses_request
from langchain_streamkit.wire.openai.terms import error_body

if TYPE_CHECKING:
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.asked import Names

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


class OpenAIChat:
    """Chat completions."""

    resumes = False

    def read(self, body: bytes, names: Names, /) -> Asked:
        """See ``FrontEnd``."""
        asked = read_chat_request(body)
        model = model_of(asked, names)
        options: dict[str, Any] = {"model": model, "hold_back": asked.wants_json}
        encoder = ChatEncoder(include_usage=asked.include_usage, **options)
        return _asked(asked, encoder, partial(chat_reply, **options))

    def refusal(self, refusal: Refusal, /) -> Response:
        """See ``FrontEnd``."""
        return _refused(refusal)


class OpenAIResponses:
    """Responses."""

    resumes = False

    def read(self, body: bytes, names: Names, /) -> Asked:
        """See ``FrontEnd``."""
        asked = read_responses_request(body)
        options: dict[str, Any] = {"model": model_of(asked, names), "hold_back": asked.wants_json}
        return _asked(asked, ResponsesEncoder(**options), partial(responses_reply, **options))

    def refusal(self, refusal: Refusal, /) -> Response:
        """See ``FrontEnd``."""
        return _refused(refusal)


def model_of(asked: ModelRequest, names: Names) -> str:
    """Return the name of the model that answers. Raises ``Refusal`` for one that is not there."""
    if asked.model is None:
        return names.own
    if asked.model not in names:
        raise no_such_model(asked.model, names)
    return asked.model


def no_such_model(model: str, names: Names) -> Refusal:
    """Return the refusal of a model that is not there."""
    known = ", ".join([names.own, *names.others])
    said = f"there is no model {model[:200]!r} here; ask for one of: {known}"
    return Refusal(404, "model_not_found", said)


def models_body(names: Names) -> dict[str, Any]:
    """Return the body of ``GET /v1/models``."""
    return {"object": "list", "data": [model_body(one) for one in (names.own, *names.others)]}


def model_body(name: str) -> dict[str, Any]:
    """Return the body of ``GET /v1/models/<name>``."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "langchain"}


def _asked(asked: ModelRequest, encoder: Any, reply: Any) -> Asked:
    return Asked(
        encoder=encoder,
        messages=asked.messages,
        tools=asked.tools,
        options=asked.options,
        metadata=asked.metadata,
        reply=None if asked.stream else reply,
    )


def _refused(refusal: Refusal) -> Response:
    """OpenAI's form of an error; its clients ask again for most of them unless told not to."""
    status = 400 if refusal.status == 422 else refusal.status
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    body = error_body(
        refusal.error["message"], type=kind, code=_CODES.get(status, refusal.error["code"])
    )
    again = "true" if status in {429, 503} else "false"
    return JSONResponse(body, status, {**(refusal.headers or {}), "x-should-retry": again})
