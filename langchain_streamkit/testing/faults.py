"""What can go wrong at a provider, as values to put into a script.

Every fault works in a ``ScriptedModel`` (it is raised) and in a ``scripted_provider`` (the client
sees what the real API would send), but for ``Malformed``, which only exists on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProviderError(Exception):
    """An error answer of the provider, in OpenAI's form.

    ``scripted_provider`` answers with the HTTP ``status_code`` when nothing was sent before, and
    with an error object in the stream otherwise. The attributes are named as on
    ``openai.APIStatusError``.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 500,
        type: str = "server_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.type = type
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON answer: ``{"error": {"message", "type", "param", "code"}}``."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class DroppedConnection(ConnectionError):
    """The provider closes the connection in mid-answer, without an end of the response."""

    def __init__(self, message: str = "the scripted provider dropped the connection") -> None:
        super().__init__(message)


class CutShort(DroppedConnection):
    """The response ends in mid-answer as if that were all: a proxy whose upstream is gone.

    No client sees an error of HTTP; only the end of the answer is missing.
    """

    def __init__(self, message: str = "the scripted provider cut the answer short") -> None:
        super().__init__(message)


@dataclass(frozen=True)
class Malformed:
    """A ``data:`` line that is not JSON; the script goes on after it.

    Without streaming the whole body is this text. Not possible in a ``ScriptedModel``.
    """

    data: str = '{"id":"chatcmpl-broken","choices":[{"index":0,"delta":{"content":"lo'


def rate_limited(*, retry_after: float = 1.0) -> ProviderError:
    """HTTP 429 that asks to wait ``retry_after`` seconds (``retry-after``, ``retry-after-ms``)."""
    return ProviderError(
        "Rate limit reached for requests. Please try again later.",
        status_code=429,
        type="requests",
        code="rate_limit_exceeded",
        headers={
            "retry-after": str(max(1, round(retry_after))),
            "retry-after-ms": str(round(retry_after * 1000)),
        },
    )


def invalid_api_key() -> ProviderError:
    """HTTP 401."""
    return ProviderError(
        "Incorrect API key provided.",
        status_code=401,
        type="invalid_request_error",
        code="invalid_api_key",
    )


def context_length_exceeded(*, limit: int = 128_000) -> ProviderError:
    """HTTP 400: the prompt does not fit into a context of ``limit`` tokens."""
    return ProviderError(
        f"This model's maximum context length is {limit} tokens. Please reduce the length of the "
        "messages.",
        status_code=400,
        type="invalid_request_error",
        code="context_length_exceeded",
        param="messages",
    )


def server_error() -> ProviderError:
    """HTTP 500."""
    return ProviderError("The server had an error while processing your request. Sorry about that!")
