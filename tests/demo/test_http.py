"""The demo's HTTP side, with a real server, a real client and the agent on a scripted provider."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from langchain_streamkit import check_stream
from langchain_streamkit.serve.demo_script import answer
from langchain_streamkit.testing import ToolCall, Turn
from langchain_streamkit.testing.waiting import await_until
from tests.demo.demos import WAIT_S, demo, said

if TYPE_CHECKING:
    import httpx

    from tests.demo.conftest import Ask

QUESTION = "What is the weather in Lisbon, and what is 12 * 34?"


async def test_run_streams_a_legal_view_that_ends_with_run_finished_and_the_end_frame(
    ask: Ask,
) -> None:
    with demo(answer) as served:
        async with ask(served, QUESTION) as run:
            events = await run.all()
    assert not check_stream(events, view=True)
    assert run.types[0] == "run.started"
    assert run.types[-1] == "run.finished"
    assert run.ended


async def test_two_tools_run_side_by_side_and_the_answer_tells_their_results(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, QUESTION) as run:
            events = await run.all()
    tools = [event.type for event in events if event.type in {"tool.started", "tool.finished"}]
    assert tools == ["tool.started", "tool.started", "tool.finished", "tool.finished"]
    results = [event.content for event in events if event.type == "tool.finished"]
    assert "408" in results
    assert "`12 * 34` makes **408**." in run.text
    assert "In Lisbon it is " in run.text


async def test_text_arrives_while_the_provider_still_speaks(ask: Ask) -> None:
    gate = threading.Event()
    with demo([Turn(["One ", "two"], hold={1: gate})]) as served:
        async with ask(served, "hi") as run:
            delta = await run.until("text.delta")
            assert delta.text == "One "
            assert not served.provider.requests[0].completed.is_set()
            gate.set()
            await run.all()
    assert run.text == "One two"


async def test_cancel_closes_the_providers_connection_within_100_ms(
    ask: Ask, client: httpx.AsyncClient
) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        async with ask(served, "hi") as run:
            await run.until("text.delta")
            run_id = run.events[0].run_id
            asked_at = time.monotonic()
            response = await client.post(f"{served.url}/runs/{run_id}/cancel")
            left_at = await served.provider.requests[0].await_disconnected()
            events = await run.all()
    assert left_at - asked_at < 0.1
    assert response.json() == {"run_id": run_id, "outcome": "cancelled"}
    assert events[-1].to_dict()["reason"] == "user"
    assert run.ended


async def test_client_that_leaves_stops_its_run(ask: Ask) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        async with ask(served, "hi") as run:
            await run.until("text.delta")
        await served.provider.requests[0].await_disconnected()
        await await_until(lambda: not len(served.live), WAIT_S, lambda: "the run is still known")
    assert "cancelled by disconnect" in served.terminal.getvalue()


async def test_run_is_forgotten_when_it_has_ended(ask: Ask, client: httpx.AsyncClient) -> None:
    with demo(["Hello"]) as served:
        async with ask(served, "hi") as run:
            await run.all()
        run_id = run.events[0].run_id
        response = await client.post(f"{served.url}/runs/{run_id}/cancel")
        health = await client.get(f"{served.url}/healthz")
    assert response.status_code == 404
    assert health.json()["live_runs"] == 0


async def test_second_question_of_a_thread_sees_the_first(ask: Ask) -> None:
    with demo(["Hello Ada", "You are Ada"]) as served:
        async with ask(served, "I am Ada") as first:
            started = await first.until("run.started")
            await first.all()
        async with ask(served, "Who am I?", thread_id=started.thread_id) as second:
            await second.all()
        history = said(served.provider.requests[1])
    assert history[1:] == [("user", "I am Ada"), ("assistant", "Hello Ada"), ("user", "Who am I?")]
    assert second.text == "You are Ada"


async def test_runs_without_a_thread_do_not_see_each_other(ask: Ask) -> None:
    with demo(["one", "two"]) as served:
        for text in ("first", "second"):
            async with ask(served, text) as run:
                await run.all()
        history = said(served.provider.requests[1])
    assert history[1:] == [("user", "second")]


async def test_conversation_goes_on_after_a_stop_while_tools_ran(
    ask: Ask, client: httpx.AsyncClient
) -> None:
    call = Turn(tool_calls=[ToolCall("get_weather", {"city": "Lisbon"}, id="call_1")])
    with demo([call, "Fine."]) as served:
        async with ask(served, "weather?", thread_id="t") as run:
            await run.until("tool.started")
            await client.post(f"{served.url}/runs/{run.events[0].run_id}/cancel")
            await run.all()
        async with ask(served, "never mind", thread_id="t") as second:
            await second.all()
        messages = served.provider.requests[1].body["messages"]
    assert run.types[-1] == "run.cancelled"
    assert second.text == "Fine."
    # What OpenAI demands: after a message with calls, an answer to each of them.
    roles = [message["role"] for message in messages]
    assert roles == ["system", "user", "assistant", "tool", "user"]
    assert messages[3]["tool_call_id"] == "call_1"


async def test_failed_tool_is_told_to_the_model_and_the_run_goes_on(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, "What is 1 / 0?") as run:
            await run.all()
    assert "tool.failed" in run.types
    assert run.types[-1] == "run.finished"
    assert "divides by zero" in run.text


async def test_failed_run_tells_the_client_no_exception_text(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, "Fail in the middle of the answer") as run:
            events = await run.all()
    assert run.types[-1] == "run.failed"
    assert run.ended
    assert run.text.startswith("This answer will break off")
    assert all(b"the script fails here" not in event.to_json() for event in events)


async def test_run_beyond_its_budget_is_stopped_with_what_it_spent(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, "Count to 300", metadata={"output_budget": 60}) as run:
            events = await run.all()
        await served.provider.requests[0].await_disconnected()
    end = events[-1].to_dict()
    assert (end["type"], end["reason"]) == ("run.cancelled", "budget")
    assert 60 < end["usage"]["output_tokens"] < 70
    assert "■ stopped by the budget · " in served.terminal.getvalue()


async def test_tokens_and_cost_are_told_while_the_model_speaks_and_at_the_end(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, "Count to 30") as run:
            events = await run.all()
    updates = [event.usage for event in events if event.type == "usage.updated"]
    end = events[-1].to_dict()["usage"]
    assert len(updates) > 2
    assert all(usage.cost is not None for usage in updates)
    assert end["source"] == "provider"
    # $0.40 and $1.60 per million
    assert float(end["cost"]) == pytest.approx(
        (0.4 * end["input_tokens"] + 1.6 * end["output_tokens"]) / 1e6
    )


async def test_run_is_shown_in_the_terminal_too(ask: Ask) -> None:
    with demo(answer) as served:
        async with ask(served, QUESTION) as run:
            await run.all()
    shown = served.terminal.getvalue()
    assert '→ calculate(expression="12 * 34")' in shown
    assert run.text.removeprefix("Let me find out.") in shown
    assert "first token" in shown


async def test_shutdown_ends_open_runs_and_tells_their_clients(ask: Ask) -> None:
    with demo([Turn(["One ", "two"], hold={1: threading.Event()})]) as served:
        async with ask(served, "hi") as run:
            await run.until("text.delta")
            served.server.should_exit = True
            events = await run.all()
        await served.provider.requests[0].await_disconnected()
    assert events[-1].to_dict()["reason"] == "shutdown"
    assert run.ended


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b'{"input": ', 400, "invalid_json"),
        (b'{"input": "\xff"}', 400, "invalid_json"),
        (b'{"more": ' + b"[" * 100_000, 400, "invalid_json"),
        (b"{}", 422, "invalid_body"),
        (b'"hi"', 422, "invalid_body"),
        (b'{"input": 1}', 422, "invalid_body"),
        (b'{"input": ""}', 422, "invalid_body"),
        (b'{"input": "hi", "thread_id": 7}', 422, "invalid_body"),
        (b'{"input": "hi", "thread_id": ""}', 422, "invalid_body"),
        (b'{"input": "hi", "metadata": {"output_budget": 0}}', 422, "invalid_body"),
        (b'{"input": "hi", "metadata": {"output_budget": "60"}}', 422, "invalid_body"),
        (b'{"input": "' + b"x" * 300_000 + b'"}', 413, "too_large"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else str(value),
)
async def test_wrong_body_is_refused_with_a_reason(
    client: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    with demo(["never said"]) as served:
        response = await client.post(f"{served.url}/runs", content=body)
        assert not served.provider.requests
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]


async def test_unknown_run_cannot_be_cancelled(client: httpx.AsyncClient) -> None:
    with demo([]) as served:
        response = await client.post(f"{served.url}/runs/nonsense/cancel")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_run"


@pytest.mark.parametrize("path", ["/runs", "/runs/x/cancel"])
async def test_page_of_another_site_starts_and_stops_nothing(
    client: httpx.AsyncClient, path: str
) -> None:
    with demo([]) as served:
        response = await client.post(
            f"{served.url}{path}", json={"input": "hi"}, headers={"origin": "https://evil.example"}
        )
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "foreign_origin"


async def test_name_of_another_site_that_points_here_is_refused(client: httpx.AsyncClient) -> None:
    with demo([]) as served:
        response = await client.get(f"{served.url}/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "foreign_host"
    assert "--host 0.0.0.0" in response.json()["error"]["message"]


async def test_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    with demo([]) as served:
        page = await client.get(f"{served.url}/")
        policy: Any = page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http://www.w3.org" in page.text
    assert page.text.count("http") == 1  # the icon's namespace


async def test_health_says_which_provider_is_used(client: httpx.AsyncClient) -> None:
    with demo([]) as served:
        response = await client.get(f"{served.url}/healthz")
    assert response.json() == {
        "status": "ok",
        "live_runs": 0,
        "provider": "scripted",
        "model": "scripted",
        "prices": "example prices: $0.40 in, $1.60 out per million tokens",
    }
