"""The message assembler, rule by rule."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_streamkit.sources.assembler import MessageAssembler
from langchain_streamkit.sources.pieces import (
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    WholeBlock,
)
from tests.sources.assembling import Session, Told, assemble, assemble_whole, merged

if TYPE_CHECKING:
    from collections.abc import Callable


def text(*pieces: str) -> list[AIMessageChunk]:
    return [AIMessageChunk(content=piece) for piece in pieces]


def call(index: Any = None, id: Any = None, name: Any = None, args: Any = None) -> AIMessageChunk:
    made = {"index": index, "id": id, "name": name, "args": args, "type": "tool_call_chunk"}
    chunk = AIMessageChunk(content="")
    chunk.tool_call_chunks = [made]  # type: ignore[list-item]  # not validated, as some providers
    return chunk


def fed(*pieces: Any) -> Told:
    session = Session()
    session.assembler.feed(pieces)
    return session.finish()[0]


# ---- text and reasoning ------------------------------------------------------------------------


def test_text_is_one_block_of_deltas() -> None:
    told = assemble(text("Hel", "", "lo"))
    assert told.types == ["text.started", "text.delta", "text.delta", "text.finished"]
    assert told.of("text") == [{"text": "Hello"}]


def test_message_without_content_has_no_blocks() -> None:
    assert assemble(text("", "")).events == []


def test_reasoning_closes_before_text_starts() -> None:
    told = assemble(
        [
            AIMessageChunk(content="", additional_kwargs={"reasoning_content": "hm"}),
            AIMessageChunk(content="so", additional_kwargs={"reasoning_content": "."}),
        ]
    )
    assert told.types.index("reasoning.finished") < told.types.index("text.started")
    assert (told.joined("reasoning"), told.joined("text")) == ("hm.", "so")


def test_another_key_is_another_block() -> None:
    told = fed(TextPiece(0, "a"), TextPiece(0, "b"), TextPiece("lc_txt_1", "c"))
    assert told.of("text") == [{"text": "ab"}, {"text": "c"}]


def test_text_that_returns_to_a_finished_block_starts_a_new_one() -> None:
    told = fed(TextPiece(0, "a"), TextPiece(1, "b"), TextPiece(0, "c"))
    assert told.of("text") == [{"text": "a"}, {"text": "b"}, {"text": "c"}]


def test_text_without_key_continues_the_open_block() -> None:
    told = fed(TextPiece(0, "a"), TextPiece(None, "b"), TextPiece(0, "c"))
    assert told.of("text") == [{"text": "abc"}]


def test_text_after_a_tool_call_is_a_new_block_while_the_call_stays_open() -> None:
    told = assemble(
        [*text("a"), call(0, "x", "f", '{"k":'), *text("b"), call(0, args="1}"), *text("c")]
    )
    assert [b["kind"] for b in told.blocks] == ["text", "tool_call", "text"]
    assert told.of("text") == [{"text": "a"}, {"text": "bc"}]
    assert told.calls == [("x", "f", {"k": 1})]


def test_annotations_are_collected_on_the_finished_event() -> None:
    told = fed(TextPiece(0, "a", ({"n": 1},)), TextPiece(0, "", ({"n": 2},)))
    assert told.of("text") == [{"text": "a", "annotations": [{"n": 1}, {"n": 2}]}]


def test_signature_goes_to_extras_and_continues_in_pieces() -> None:
    told = fed(
        ReasoningPiece(0, "hm"),
        ReasoningPiece(0, "", {"signature": "S1"}),
        ReasoningPiece(0, "", {"signature": "S2", "id": "rs"}),
        ReasoningPiece(0, "", {"id": "rs"}),
    )
    assert told.of("reasoning") == [{"text": "hm", "extras": {"signature": "S1S2", "id": "rs"}}]


def test_signature_that_comes_late_goes_to_the_open_reasoning_block() -> None:
    told = fed(
        ReasoningPiece("0.0", "a"),
        ReasoningPiece("0.1", "b"),
        ReasoningPiece("0.0", "", {"encrypted_content": "E"}),
    )
    assert told.of("reasoning") == [
        {"text": "a"},
        {"text": "b", "extras": {"encrypted_content": "E"}},
    ]


def test_signature_that_comes_after_everything_is_not_lost() -> None:
    told = fed(
        ReasoningPiece(0, "a"),
        TextPiece(1, "b"),
        ReasoningPiece(0, "", {"signature": "S"}),
        ReasoningPiece(0, "", {"id": "rs"}),
    )
    assert told.of("reasoning") == [
        {"text": "a"},
        {"text": "", "extras": {"signature": "S", "id": "rs"}},
    ]


def test_text_block_is_not_opened_for_an_id_alone() -> None:
    told = fed(TextPiece(0, "a"), TextPiece(1, "b"), TextPiece(0, "", (), {"id": "msg"}))
    assert told.of("text") == [{"text": "a"}, {"text": "b"}]


def test_citation_that_comes_late_is_not_given_to_another_text() -> None:
    told = fed(TextPiece(0, "a"), TextPiece(1, "b"), TextPiece(0, "", ({"n": 1},)))
    assert told.of("text") == [
        {"text": "a"},
        {"text": "b"},
        {"text": "", "annotations": [{"n": 1}]},
    ]


def test_surrogate_halves_split_over_two_deltas_are_joined() -> None:
    told = assemble(text("a\ud83d", "\ude00b"))
    assert told.of("text") == [{"text": "a😀b"}]


def test_lone_surrogate_at_the_end_becomes_replacement_character() -> None:
    assert assemble(text("a\ud83d")).of("text") == [{"text": "a\ufffd"}]
    assert assemble(text("a\ud83d", "b")).of("text") == [{"text": "a\ufffdb"}]


def test_text_so_far_is_the_visible_text() -> None:
    session = Session()
    session.assembler.feed(
        [ReasoningPiece(None, "hm"), TextPiece(0, "a"), TextPiece(1, "b"), TextPiece(1, "c\ud83d")]
    )
    assert session.assembler.text_so_far == "abc"


# ---- tool calls --------------------------------------------------------------------------------


def test_tool_call_starts_as_soon_as_name_and_id_are_known() -> None:
    session = Session().feed([call(0, "x", "f", "")])
    assert [e.type for e in session.recorder.events] == ["tool_call.started"]


def test_interleaved_parallel_calls_are_kept_apart_by_index() -> None:
    told = assemble(
        [
            call(0, "a", "f", '{"x"'),
            call(1, "b", "g", '{"y"'),
            call(0, args=": 1}"),
            call(1, args=": 2}"),
        ]
    )
    assert told.calls == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_index_in_a_string_is_the_same_index() -> None:
    """langchain#38456: index "0" and 0."""
    told = assemble([call("0", "a", "f", '{"x"'), call(0, args=": 1}")])
    assert told.calls == [("a", "f", {"x": 1})]


