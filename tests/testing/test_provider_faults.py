from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from langchain_streamkit.testing import (
    CutShort,
    DroppedConnection,
    Malformed,
    ProviderError,
    Turn,
    context_length_exceeded,
    invalid_api_key,
    rate_limited,
    scripted_provider,
    server_error,
)

if TYPE_CHECKING:
    from tests.testing.conftest import Sdk

APIS = [False, True]


def drain(model: Any, got: list[str]) -> None:
    got.extend(chunk.text for chunk in model.stream("hi"))


@pytest.mark.parametrize("responses", APIS)
@pytest.mark.parametrize(
    ("fault", "raised", "code"),
    [
        (rate_limited(), openai.RateLimitError, "rate_limit_exceeded"),
        (invalid_api_key(), openai.AuthenticationError, "invalid_api_key"),
        (context_length_exceeded(), openai.BadRequestError, "context_length_exceeded"),
        (server_error(), openai.InternalServerError, None),
    ],
)
def test_chat_openai_raises_the_http_error(
    chat: Any,
    fault: ProviderError,
    raised: type[openai.APIStatusError],
    code: str,
    *,
    responses: bool,
) -> None:
    with scripted_provider([fault], cycle=True) as provider:
        model = chat(provider, use_responses_api=responses)
        with pytest.raises(raised) as streamed:
            drain(model, [])
        with pytest.raises(raised) as invoked:
            model.invoke("hi")
        assert provider.requests[0].status == fault.status_code
        assert provider.requests[0].completed.is_set()
    for error in (streamed.value, invoked.value):
        assert error.status_code == fault.status_code
        assert error.code == code
        assert fault.message in error.message


def test_rate_limit_tells_when_to_come_back_and_the_client_does(chat: Any) -> None:
    with scripted_provider([rate_limited(retry_after=0.05), "at last"]) as provider:
        assert chat(provider, max_retries=1).invoke("hi").content == "at last"
        first, second = provider.requests
    assert 0.05 <= second.received_at - first.received_at < 0.4
    headers = rate_limited(retry_after=2).headers
    assert headers == {"retry-after": "2", "retry-after-ms": "2000"}


@pytest.mark.parametrize("responses", APIS)
def test_malformed_line_breaks_the_stream_of_the_client(chat: Any, *, responses: bool) -> None:
    got: list[str] = []
    broken = pytest.raises(json.JSONDecodeError)
    with scripted_provider([["a", Malformed(), "b"]]) as provider, broken:
        drain(chat(provider, use_responses_api=responses), got)
    assert "".join(got) == "a"


def test_malformed_whole_answer_is_a_broken_body() -> None:
    with scripted_provider([[Malformed("{oops")]]) as provider:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(f"{provider.base_url}/chat/completions", json=body)
    assert (answer.status_code, answer.text) == (200, "{oops")


def test_error_in_mid_chat_stream_is_an_error_object(chat: Any) -> None:
    got: list[str] = []
    with scripted_provider([Turn("a b c", fail_after=2, error=server_error())]) as provider:
        with pytest.raises(openai.APIError, match="had an error while processing"):
            drain(chat(provider), got)
        request = provider.requests[0]
        request.wait_completed()
        assert request.chunks_sent == 2
    assert "".join(got) == "a b"


def test_error_in_mid_responses_stream_is_an_error_event(chat: Any, sdk: Any) -> None:
    got: list[str] = []
    turn = Turn("a b c", fail_after=2, error=rate_limited())
    with scripted_provider([turn], cycle=True) as provider:
        with pytest.raises(ValueError, match="rate_limit_exceeded: Rate limit reached"):
            drain(chat(provider, use_responses_api=True), got)
        *_, last = sdk(provider).responses.create(model="m", input="hi", stream=True)
    assert "".join(got) == "a b"
    assert (last.type, last.code) == ("error", "rate_limit_exceeded")


@pytest.mark.parametrize("responses", APIS)
@pytest.mark.parametrize("after", [0, 2])
def test_dropped_connection_is_a_connection_error(
    chat: Any, after: int, *, responses: bool
) -> None:
    got: list[str] = []
    with scripted_provider(
        [Turn("a b c", fail_after=after, error=DroppedConnection())]
    ) as provider:
        with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
            drain(chat(provider, use_responses_api=responses), got)
        request = provider.requests[0]
    assert "".join(got) == "a b c"[: max(0, 2 * after - 1)]
    assert request.chunks_sent == after
    assert not request.completed.is_set()


def test_dropped_connection_without_streaming_is_a_connection_error(chat: Any) -> None:
    dropped = pytest.raises(openai.APIConnectionError)
    with scripted_provider([Turn("a", error=DroppedConnection())]) as provider, dropped:
        chat(provider).invoke("hi")


@pytest.mark.parametrize("after", [0, 2])
def test_an_answer_cut_short_ends_without_an_error_of_http(sdk: Sdk, after: int) -> None:
    turn = Turn("a b c", fail_after=after, error=CutShort())
    with scripted_provider([turn], cycle=True) as provider:
        client = sdk(provider)
        message: Any = {"role": "user", "content": "hi"}
        chunks = list(client.chat.completions.create(model="m", messages=[message], stream=True))
        events = list(client.responses.create(model="m", input="hi", stream=True))
        assert not any(request.completed.is_set() for request in provider.requests)
    got = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert got == "a b c"[: max(0, 2 * after - 1)]
    assert not any(chunk.choices[0].finish_reason for chunk in chunks)
    assert not any(event.type == "response.completed" for event in events)


def test_dropped_connection_says_nothing_in_the_log(
    chat: Any, caplog: pytest.LogCaptureFixture
) -> None:
    dropped = pytest.raises(openai.APIConnectionError)
    with scripted_provider([DroppedConnection()]) as provider, dropped:
        drain(chat(provider), [])
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_any_other_exception_is_a_server_error(chat: Any) -> None:
    refused = pytest.raises(openai.InternalServerError, match=r"ValueError\('boom'\)")
    with scripted_provider([ValueError("boom")]) as provider, refused:
        chat(provider).invoke("hi")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([], "call 1 of scripted_provider, but its script has 0 turns"),
        (lambda _: 3, "3 is not a turn"),
        (lambda body: body["no such key"], "KeyError"),
    ],
)
def test_fault_of_the_script_is_a_500_that_is_not_retried(
    chat: Any, script: Any, says: str
) -> None:
    with scripted_provider(script) as provider:
        with pytest.raises(openai.InternalServerError, match=says):
            chat(provider, max_retries=3).invoke("hi")
        assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/chat/completions", {"messages": [{}]}, 400, "missing_required_parameter"),
        ("/chat/completions", {"model": "m"}, 400, "missing_required_parameter"),
        ("/responses", {"model": "m"}, 400, "missing_required_parameter"),
        ("/responses", ["no object"], 400, "missing_required_parameter"),
        ("/embeddings", {"model": "m"}, 404, "unknown_url"),
    ],
)
def test_wrong_request_is_refused_without_taking_a_turn(
    path: str, body: Any, status: int, code: str
) -> None:
    with scripted_provider(["a"]) as provider:
        url = provider.base_url
        refused = httpx.post(f"{url}{path}", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        right = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        assert httpx.post(f"{url}/chat/completions", json=right).status_code == 200
        assert [request.status for request in provider.requests] == [status, 200]


def test_body_that_is_no_json_and_unknown_pages_are_refused() -> None:
    with scripted_provider(["a"]) as provider:
        url = provider.base_url
        broken = httpx.post(f"{url}/chat/completions", content=b"{")
        assert broken.status_code == 400
        assert httpx.get(f"{url}/nothing").status_code == 404
