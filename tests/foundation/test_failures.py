"""Exceptions become codes without importing a provider; what they say stays in the log."""

from __future__ import annotations

import logging
from typing import Any, get_args

import httpx
import openai
import pytest
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelRateLimitError,
    OutputParserException,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import ToolException
from langgraph.errors import EmptyInputError, GraphRecursionError, InvalidUpdateError
from pydantic import BaseModel, ValidationError

from langchain_streamkit import failures
from langchain_streamkit.errors import ReaderOverflow
from langchain_streamkit.events import ErrorCode, ErrorInfo
from langchain_streamkit.failures import MESSAGES, Where, classify, error_info, log_failure

REQUEST: Any = httpx.Request("POST", "https://example.invalid/v1")


def status_error(status: int, code: str | None = None) -> openai.APIStatusError:
    classes: dict[int, type[openai.APIStatusError]] = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        503: openai.InternalServerError,
    }
    response: Any = httpx.Response(status, request=REQUEST)
    return classes[status]("no", response=response, body={"code": code, "message": "secret"})


def http_error(status: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError(
        "no", request=REQUEST, response=httpx.Response(status, request=REQUEST)
    )


class ClientError(Exception):
    """As boto's, whose response is a dict."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class AnthropicError(Exception):
    """As Anthropic's, whose body holds a typed error."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.body = {"type": "error", "error": {"type": kind}}


class Person(BaseModel):
    age: int


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate({"age": "x"})
    return caught.value


def missing_variable() -> KeyError:
    with pytest.raises(KeyError) as caught:
        ChatPromptTemplate.from_template("{a}").invoke({})
    return caught.value


@pytest.mark.parametrize(
    ("exc", "where", "code", "retryable"),
    [
        (status_error(429), "model", "rate_limited", True),
        (status_error(429), "graph", "rate_limited", True),
        (status_error(429, "insufficient_quota"), "model", "rate_limited", False),
        (ModelRateLimitError(), "run", "rate_limited", True),
        (AnthropicError("rate_limit_error"), "model", "rate_limited", True),
        (ClientError("ThrottlingException"), "model", "rate_limited", True),
        (status_error(401), "model", "auth", False),
        (status_error(403), "chain", "auth", False),
        (http_error(401), "model", "auth", False),
        (status_error(400, "context_length_exceeded"), "model", "context_length", False),
        (ContextOverflowError(), "graph", "context_length", False),
        (status_error(400, "content_filter"), "model", "content_policy", False),
        (openai.ContentFilterFinishReasonError(), "run", "content_policy", False),
        (status_error(500), "model", "model_error", True),
        (status_error(503), "run", "model_error", True),
        (AnthropicError("overloaded_error"), "model", "model_error", True),
        (openai.APIConnectionError(request=REQUEST), "run", "model_error", True),
        (openai.APITimeoutError(request=REQUEST), "model", "model_error", True),
        (httpx.ReadError("cut"), "model", "model_error", True),
        (ConnectionResetError(), "model", "model_error", True),
        (status_error(400), "model", "model_error", False),
        (ValueError("bad"), "model", "model_error", False),
        (ToolException("no"), "graph", "tool_error", False),
        (ValueError("no"), "tool", "tool_error", False),
        (http_error(401), "tool", "tool_error", False),
        (http_error(401), "graph", "graph_error", False),
        (ConnectionResetError(), "graph", "graph_error", False),
        (InvalidUpdateError("no"), "run", "graph_error", False),
        (ValueError("no"), "graph", "graph_error", False),
        (GraphRecursionError(), "graph", "recursion_limit", False),
        (OutputParserException("no"), "chain", "parse_error", False),
        (invalid(), "graph", "invalid_input", False),
        (invalid(), "tool", "tool_error", False),
        (invalid(), "model", "model_error", False),
        (missing_variable(), "chain", "invalid_input", False),
        (EmptyInputError(), "run", "invalid_input", False),
        (ReaderOverflow("slow"), "run", "reader_overflow", False),
        (ValueError("no"), "chain", "internal", False),
        (KeyError("x"), "run", "internal", False),
    ],
)
def test_exception_has_its_code(
    exc: BaseException, where: Where, code: str, *, retryable: bool
) -> None:
    assert classify(exc, where) == (code, retryable)


def test_what_an_exception_was_raised_from_says_what_it_does_not() -> None:
    outer = RuntimeError("wrapped")
    outer.__cause__ = ExceptionGroup("several", [status_error(429), ValueError()])
    assert classify(outer, "graph").code == "rate_limited"


def test_outermost_exception_that_says_something_counts() -> None:
    outer = ToolException("no")
    outer.__cause__ = status_error(429)
    assert classify(outer, "graph").code == "tool_error"


def test_exceptions_raised_from_each_other_in_a_circle_end() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert classify(first).code == "internal"


class Hostile(Exception):
    __slots__ = ()

    @property
    def response(self) -> Any:
        raise ZeroDivisionError

    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("where", get_args(Where))
def test_exception_whose_attributes_raise_is_classified_by_its_place(where: Where) -> None:
    assert classify(Hostile(), where).code in {
        "model_error",
        "tool_error",
        "graph_error",
        "internal",
    }


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_while_an_exception_is_looked_at_is_not_swallowed(stop: Any) -> None:
    class SlowError(Exception):
        def __str__(self) -> str:
            raise stop

        @property
        def body(self) -> Any:
            raise stop

    with pytest.raises(stop):
        classify(SlowError(), "model")
    with pytest.raises(stop):
        error_info(SlowError(), error_id="e", expose=True)


def test_every_code_has_its_text() -> None:
    assert MESSAGES.keys() == set(get_args(ErrorCode))


def test_error_info_shows_the_text_of_the_table_and_never_the_exceptions() -> None:
    info = error_info(ValueError("sk-secret"), error_id="e7", where="model")
    assert info == ErrorInfo(code="model_error", message=MESSAGES["model_error"], error_id="e7")
    assert error_info(status_error(429), error_id="e", where="model").retryable


def test_exposed_error_shows_the_exceptions_text_and_warns_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_warned", [])
    with caplog.at_level(logging.WARNING, "langchain_streamkit"):
        shown = [
            error_info(exc, error_id="e", expose=True).message
            for exc in (ValueError("why \ud800"), KeyError(), Hostile())
        ]
    assert shown[:2] == ["ValueError: why \ufffd", "KeyError"]
    assert "Hostile" in shown[2]
    assert [r.message for r in caplog.records if "expose_errors" in r.message] == [
        "expose_errors=True shows exception texts to clients; leave it out in production"
    ]


def test_failure_is_logged_with_its_ids_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    exc = ValueError("the secret reason")
    info = error_info(exc, error_id="e7", where="graph")
    with caplog.at_level(logging.ERROR, "langchain_streamkit"):
        log_failure(exc, info, "run-1", "t1")
    (record,) = caplog.records
    ids = [vars(record)[name] for name in ("run_id", "thread_id", "error_id")]
    assert ids == ["run-1", "t1", "e7"]
    assert record.getMessage() == "run run-1 failed with graph_error (error_id e7)"
    assert record.exc_info is not None
    assert record.exc_info[1] is exc