def test_same_index_with_a_different_id_is_a_new_call() -> None:
    """langchain#35281."""
    told = assemble(
        [
            call(0, "a", "f", '{"x": 1}'),
            call(0, "b", "f", '{"x"'),
            call(0, None, None, ": 2}"),
        ]
    )
    assert told.calls == [("a", "f", {"x": 1}), ("b", "f", {"x": 2})]


def test_calls_that_share_an_index_may_interleave_by_id() -> None:
    told = assemble(
        [
            call(0, "a", "f", '{"x"'),
            call(0, "b", "g", '{"y"'),
            call(0, "a", None, ": 1}"),
            call(0, "b", None, ": 2}"),
        ]
    )
    assert told.calls == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_chunks_without_index_join_the_last_open_call() -> None:
    """P22: LangChain itself makes one empty and one invalid call of this."""
    chunks = [call(None, "a", "f", '{"x"'), call(args=": 1}")]
    told = assemble(chunks, merged(chunks))
    assert told.calls == [("a", "f", {"x": 1})]


def test_chunks_without_index_join_by_id() -> None:
    told = assemble(
        [
            call(None, "a", "f", '{"x"'),
            call(None, "b", "g", '{"y"'),
            call(None, "a", None, ": 1}"),
            call(None, "b", None, ": 2}"),
        ]
    )
    assert told.calls == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_calls_with_neither_index_nor_id_are_told_apart_by_name() -> None:
    told = assemble([call(name="f", args='{"x": 1}'), call(name="g", args="{}")])
    assert told.calls == [("minted_1", "f", {"x": 1}), ("minted_2", "g", {})]


def test_same_function_twice_with_neither_index_nor_id_is_two_calls() -> None:
    told = assemble([call(name="f", args='{"x": 1}'), call(name="f", args='{"x": 2}')])
    assert told.calls == [("minted_1", "f", {"x": 1}), ("minted_2", "f", {"x": 2})]


