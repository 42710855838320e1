"""What the router refuses, and how it says so."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from starlette.exceptions import HTTPException

from langchain_streamkit import Budget, Limits, Quota, RunManager, StreamUsageError
from langchain_streamkit.serve.router import streamkit_router
from tests.manager.managers import Talking, speaker
from tests.serve.servers import eventually
from tests.serving.apps import error_of, served, started

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b'{"input": ' + b"[" * 100_000, 400, "invalid_json"),
        (b'{"input": ' + b"9" * 5000 + b"}", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b'"hi"', 422, "invalid_request"),
        (b'{"inputs": "hi"}', 422, "invalid_request"),
        (b'{"input": "hi", "config": {"tags": []}}', 422, "invalid_request"),
        (b'{"input": "hi", "thread_id": ""}', 422, "invalid_request"),
        (b'{"input": "hi", "thread_id": 7}', 422, "invalid_request"),
        (b'{"input": "hi", "metadata": []}', 422, "invalid_request"),
        (b'{"input": "hi", "resume": {"x": 1}}', 422, "invalid_request"),
        (b'{"resume": {}}', 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"thread_id": "t"}', 422, "invalid_request"),
        (b'{"resume": null}', 422, "invalid_request"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_body_that_is_no_request_is_refused_in_one_form(
    body: bytes, status: int, code: str
) -> None:
    with served(speaker()) as client:
        response = client.post("/runs", content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert error_of(response)["code"] == code


def test_body_without_input_and_resume_starts_nothing_and_is_told_what_to_write() -> None:
    model = speaker()
    with served(model) as client:
        for body in ({}, {"thread_id": "t", "metadata": {}}, {"resume": None}):
            message = error_of(client.post("/runs", json=body))["message"]
            assert '"input"' in message
            assert '"resume"' in message
    assert not model.calls


def test_input_null_goes_on_from_the_checkpoint_of_the_thread() -> None:
    def say(state: MessagesState) -> Any:
        return {"messages": [("ai", "done")]}

    builder = StateGraph(MessagesState).add_node("say", say).add_edge(START, "say")
    graph = builder.compile(checkpointer=InMemorySaver(), interrupt_before=["say"])
    with served(graph) as client:
        body = {"input": {"messages": [("user", "hi")]}, "thread_id": "t"}
        client.post("/runs", json=body).raise_for_status()
        client.post("/runs", json={"input": None, "thread_id": "t"}).raise_for_status()
        messages = client.get("/threads/t/messages").json()["messages"]
    assert [message["content"] for message in messages] == ["hi", "done"]


def test_body_beyond_the_limit_is_refused_before_it_is_parsed() -> None:
    with served(speaker(), max_body_bytes=1000) as client:
        response = client.post("/runs", json={"input": "x" * 2000})
        assert response.status_code == 413
        assert error_of(response)["code"] == "too_large"


def test_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager, model = RunManager(), speaker()
    left: list[int] = []

    def authenticate(request: HTTPConnection) -> str:
        left.append(1)
        return "somebody"

    with served(model, manager=manager, authenticate=authenticate) as client:
        head = b"POST /runs HTTP/1.1\r\nhost: here\r\ncontent-length: 50\r\n\r\n{"
        with socket.create_connection((client.base_url.host, client.base_url.port)) as link:
            link.sendall(head)
            eventually(lambda: left)
        assert client.get("/health").status_code == 200
    assert not model.calls
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_form_is_refused_with_what_to_send() -> None:
    with served(speaker()) as client:
        response = client.post("/runs", data={"input": "hi"})
        assert response.status_code == 415
        assert "application/json" in error_of(response)["message"]


def test_position_that_is_none_is_refused() -> None:
    with served(speaker()) as client:
        with started(client) as stream:
            stream.rest()
        where = f"/runs/{stream.run_id}/events"
        for since in ("7", "zz", "00000000-x", "1f0c9a3e-42\x01"):
            response = client.get(where, params={"since": since})
            assert response.status_code == 400
            assert error_of(response)["code"] == "invalid_position"


def test_position_in_another_log_or_beyond_the_end_is_gone_with_what_is_kept() -> None:
    with served(speaker()) as client:
        with started(client) as stream:
            stream.rest()
        generation = stream.last_id.partition("-")[0]
        for since in ("00000000-1", f"{generation}-999"):
            response = client.get(f"/runs/{stream.run_id}/events", params={"since": since})
            assert response.status_code == 410
            error = error_of(response)
            assert error["code"] == "replay_gap"
            assert error["oldest"] == f"{generation}-0"


def test_run_that_is_not_there_is_not_found_and_gone_for_who_has_a_part_of_it() -> None:
    with served(speaker()) as client:
        for path in ("/runs/nope", "/runs/nope/events", "/threads/nope/messages"):
            response = client.get(path)
            assert response.status_code == 404, path
            assert error_of(response)["code"] == "not_found"
        assert client.post("/runs/nope/cancel").status_code == 404
        assert client.get("/threads/nope/run").status_code == 204
        response = client.get("/runs/nope/events", params={"since": "1f0c9a3e-42"})
        assert response.status_code == 410
        assert error_of(response)["code"] == "run_gone"


def test_names_that_cannot_be_are_refused() -> None:
    with served(speaker()) as client:
        for path in ("/runs/%00", "/runs/%7Bx%7D/events", f"/runs/{'x' * 300}", "/threads/%0A/run"):
            assert client.get(path).status_code in {404, 422}, path


def test_user_that_is_not_known_gets_nothing() -> None:
    def authenticate(request: HTTPConnection) -> str | None:
        if request.headers.get("x-user") == "banned":
            raise HTTPException(403, "you are banned")
        return request.headers.get("x-user")

    with served(speaker(), authenticate=authenticate) as client:
        for method, path in (
            *(("POST", "/runs"), ("GET", "/runs/x"), ("GET", "/runs/x/events")),
            *(
                ("POST", "/runs/x/cancel"),
                ("GET", "/threads/x/messages"),
                ("GET", "/threads/x/run"),
            ),
        ):
            response = client.request(method, path, json={"input": "hi"})
            assert response.status_code == 401, path
            assert error_of(response)["code"] == "unauthenticated"
            banned = client.request(method, path, headers={"x-user": "banned"})
            assert (banned.status_code, error_of(banned)["message"]) == (403, "you are banned")


def test_run_and_thread_of_one_user_are_not_there_for_another() -> None:
    def authenticate(request: HTTPConnection) -> str | None:
        return request.headers.get("x-user")

    talking = Talking()
    ada, bob = {"x-user": "ada"}, {"x-user": "bob"}
    with (
        served(talking.model, authenticate=authenticate) as client,
        started(client, thread_id="t1", headers=ada) as stream,
    ):
        stream.until("text.delta")
        run = f"/runs/{stream.run_id}"
        for method, path in (
            *(("GET", run), ("GET", f"{run}/events"), ("POST", f"{run}/cancel")),
            ("GET", "/threads/t1/run"),
        ):
            assert client.request(method, path, headers=bob).status_code == 404, path
        taken = client.post("/runs", json={"input": "hi", "thread_id": "t1"}, headers=bob)
        assert taken.status_code == 404
        assert client.get(run, headers=ada).json()["status"] == "running"
        talking.gate.set()
        stream.rest()
        assert stream.events[-1].type == "run.finished"


def test_page_of_another_site_cannot_use_the_server() -> None:
    with served(speaker(), allow_origins=["https://app.example"]) as client:
        here = str(client.base_url).rstrip("/")
        for origin, status in (
            *(("https://evil.example", 403), ("null", 403)),
            *((here, 200), ("https://app.example", 200)),
        ):
            response = client.post("/runs", json={"input": "hi"}, headers={"Origin": origin})
            assert response.status_code == status, origin


def test_limits_are_told_with_when_to_come_back() -> None:
    talking = Talking()
    manager = RunManager(limits=Limits(concurrent_runs=1, open_streams=2))
    with served(talking.model, manager=manager) as client, started(client) as stream:
        stream.until("text.delta")
        refused = client.post("/runs", json={"input": "hi"})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert error_of(refused)["limit"] == "concurrent_runs"
        with client.stream("GET", f"/runs/{stream.run_id}/events"):
            third = client.get(f"/runs/{stream.run_id}/events")
            assert third.status_code == 429
            assert error_of(third)["limit"] == "open_streams"
        talking.gate.set()
        stream.rest()
        with started(client) as again:
            again.rest()
        assert again.events[-1].type == "run.finished"


def test_quota_that_is_spent_is_told_with_when_it_is_renewed() -> None:
    quota = Quota(Budget(output_tokens=3), key=lambda user, thread_id: "all", window="1h")
    with served(speaker(), manager=RunManager(quotas=quota)) as client:
        with started(client) as stream:
            stream.rest()
        assert stream.events[-1].type == "run.cancelled"
        refused = client.post("/runs", json={"input": "hi"})
        assert refused.status_code == 429
        assert error_of(refused) == {
            "code": "quota_exceeded",
            "message": "what may be spent is spent: output_tokens",
            "limit": "output_tokens",
        }
        assert 1 <= int(refused.headers["retry-after"]) <= 3600


def test_error_of_the_application_is_told_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(request: HTTPConnection) -> Any:
        raise ValueError("secret")

    with served(broken) as client:
        response = client.post("/runs", json={"input": "hi"})
    assert response.status_code == 500
    error = error_of(response)
    assert error["message"] == "Something went wrong."
    assert error["error_id"] in caplog.text
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"runnable": "agent"}, "not a LangChain Runnable"),
        ({"view": "chats"}, "chats"),
        ({"authenticate": "me"}, "authenticate= takes a function"),
        ({"allow_origins": "https://app.example"}, "allow_origins="),
        ({"on_end": 7}, "on_end"),
        ({"manager": "sqlite:///runs.db"}, "write manager=RunManager"),
        ({"allow_origins": ["app.example"]}, "'app.example' is no origin; write it as in"),
        ({"allow_origins": ["https://app.example/"]}, "is no origin; write 'https://app.example'"),
        ({"allow_origins": ["https://app.example/x"]}, "write 'https://app.example'"),
        ({"allow_origins": [None]}, "None is no origin"),
        ({"heartbeat_s": 0}, "heartbeat_s=0 has to be positive"),
        ({"send_timeout_s": -1}, "send_timeout_s=-1 has to be positive"),
        ({"max_body_bytes": 0}, "max_body_bytes=0 has to be positive"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_router_that_cannot_work_is_refused_when_it_is_made(wrong: Any, said: str) -> None:
    options = {"runnable": speaker(), **wrong}
    with pytest.raises(StreamUsageError, match=said):
        streamkit_router(options.pop("runnable"), **options)


def test_process_and_log_are_asked_whether_they_can_serve() -> None:
    with served(speaker()) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json() == {"status": "ready"}
        assert client.get("/metrics").status_code == 404


def test_metrics_are_given_when_they_are_asked_for() -> None:
    with served(speaker(), metrics=True) as client:
        with started(client) as stream:
            stream.rest()
        eventually(lambda: "streamkit_runs_active 0.0" in client.get("/metrics").text)
        text = client.get("/metrics").text
        assert "streamkit_runs_started_total 1.0" in text
        assert 'streamkit_runs_ended_total{outcome="finished"} 1.0' in text


def test_openapi_describes_every_endpoint() -> None:
    with served(speaker(), protocols=["native"]) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/runs",
        "/runs/{run_id}",
        "/runs/{run_id}/events",
        "/runs/{run_id}/cancel",
        "/threads/{thread_id}/messages",
        "/threads/{thread_id}/run",
        "/health",
        "/ready",
    }
    start = paths["/runs"]["post"]
    body = start["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"input", "thread_id", "metadata", "resume"}
    assert {"200", "202", "409", "429"} <= set(start["responses"])


def test_javascript_client_is_served_with_what_it_imports_and_nothing_else() -> None:
    with served(speaker(), prefix="/api") as client:
        found = client.get("/static/streamkit.js")
        assert found.headers["content-type"].startswith("text/javascript")
        assert "class StreamkitClient" in found.text
        assert client.get("/static/client/http.js").status_code == 200
        assert client.get("/static/vendor/eventsource-parser.js").status_code == 200
        for path in (
            "page.js",
            "index.html",
            "client/../page.js",
            "client/nope.js",
            "%2e%2e/app.py",
        ):
            assert client.get(f"/static/{path}").status_code == 404, path
