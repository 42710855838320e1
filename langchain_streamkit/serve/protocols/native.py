"""Our own protocol as a front end: the body of ``POST /runs``, and our own frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from langchain_streamkit.serve.protocols.asked import Asked
from langchain_streamkit.serve.refusals import Refusal
from langchain_streamkit.serve.requests import RunRequest, decode_run_request

if TYPE_CHECKING:
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.asked import Names


class Native:
    """What ``/static/streamkit.js`` and ``connect()`` speak."""

    resumes = True

    def read(self, body: bytes, names: Names, /) -> Asked:
        """See ``FrontEnd``."""
        return asked_natively(decode_run_request(body))

    def refusal(self, refusal: Refusal, /) -> Response:
        """See ``FrontEnd``."""
        return refusal.response()


def asked_natively(asked: RunRequest) -> Asked:
    """Return what a request of our own asks for. Raises ``Refusal``."""
    if asked.resume is not None and asked.input not in (UNSET, None):
        raise Refusal(422, "invalid_request", 'send "input" or "resume", not both')
    if asked.resume is None and asked.input is UNSET:
        said = (
            'there is nothing to run: send "input", what the runnable takes (null: a graph goes on'
            ' from the checkpoint of its "thread_id"), or "resume", answers by interrupt id'
        )
        raise Refusal(422, "invalid_request", said)
    return Asked(
        encoder="native",
        input=asked.input if asked.resume is None else UNSET,
        thread_id=asked.thread_id,
        resume=asked.resume,
        metadata=asked.metadata,
    )