def test_same_index_without_id_and_with_another_name_is_a_new_call() -> None:
    told = assemble([call(0, None, "f", "{}"), call(0, None, "g", '{"y": 2}')])
    assert told.calls == [("minted_1", "f", {}), ("minted_2", "g", {"y": 2})]


def test_another_name_in_the_middle_is_another_call_unless_the_index_says_otherwise() -> None:
    def cut(index: int | None) -> list[AIMessageChunk]:
        return [call(index, None, "f", '{"x"'), call(index, None, "g", ": 1}")]

    assert [c[2] for c in assemble(cut(None)).calls] == [None, None]
    assert [c[2] for c in assemble(cut(0)).calls] == [{"x": 1}]


def test_late_id_joins_and_earlier_arguments_are_in_the_first_delta() -> None:
    told = assemble(
        [call(0, None, "f", '{"x"'), call(0, None, None, ": "), call(0, "a", None, "1}")]
    )
    assert told.types == ["tool_call.started", "tool_call.delta", "tool_call.finished"]
    assert told.calls == [("a", "f", {"x": 1})]


def test_late_name_joins() -> None:
    told = assemble([call(0, "a", None, '{"x"'), call(0, None, "f", ": 1}")])
    assert told.calls == [("a", "f", {"x": 1})]


def test_late_index_joins() -> None:
    told = assemble([call(None, "a", "f", '{"x"'), call(0, None, None, ": 1"), call(0, args="}")])
    assert told.calls == [("a", "f", {"x": 1})]


def test_repeated_id_and_name_are_ignored() -> None:
    told = assemble([call(0, "a", "f", '{"x"'), call(0, "a", "f", ": 1"), call(0, "a", "f", "}")])
    assert told.calls == [("a", "f", {"x": 1})]


def test_repeated_name_without_index_and_id_is_ignored() -> None:
    told = assemble([call(name="f", args='{"x"'), call(name="f", args=": 1}")])
    assert told.calls == [("minted_1", "f", {"x": 1})]


def test_name_in_two_fragments_is_joined_while_the_call_has_not_started() -> None:
    told = assemble([call(0, None, "get_"), call(0, None, "weather"), call(0, "a", None, "{}")])
    assert told.calls == [("a", "get_weather", {})]


def test_id_that_never_comes_is_minted_at_the_end() -> None:
    session = Session().feed([call(0, None, "f", "{}"), call(1, None, "g", "{}")])
    assert session.recorder.events == []
    told, ending = session.finish()
    assert told.calls == [("minted_1", "f", {}), ("minted_2", "g", {})]
    assert [c.tool_call_id for c in ending.calls] == ["minted_1", "minted_2"]


def test_name_that_never_comes_is_empty() -> None:
    assert assemble([call(0, "a", None, "{}")]).calls == [("a", "", {})]


@pytest.mark.parametrize("args", [None, "", " "])
def test_no_arguments_are_an_empty_object(args: str | None) -> None:
    told = assemble([call(0, "a", "f", args)])
    assert told.calls == [("a", "f", {})]


def test_arguments_given_as_an_object_are_one_delta() -> None:
    told = fed(ToolPiece(0, "a", "f", {"city": "Zürich", "n": [1]}))
    assert told.types == ["tool_call.started", "tool_call.delta", "tool_call.finished"]
    assert told.calls == [("a", "f", {"city": "Zürich", "n": [1]})]


def test_object_given_again_is_not_doubled_and_another_one_is_another_call() -> None:
    told = fed(
        ToolPiece(None, None, "f", {"x": 1}),
        ToolPiece(None, None, None, {"x": 1}),
        ToolPiece(None, None, "f", {"x": 2}),
    )
    assert told.calls == [("minted_1", "f", {"x": 1}), ("minted_2", "f", {"x": 2})]


def test_arguments_split_inside_a_surrogate_pair_or_an_escape_are_joined() -> None:
    told = assemble(
        [
            call(0, "a", "f", '{"x": "\ud83d'),
            call(0, args="\ude00\\ud8"),
            call(0, args='3d\\ude00"}'),
        ]
    )
    assert told.calls == [("a", "f", {"x": "😀😀"})]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ('{"x": 1', "Expecting"),
        ("[1]", "not an object but list"),
        ("null", "not an object but NoneType"),
        ('{"x": NaN}', "NaN is not JSON"),
        ('{"x": -Infinity}', "-Infinity is not JSON"),
        ('{"x": 1e999}', "out of range"),
        ('{"x": "\n"}', "control character"),
        ("{}{}", "Extra data"),
        ('{"x": \ud83d', "Expecting"),
        ('{"x":' + "[" * 100_000, "nested too deep"),
    ],
    ids=range(10),
)
def test_invalid_arguments_say_what_is_wrong(args: str, error: str) -> None:
    (block,) = assemble([call(0, "a", "f", args)]).of("tool_call")
    assert block["args"] is None
    assert error in block["invalid"].error


