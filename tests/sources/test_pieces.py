"""``extract``: a chunk as plain pieces, in any provider's form."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.block_translators import PROVIDER_TRANSLATORS

from langchain_streamkit.sources.pieces import (
    MetaPiece,
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    UsagePiece,
    WholeBlock,
    extract,
    whole_pieces,
)


def chunk(content: Any = "", **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, **fields)


def only(message: Any) -> Any:
    pieces = extract(message)
    assert isinstance(pieces, tuple)
    (piece,) = pieces
    return piece


# ---- the common case ---------------------------------------------------------------------------


def test_text_chunk_is_its_own_string() -> None:
    message = chunk("hello")
    assert extract(message) is message.content


def test_chunk_that_only_names_its_provider_is_still_its_string() -> None:
    assert extract(chunk("hi", response_metadata={"model_provider": "openai"})) == "hi"


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_call_chunks": [{"name": "f", "args": "", "id": "a", "index": 0}]},
        {"additional_kwargs": {"reasoning_content": "hm"}},
        {"usage_metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
        {"response_metadata": {"finish_reason": "stop"}},
    ],
)
def test_chunk_with_anything_else_is_pieces(fields: dict[str, Any]) -> None:
    pieces = extract(chunk("hi", **fields))
    assert isinstance(pieces, tuple)
    assert TextPiece(None, "hi") in pieces
    assert len(pieces) == 2


def test_messages_of_all_roles_are_read() -> None:
    for message in (
        HumanMessage("hi"),
        SystemMessage("hi"),
        ToolMessage("hi", tool_call_id="a"),
        ChatMessage(content="hi", role="critic"),
        AIMessage("hi"),
    ):
        assert whole_pieces(message) == (TextPiece(0, "hi"),)


# ---- text and reasoning ------------------------------------------------------------------------


def test_string_index_of_digits_is_the_number() -> None:
    assert only(chunk([{"type": "text", "text": "a", "index": "0"}])).key == 0
    assert only(chunk([{"type": "text", "text": "a", "index": "lc_txt_0"}])).key == "lc_txt_0"


@pytest.mark.parametrize(
    ("provider", "given_", "expected"),
    [
        (
            "anthropic",
            {
                "citations": [
                    {
                        "type": "page_location",
                        "cited_text": "q",
                        "document_title": "D",
                        "start_page_number": 3,
                    }
                ]
            },
            {
                "type": "citation",
                "cited_text": "q",
                "title": "D",
                "extras": {"start_page_number": 3},
            },
        ),
        (
            "openai",
            {"annotations": [{"type": "url_citation", "url": "http://x", "title": "X"}]},
            {"type": "citation", "url": "http://x", "title": "X"},
        ),
        (
            None,
            {"annotations": [{"type": "citation", "url": "http://x"}]},
            {"type": "citation", "url": "http://x"},
        ),
    ],
)
def test_citations_become_standard_annotations(
    provider: str | None, given_: dict[str, Any], expected: dict[str, Any]
) -> None:
    metadata = {"model_provider": provider} if provider else {}
    block = {"type": "text", "text": "", "index": 0, **given_}
    assert only(chunk([block], response_metadata=metadata)).annotations == (expected,)


def test_citation_that_no_translator_knows_passes_as_it_is() -> None:
    odd = {"type": "url_citation"}  # without the url that the translator reads
    piece = only(chunk([{"type": "text", "text": "a", "annotations": [odd]}]))
    assert piece == TextPiece(None, "a", (odd,))


def test_gemini_grounding_becomes_annotations() -> None:
    grounding = {
        "grounding_chunks": [{"web": {"uri": "http://x", "title": "X"}}],
        "grounding_supports": [
            {"segment": {"start_index": 0, "end_index": 4}, "grounding_chunk_indices": [0]}
        ],
    }
    piece = only(chunk("", response_metadata={"grounding_metadata": grounding}))
    assert piece.annotations[0]["url"] == "http://x"
    (text,) = whole_pieces(AIMessage("word", response_metadata={"grounding_metadata": grounding}))
    assert isinstance(text, TextPiece)
    assert (text.text, len(text.annotations)) == ("word", 1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "reasoning", "reasoning": "hm"}, ("hm", None)),
        ({"type": "thinking", "thinking": "hm"}, ("hm", None)),
        ({"type": "thinking", "signature": "S", "index": 0}, ("", {"signature": "S"})),
        (
            {
                "type": "reasoning_content",
                "reasoning_content": {"text": "hm", "signature": "S"},
            },
            ("hm", {"signature": "S"}),
        ),
        (
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"},
            ("", {"id": "rs", "encrypted_content": "E"}),
        ),
        (
            {"type": "reasoning", "reasoning": "hm", "extras": {"signature": "S"}},
            ("hm", {"signature": "S"}),
        ),
    ],
)
def test_reasoning_blocks_of_all_providers(content: Any, expected: Any) -> None:
    piece = only(chunk([content]))
    assert isinstance(piece, ReasoningPiece)
    assert (piece.text, piece.extras) == expected


def test_each_part_of_a_reasoning_summary_is_a_block() -> None:
    block = {
        "type": "reasoning",
        "id": "rs",
        "index": 2,
        "summary": [{"index": 0, "text": "a"}, {"index": 1, "text": "b"}],
    }
    assert extract(chunk([block])) == (
        ReasoningPiece("2.0", "a", {"id": "rs"}),
        ReasoningPiece("2.1", "b"),
    )


@pytest.mark.parametrize(
    "kwargs",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": {"summary": [{"text": "hm"}]}},
        {"reasoning_content": {"text": "hm"}},
        {"reasoning_content": "hm", "reasoning": "hm"},
    ],
)
def test_reasoning_beside_the_content_is_read(kwargs: dict[str, Any]) -> None:
    pieces = extract(chunk("so", additional_kwargs=kwargs))
    assert [(type(p).__name__, p.text) for p in pieces] == [  # type: ignore[union-attr]
        ("ReasoningPiece", "hm"),
        ("TextPiece", "so"),
    ]


def test_reasoning_in_content_is_not_read_twice() -> None:
    pieces = extract(
        chunk(
            [{"type": "reasoning", "reasoning": "hm"}],
            additional_kwargs={"reasoning_content": "hm"},
        )
    )
    assert pieces == (ReasoningPiece(None, "hm"),)


# ---- tool calls --------------------------------------------------------------------------------


def test_tool_call_and_its_content_block_are_one_piece_with_extras() -> None:
    call = {"name": "f", "args": "{", "id": "call_a", "index": 3}
    block = {
        "type": "function_call",
        "name": "f",
        "arguments": "{",
        "call_id": "call_a",
        "id": "fc_1",
        "index": 3,
    }
    expected = ToolPiece(3, "call_a", "f", "{", {"item_id": "fc_1"})
    assert extract(chunk([block], tool_call_chunks=[call])) == (expected,)


def test_tool_call_stands_where_its_block_is() -> None:
    content: list[str | dict[Any, Any]] = [
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "x", "name": "f", "input": {}},
        {"type": "text", "text": "b"},
    ]
    message = AIMessage(content, tool_calls=[{"name": "f", "args": {"k": 1}, "id": "x"}])
    kinds = [type(p).__name__ for p in whole_pieces(message)]
    assert kinds == ["TextPiece", "ToolPiece", "TextPiece"]


def test_tool_call_that_is_only_in_the_content_is_read() -> None:
    block = {"type": "tool_use", "id": "x", "name": "f", "input": {"k": 1}, "index": 1}
    assert only(chunk([block])) == ToolPiece(1, "x", "f", {"k": 1})


def test_legacy_function_call_is_a_tool_call() -> None:
    piece = only(chunk(additional_kwargs={"function_call": {"name": "f", "arguments": '{"a":'}}))
    assert piece == ToolPiece("function_call", None, "f", '{"a":')


# ---- other blocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
        ),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
            },
            {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
        ),
        (
            {"type": "image", "url": "http://x", "mime_type": "image/png"},
            {"type": "image", "url": "http://x", "mime_type": "image/png"},
        ),
        (
            {"type": "hologram", "data": 1},
            {"type": "non_standard", "value": {"type": "hologram", "data": 1}},
        ),
    ],
)
def test_other_blocks_are_standardised_or_pass_whole(block: Any, expected: Any) -> None:
    for message in (HumanMessage([block]), AIMessage([block])):
        (piece,) = whole_pieces(message)
        assert isinstance(piece, WholeBlock)
        found = {k: v for k, v in piece.block.items() if k != "id"}  # LangChain makes one up
        assert found == expected


def test_block_on_which_the_translator_raises_passes_whole() -> None:
    block = {"type": "image_url", "image_url": {"url": ""}}
    message = chunk([block], response_metadata={"model_provider": "google_genai"})
    with pytest.raises(ValueError, match="Image URL"):
        _ = message.content_blocks
    assert extract(message) == (WholeBlock(None, {"type": "non_standard", "value": block}),)


def test_block_that_the_translator_drops_passes_whole() -> None:
    odd = {"type": "web_search_call", "status": "completed"}  # without the id that it reads
    message = chunk([odd, "text"], response_metadata={"model_provider": "openai"})
    assert extract(message) == (
        WholeBlock(None, {"type": "non_standard", "value": odd}),
        TextPiece(None, "text"),
    )


@pytest.mark.parametrize("made", [[], [{"type": 7}], [{"no": "type"}]])
def test_whatever_a_translator_makes_the_block_is_there_and_unchanged(
    made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rude(message: Any) -> list[Any]:
        message.content[0]["deep"].clear()
        return made

    translators = {"translate_content": rude, "translate_content_chunk": rude}
    monkeypatch.setitem(PROVIDER_TRANSLATORS, "rude", translators)
    block = {"type": "hologram", "deep": [1]}
    message = chunk([block, "text"], response_metadata={"model_provider": "rude"})
    assert extract(message) == (
        WholeBlock(None, {"type": "non_standard", "value": {"type": "hologram", "deep": [1]}}),
        TextPiece(None, "text"),
    )


def test_reading_does_not_change_the_message() -> None:
    """The Anthropic translator pops ``index`` out of the message's own block."""
    content = [{"type": "redacted_thinking", "data": "x", "index": 4}]
    message = chunk(content, response_metadata={"model_provider": "anthropic"})
    before = copy.deepcopy(message)
    piece = only(message)
    assert message == before
    assert piece == WholeBlock(
        4, {"type": "non_standard", "value": {"type": "redacted_thinking", "data": "x"}}
    )


