from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from langchain_streamkit.testing import (
    Malformed,
    Reasoning,
    ScriptError,
    ScriptExhausted,
    ToolCall,
    Turn,
)
from langchain_streamkit.testing.script import Script
from langchain_streamkit.testing.turns import as_turn


def script(turns: Any, *, cycle: bool = False) -> Script[int]:
    return Script(turns, cycle=cycle, owner="Model")


@pytest.mark.parametrize("text", ["Hello you there", "  a\n\nb  ", " ", "", "\n", "één 😀 x"])
def test_pieces_of_a_text_join_to_the_text(text: str) -> None:
    assert "".join(Turn(text).pieces()) == text  # type: ignore[arg-type]


def test_text_is_cut_before_each_word() -> None:
    assert list(Turn("Hello you there").pieces()) == ["Hello", " you", " there"]


def test_list_of_strings_is_taken_as_it_is() -> None:
    assert list(Turn(["Hel", "lo y", "ou"]).pieces()) == ["Hel", "lo y", "ou"]


def test_reasoning_comes_before_text_and_tool_calls_after() -> None:
    turn = Turn("answer", reasoning="thought", tool_calls=[ToolCall("f", id="1")])
    kinds = [type(piece) for piece in turn.pieces()]
    assert kinds == [Reasoning, str, dict, dict]


def test_tool_call_gives_id_and_name_once_and_its_arguments_in_pieces() -> None:
    first, *rest = list(ToolCall("search", {"q": "cats and dogs"}, id="c1").pieces(2))
    assert first == {"index": 2, "id": "c1", "name": "search", "args": ""}
    assert len(rest) > 1
    assert all(set(piece) == {"index", "args"} for piece in rest)
    assert json.loads("".join(piece["args"] for piece in rest)) == {"q": "cats and dogs"}


def test_arguments_can_be_split_by_hand_and_need_not_be_json() -> None:
    split = ToolCall("f", ['{"q": "\\u00', 'e9"}'])
    assert [piece["args"] for piece in split.pieces(0)] == ["", '{"q": "\\u00', 'e9"}']
    assert [piece["args"] for piece in ToolCall("f", "not json").pieces(0)] == ["", "not json"]


def test_absent_tool_call_id_is_minted_anew_at_each_play() -> None:
    turn = Turn(tool_calls=[ToolCall("f")])
    ids = {next(turn.pieces())["id"] for _ in range(3)}  # type: ignore[index]
    assert len(ids) == 3


def test_langchain_tool_call_dict_is_a_tool_call() -> None:
    as_dict = {"type": "tool_call", "name": "f", "args": {"x": 1}, "id": "c"}
    assert Turn(tool_calls=[as_dict]) == Turn(tool_calls=[ToolCall("f", {"x": 1}, "c")])


def test_interleaved_calls_take_turns() -> None:
    calls = [ToolCall("a", ["1", "2"]), ToolCall("b", ["3"])]
    order = [
        piece["index"]  # type: ignore[index]
        for piece in Turn(tool_calls=calls, interleave=True).pieces()
    ]
    assert order == [0, 1, 0, 1, 0]


def test_delays_and_gates_stand_before_their_chunks() -> None:
    first, last = threading.Event(), threading.Event()
    turn = Turn(["a", "b"], delay=0.5, hold={0: first, 2: last})
    assert list(turn.pieces()) == [0.5, first, "a", 0.5, "b", last]


def test_error_comes_after_fail_after_chunks() -> None:
    error = ValueError("boom")
    assert list(Turn(["a", "b", "c"], fail_after=2, error=error).pieces()) == ["a", "b", error]
    assert list(Turn(["a", "b"], error=error).pieces()) == ["a", "b", error]
    assert list(Turn(["a"], fail_after=0, error=error).pieces()) == [error]


def test_fail_after_alone_raises_a_runtime_error() -> None:
    *_, error = Turn(["a", "b"], fail_after=1).pieces()
    assert isinstance(error, RuntimeError)
    assert "after 1 chunks" in str(error)