def test_extras_of_a_tool_call_are_on_its_finished_event() -> None:
    told = fed(ToolPiece(0, "a", "f", "{", {"item_id": "fc"}), ToolPiece(0, None, None, "}"))
    assert told.of("tool_call")[0]["extras"] == {"item_id": "fc"}


# ---- other blocks ------------------------------------------------------------------------------


def test_other_block_is_emitted_whole_and_closes_the_text() -> None:
    image = {"type": "image", "url": "http://x"}
    told = fed(TextPiece(0, "a"), WholeBlock(1, image), TextPiece(2, "b"))
    assert [b["kind"] for b in told.blocks] == ["text", "content", "text"]
    assert told.of("content") == [{"block": image}]


def test_block_said_twice_is_emitted_once() -> None:
    image = {"type": "image", "url": "http://x"}
    assert len(fed(WholeBlock(1, image), WholeBlock(1, dict(image))).of("content")) == 1
    assert len(fed(WholeBlock(None, image), WholeBlock(None, image)).of("content")) == 2


def test_call_of_a_servers_tool_in_parts_is_emitted_whole_with_its_arguments() -> None:
    told = fed(
        WholeBlock(1, {"type": "server_tool_call_chunk", "name": "s", "id": "x", "args": ""}),
        WholeBlock(1, {"type": "server_tool_call_chunk", "args": '{"q":'}),
        WholeBlock(1, {"type": "server_tool_call_chunk", "args": ' "a"}'}),
        TextPiece(2, "b"),
    )
    assert told.blocks == [
        {
            "kind": "content",
            "block": {"type": "server_tool_call", "name": "s", "id": "x", "args": {"q": "a"}},
        },
        {"kind": "text", "text": "b"},
    ]


def test_arguments_of_a_servers_tool_that_do_not_parse_stay_text() -> None:
    part = {"type": "server_tool_call_chunk", "name": "s", "args": '{"q":'}
    assert fed(WholeBlock(1, part)).of("content") == [{"block": part}]


@pytest.mark.parametrize(
    ("parts", "joined"),
    [(("AAAA", "BBBB"), "AAAABBBB"), (("AA==", "AA=="), "AAA="), (("A=", "B"), "A=B")],
)
def test_audio_in_parts_is_emitted_whole(parts: tuple[str, ...], joined: str) -> None:
    told = fed(
        *[WholeBlock("audio", {"type": "audio", "id": "au", "base64": part}) for part in parts]
    )
    assert told.of("content") == [{"block": {"type": "audio", "id": "au", "base64": joined}}]


def test_parts_of_an_unknown_block_merge_deeply() -> None:
    told = fed(
        WholeBlock(0, {"type": "non_standard", "value": {"type": "x", "a": "1", "l": [1]}}),
        WholeBlock(0, {"type": "non_standard", "value": {"a": "2", "l": [2], "b": None}}),
        WholeBlock(0, {"type": "non_standard", "value": {"a": None, "b": 3}}),
    )
    value = {"type": "x", "a": "12", "l": [1, 2], "b": 3}
    assert told.of("content") == [{"block": {"type": "non_standard", "value": value}}]


# ---- the final message -------------------------------------------------------------------------


def test_final_message_that_was_streamed_adds_nothing() -> None:
    chunks = [
        AIMessageChunk(content="", additional_kwargs={"reasoning_content": "hm"}),
        *text("Hel", "lo"),
        call(0, "a", "f", '{"x": 1}'),
    ]
    told = assemble(chunks, merged(chunks))
    assert told.types == assemble(chunks).types


def test_message_that_was_never_streamed_is_emitted_at_the_end() -> None:
    final = AIMessage(
        "Hello",
        additional_kwargs={"reasoning_content": "hm"},
        tool_calls=[{"name": "f", "args": {"x": 1}, "id": "a"}],
    )
    told = assemble([], final)
    assert [b["kind"] for b in told.blocks] == ["reasoning", "text", "tool_call"]
    assert told.calls == [("a", "f", {"x": 1})]