def test_later_changes_of_the_chunk_change_no_piece() -> None:
    message = chunk(
        [{"type": "hologram", "deep": {"a": [1]}, "index": 0}],
        tool_call_chunks=[{"name": "f", "args": "{}", "id": "a", "index": 0}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"finish_reason": "stop", "id": "resp"},
    )
    pieces = extract(message)
    before = copy.deepcopy(pieces)
    content: Any = message.content
    content[0]["deep"]["a"].append(2)
    message.tool_call_chunks[0]["args"] = "changed"
    message.usage_metadata["output_tokens"] = 9  # type: ignore[index]
    message.response_metadata.clear()
    assert pieces == before


def test_content_in_additional_kwargs_is_read() -> None:
    message = AIMessage(
        "",
        additional_kwargs={
            "audio": {"id": "au", "data": "AAAA", "transcript": "hi"},
            "refusal": "no",
            "executed_tools": [{"type": "search", "output": "o"}],
            "tool_outputs": [{"type": "hologram", "id": "w"}],
        },
    )
    blocks = [p.block for p in whole_pieces(message) if isinstance(p, WholeBlock)]
    assert blocks == [
        {"type": "non_standard", "value": {"type": "hologram", "id": "w"}},
        {"type": "non_standard", "value": {"type": "search", "output": "o"}},
        {"type": "non_standard", "value": {"type": "refusal", "refusal": "no"}},
        {"type": "audio", "base64": "AAAA", "id": "au", "extras": {"transcript": "hi"}},
    ]
    gemini = AIMessage("", additional_kwargs={"audio": b"\x00\x00\x00"})
    assert whole_pieces(gemini) == (
        WholeBlock("audio", {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}),
    )