def test_delays_and_malformed_lines_are_no_chunks_to_count() -> None:
    turn = Turn(chunks=[0.1, "a", Malformed(), "b"], fail_after=1, error=OSError())
    assert [type(piece) for piece in turn.pieces()] == [float, str, Malformed, OSError]


def test_usage_gets_its_total() -> None:
    assert Turn(usage={"input_tokens": 2, "output_tokens": 3}).usage == {
        "input_tokens": 2,
        "output_tokens": 3,
        "total_tokens": 5,
    }


def test_script_is_not_changed_by_changing_what_it_was_made_of() -> None:
    pieces: list[Any] = ["a", {"index": 0, "args": "{"}]
    turns: list[Any] = [pieces]
    made = script(turns)
    turns.append("late")
    pieces.append("late")
    pieces[1]["args"] = "changed"
    assert list(made.take(0, None).pieces()) == ["a", {"index": 0, "args": "{"}]
    with pytest.raises(ScriptExhausted):
        made.take(1, None)


def test_turns_are_taken_in_order_and_then_none_is_left() -> None:
    made = script(["a", Turn("b")])
    assert [made.take(n, None).text for n in range(2)] == [("a",), ("b",)]
    with pytest.raises(ScriptExhausted, match=r"call 3 of Model.*2 turns.*cycle=True"):
        made.take(2, None)


def test_cycle_starts_again() -> None:
    made = script(["a", "b"], cycle=True)
    assert [made.take(n, None).text for n in range(5)] == [("a",), ("b",), ("a",), ("b",), ("a",)]


def test_empty_script_is_exhausted_even_with_cycle() -> None:
    with pytest.raises(ScriptExhausted):
        script([], cycle=True).take(0, None)


def test_function_among_the_turns_gets_the_argument() -> None:
    made = script(["a", lambda question: f"to {question}"])
    made.take(0, "x")
    assert made.take(1, "you").text == ("to", " you")


def test_function_as_the_script_answers_for_ever() -> None:
    made = script(lambda n: f"n{n}")
    assert [made.take(0, n).text for n in range(50)] == [(f"n{n}",) for n in range(50)]


def test_every_turn_goes_to_one_of_many_threads() -> None:
    made = script([str(n) for n in range(400)])
    barrier = threading.Barrier(8)
    taken: list[tuple[str, ...]] = []

    def work() -> None:
        barrier.wait()
        taken.extend(tuple(made.take(0, None).text) for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted((str(n),) for n in range(400))
    assert len(made.taken) == 400


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: script("hello"), r"takes a list.*\['hello'\]"),
        (lambda: script(Turn("a")), "takes a list of turns"),
        (lambda: script(None), "takes a list of turns"),
        (lambda: script([3]), "3 is not a turn"),
        (lambda: script([["a", object()]]), "chunk 1 is"),
        (lambda: script([["a", ValueError]]), "exception instance"),
        (lambda: script([[True]]), "chunk 0 is True"),
        (lambda: script([[{"function": {}}]]), r"\['function'\].*index, id, name and args"),
        (lambda: script([[{"args": {"q": 1}}]]), "must be text"),
        (lambda: Turn("a", chunks=["b"]), "instead of text"),
        (lambda: Turn(tool_calls=[{"nom": "f"}]), "not a tool call"),
        (lambda: Turn(tool_calls=["f"]), "not a tool call"),  # type: ignore[list-item]
        (lambda: Turn(usage={"prompt_tokens": 1}), "input_tokens"),
        (lambda: Turn(error="boom"), "exception instance"),  # type: ignore[arg-type]
        (lambda: as_turn(lambda: "a"), "not a turn"),
    ],
)
def test_what_cannot_be_played_is_refused_with_what_to_write(make: Any, says: str) -> None:
    with pytest.raises(ScriptError, match=says):
        make()