def test_text_streamed_in_part_is_completed_in_its_block() -> None:
    told = assemble(text("Hel"), AIMessage("Hello"))
    assert told.of("text") == [{"text": "Hello"}]


def test_text_streamed_in_part_is_completed_after_a_tool_call() -> None:
    told = assemble([*text("Hel"), call(0, "a", "f", "{}")], AIMessage("Hello"))
    assert told.joined("text") == "Hello"


def test_text_cut_inside_a_character_is_completed() -> None:
    told = assemble(text("a\ud83d"), AIMessage("a😀b"))
    assert told.of("text") == [{"text": "a😀b"}]


def test_blocks_of_the_final_text_that_were_not_streamed_are_blocks() -> None:
    final = AIMessage([{"type": "text", "text": "ab"}, "c"])
    assert assemble(text("a"), final).of("text") == [{"text": "ab"}, {"text": "c"}]


def test_streamed_text_wins_over_a_final_text_that_differs() -> None:
    for final in ("Bye", "Something else, and longer"):
        assert assemble(text("Hello"), AIMessage(final)).of("text") == [{"text": "Hello"}]


def test_reasoning_that_was_not_streamed_comes_from_the_final_message() -> None:
    final = AIMessage("Hello", additional_kwargs={"reasoning_content": "hm"})
    told = assemble(text("Hello"), final)
    assert (told.joined("text"), told.joined("reasoning")) == ("Hello", "hm")


def test_call_that_was_not_streamed_comes_from_the_final_message() -> None:
    final = AIMessage(
        "",
        tool_calls=[
            {"name": "f", "args": {"x": 1}, "id": "a"},
            {"name": "g", "args": {}, "id": "b"},
        ],
    )
    told = assemble([call(0, "b", "g", "{}")], final)
    assert told.calls == [("b", "g", {}), ("a", "f", {"x": 1})]


def test_arguments_that_were_not_streamed_come_from_the_final_message() -> None:
    final = AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "a"}])
    assert assemble([call(0, "a", "f", "")], final).calls == [("a", "f", {"x": 1})]


def test_id_that_was_not_streamed_comes_from_the_final_message() -> None:
    final = AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "a"}])
    assert assemble([call(0, None, "f", '{"x": 1}')], final).calls == [("a", "f", {"x": 1})]


def test_name_cut_in_the_middle_is_completed_by_the_final_message() -> None:
    final = AIMessage("", tool_calls=[{"name": "get_weather", "args": {}, "id": "a"}])
    assert assemble([call(0, None, "get_")], final).calls == [("a", "get_weather", {})]


def test_call_whose_id_changed_in_the_final_message_is_not_doubled() -> None:
    final = AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "other"}])
    assert assemble([call(0, "a", "f", '{"x": 1}')], final).calls == [("a", "f", {"x": 1})]


def test_streamed_arguments_win_over_final_ones() -> None:
    """LangChain completes the JSON of an answer cut at max_tokens."""
    chunks = [call(0, "a", "f", '{"x": 1')]
    final = merged([AIMessageChunk(content=""), *chunks])
    assert final.tool_calls[0]["args"] == {"x": 1}
    assert assemble(chunks, final).calls == [("a", "f", None)]


def test_invalid_call_of_a_final_message_is_invalid() -> None:
    final = AIMessage(
        "", invalid_tool_calls=[{"name": "f", "args": "{", "id": "a", "error": "cut"}]
    )
    (block,) = assemble([], final).of("tool_call")
    assert (block["id"], block["invalid"].text) == ("a", "{")


def test_blocks_of_the_final_message_that_were_streamed_are_not_repeated() -> None:
    images = [{"type": "image", "url": f"http://{n}"} for n in range(2)]
    chunks = [AIMessageChunk(content=[{**images[0], "index": 0}])]
    told = assemble(chunks, AIMessage([*images, {"type": "hologram"}]))
    assert [b["block"].get("url") for b in told.of("content")] == ["http://0", "http://1", None]


# ---- endings -----------------------------------------------------------------------------------


def test_abort_closes_what_is_open_with_what_there_is() -> None:
    told = Session().feed([call(0, "a", "f", '{"x"'), *text("Hel")]).abort()
    assert told.of("text") == [{"text": "Hel"}]
    assert told.of("tool_call")[0]["invalid"].text == '{"x"'


