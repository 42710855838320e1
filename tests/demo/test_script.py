"""What the scripted provider of the demo says."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_streamkit import TokenCounter
from langchain_streamkit.serve.demo_script import answer
from langchain_streamkit.testing import ProviderError


def ask(*messages: dict[str, Any] | str) -> Any:
    return answer(
        {
            "messages": [
                m if isinstance(m, dict) else {"role": "user", "content": m} for m in messages
            ]
        }
    )


def text_of(turn: Any) -> str:
    return "".join(piece for piece in turn.chunks if isinstance(piece, str))


def calls_of(turn: Any) -> list[tuple[str, str]]:
    """Name and argument text of each call."""
    names: dict[int, str] = {}
    args: dict[int, str] = {}
    for piece in turn.chunks:
        if isinstance(piece, dict):
            names.setdefault(piece["index"], piece.get("name", ""))
            args[piece["index"]] = args.get(piece["index"], "") + piece["args"]
    return [(names[index], args[index]) for index in names]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("weather in Paris?", [("get_weather", '{"city": "Paris"}')]),
        ("Is it cold in New York and Tromsø?", [
            ("get_weather", '{"city": "New York"}'),
            ("get_weather", '{"city": "Tromsø"}'),
        ]),
        ("What is 12 * 34?", [("calculate", '{"expression": "12 * 34"}')]),
        ("(2+3)**2 please", [("calculate", '{"expression": "(2+3)**2"}')]),
        ("Weather in Rome, and what is 1/8?", [
            ("get_weather", '{"city": "Rome"}'),
            ("calculate", '{"expression": "1/8"}'),
        ]),
        ("I was born in Paris in 1984", []),
        ("hello", []),
    ],
)  # fmt: skip
def test_question_asks_for_the_tools_it_names(question: str, calls: list[tuple[str, str]]) -> None:
    assert calls_of(ask(question)) == calls


def test_question_about_another_city_follows_one_about_weather() -> None:
    assert calls_of(ask("weather in Paris?", "And in Oslo?")) == [
        ("get_weather", '{"city": "Oslo"}')
    ]


def test_answer_is_made_of_the_tools_results_since_the_question() -> None:
    asked = {"id": "c1", "function": {"name": "calculate", "arguments": '{"expression": "6*7"}'}}
    turn = ask(
        "What is 6*7?",
        {"role": "assistant", "content": "", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    )
    assert text_of(turn).startswith("`6*7` makes **42**.")
    assert not calls_of(turn)


def test_counting_counts_as_far_as_asked_within_reason() -> None:
    assert text_of(ask("Count to 3")) == "1, 2, 3."
    assert text_of(ask("count to 99999")).endswith(" 500.")


def test_failing_on_request_comes_after_text() -> None:
    chunks = ask("fail, please").chunks
    assert isinstance(chunks[-1], ProviderError)
    assert text_of(ask("fail, please"))


def test_conversation_is_remembered_and_quoted() -> None:
    assert "“I am Ada”" in text_of(ask("I am Ada", "What did I say?"))
    assert "first thing" in text_of(ask("What did I say?"))


def test_content_in_parts_is_read_like_text() -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "Count to 2"}]}
    assert text_of(ask(parts)) == "1, 2."


def test_answer_takes_its_time() -> None:
    delays = [piece for piece in ask("hello").chunks if isinstance(piece, float)]
    assert delays
    assert 1 < sum(delays) < 10


@pytest.mark.parametrize(
    "question", ["Count to 30", "What is the weather in Tromsø, and what is 12 * 34?"]
)
def test_usage_it_reports_is_that_of_what_it_says(question: str) -> None:
    turn = ask(question)
    written = [text_of(turn), *(arguments for _, arguments in calls_of(turn))]
    assert turn.usage is not None
    assert turn.usage["output_tokens"] == sum(TokenCounter("o200k_base").feed(t) for t in written)
    assert turn.usage["input_tokens"] > 0