def test_arguments_of_a_servers_tool_are_not_a_tool_call() -> None:
    block = {"type": "input_json_delta", "partial_json": '{"q"', "index": 1}
    expected = WholeBlock(1, {"type": "server_tool_call_chunk", "args": '{"q"'})
    assert only(chunk([block], response_metadata={"model_provider": "anthropic"})) == expected


# ---- metadata and usage ------------------------------------------------------------------------


def test_metadata_is_read_by_allow_list() -> None:
    piece = only(
        chunk(
            response_metadata={
                "finish_reason": "stop",
                "model_name": "gpt",
                "model_provider": "openai",
                "id": "resp",
                "headers": {"secret": "x"},
            }
        )
    )
    assert piece == MetaPiece("stop", "gpt", "openai", {"id": "resp"})


def test_reason_of_an_incomplete_response_is_its_detail() -> None:
    piece = only(
        chunk(
            response_metadata={
                "object": "response",
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            }
        )
    )
    assert piece.finish_reason == "max_output_tokens"


def test_usage_details_are_read_and_unknown_ones_ignored() -> None:
    piece = only(
        chunk(
            usage_metadata={
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 15,
                "input_token_details": {"cache_read": 4, "audio": 1, "odd": 7},
                "output_token_details": {"reasoning": 2, "audio": 1},
            }
        )
    )
    assert isinstance(piece, UsagePiece)
    details = piece.counts.details
    assert (details.cache_read, details.reasoning, details.audio) == (4, 2, 2)