def test_abort_starts_nothing() -> None:
    session = Session().feed([call(0, None, "f", "{}")])
    session.assembler.feed([WholeBlock(1, {"type": "server_tool_call_chunk", "args": "{"})])
    assert session.abort().events == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("brand_new", "other"),
    ],
)
def test_finish_reasons_of_all_providers(raw: str, expected: str) -> None:
    for key in ("finish_reason", "stop_reason"):
        chunks = [AIMessageChunk(content="a", response_metadata={key: raw})]
        _, ending = Session().feed(chunks).finish()
        assert (ending.finish_reason, ending.raw_finish_reason) == (expected, raw)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"status": "completed"}, "stop"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "failed", "incomplete_details": None}, "error"),
    ],
)
def test_finish_reasons_of_openai_responses(metadata: Any, expected: str) -> None:
    chunk = AIMessageChunk(content="a", response_metadata={"object": "response", **metadata})
    assert Session().feed([chunk]).finish()[1].finish_reason == expected


def test_stop_with_tool_calls_is_tool_calls() -> None:
    final = AIMessage("", response_metadata={"finish_reason": "STOP"})
    ending = Session().feed([call(0, "a", "f", "{}")]).finish(final)[1]
    assert (ending.finish_reason, ending.raw_finish_reason) == ("tool_calls", "STOP")


def test_what_is_known_of_an_unfinished_message_can_be_asked() -> None:
    metadata = {"model_name": "gpt", "finish_reason": "length"}
    session = Session().feed([AIMessageChunk(content="a", response_metadata=metadata)])
    assert (session.assembler.model, session.assembler.raw_finish_reason) == ("gpt", "length")


def test_no_finish_reason_is_stop() -> None:
    ending = Session().feed(text("a")).finish()[1]
    assert (ending.finish_reason, ending.raw_finish_reason) == ("stop", None)


def test_streamed_metadata_wins_over_what_langchain_glued_together() -> None:
    chunks = [
        AIMessageChunk(
            content="a", response_metadata={"finish_reason": "stop", "model_name": "gpt"}
        )
    ] * 2
    final = merged(chunks)
    assert final.response_metadata["finish_reason"] == "stopstop"
    ending = Session().feed(chunks).finish(final)[1]
    assert (ending.raw_finish_reason, ending.model) == ("stop", "gpt")


# ---- whole messages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("hi"),
        HumanMessage("hi"),
        SystemMessage("hi"),
        ToolMessage("hi", tool_call_id="a"),
        FunctionMessage(content="hi", name="f"),
        ChatMessage(content="hi", role="critic"),
        HumanMessage([{"type": "text", "text": "hi"}]),
    ],
    ids=lambda m: type(m).__name__,
)
def test_whole_message_of_any_role(message: Any) -> None:
    assert assemble_whole(message).of("text") == [{"text": "hi"}]


def test_whole_message_keeps_its_blocks_apart_and_in_order() -> None:
    image = {"type": "image", "url": "http://x"}
    told = assemble_whole(HumanMessage(["a", "b", image, {"type": "text", "text": "c"}]))
    assert [b["kind"] for b in told.blocks] == ["text", "text", "content", "text"]


def test_whole_message_mints_ids_that_are_missing() -> None:
    message = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": None}])
    ((minted, name, args),) = assemble_whole(message).calls
    assert (bool(minted), name, args) == (True, "f", {})


# ---- speed -------------------------------------------------------------------------------------


class Nowhere:
    def event(self, cls: Any, **fields: Any) -> None:
        pass

    def delta(self, block: Any, text: str) -> None:
        pass


def seconds_per_piece(feed: Callable[[MessageAssembler], None], pieces: int) -> float:
    def once() -> float:
        assembler = MessageAssembler(Nowhere(), str)
        start = time.process_time()
        for _ in range(pieces):
            feed(assembler)
        return (time.process_time() - start) / pieces

    return min(once() for _ in range(3))


@pytest.mark.parametrize(
    "piece",
    [
        TextPiece(0, "tok "),
        ReasoningPiece(0, "tok "),
        ToolPiece(0, None, None, "tok "),
        ToolPiece(None, "a", "f", "tok "),
        ToolPiece(None, None, "f", "tok "),
    ],
    ids=["text", "reasoning", "args", "args with id and name", "args before any id"],
)
def test_a_piece_costs_the_same_late_in_a_long_message(piece: Any) -> None:
    def feed(assembler: MessageAssembler) -> None:
        assembler.feed((piece,))

    few, many = seconds_per_piece(feed, 2_000), seconds_per_piece(feed, 40_000)
    assert many < 8 * few  # quadratic would be 20 times