def test_usage_of_a_service_tier_counts_as_usual() -> None:
    piece = only(
        chunk(
            usage_metadata={
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 15,
                "input_token_details": {"flex_cache_read": 4, "flex": 6},
            }
        )
    )
    assert piece.counts.details.cache_read == 4


# ---- never an exception ------------------------------------------------------------------------


def one_of(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


_FIELDS = one_of(
    "type text index id name args source value summary reasoning extras annotations citations"
    " thinking image_url url file audio input call_id reasoning_content"
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=5),
    max_leaves=8,
)
_TYPES = one_of(
    "text reasoning thinking reasoning_content image image_url file audio tool_use tool_call"
    " function_call input_json_delta server_tool_use web_search_call mcp_call mcp_tool_use"
    " code_interpreter_call document non_standard executable_code tool_search_call odd"
)
_BLOCKS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    _TYPES | _JSON,
    st.dictionaries(one_of("text index id name args source input summary"), _JSON),
)
_KWARGS = one_of(
    "reasoning_content reasoning reasoning_details audio refusal function_call tool_outputs"
    " executed_tools"
)
_METADATA = one_of("finish_reason model_name model_provider grounding_metadata status object")
_PROVIDERS = one_of("openai anthropic google_genai bedrock_converse")


@given(
    content=st.lists(_BLOCKS | st.text(max_size=3), max_size=3),
    kwargs=st.dictionaries(_KWARGS, _JSON),
    metadata=st.dictionaries(_METADATA, _JSON | _PROVIDERS),
)
def test_no_content_is_an_exception(content: Any, kwargs: Any, metadata: Any) -> None:
    for cls in (AIMessageChunk, AIMessage, HumanMessage):
        message = cls.model_construct(
            content=content, additional_kwargs=kwargs, response_metadata=metadata
        )
        before = copy.deepcopy(message.__dict__)
        extract(message)
        whole_pieces(message)
        assert message.__dict__ == before
