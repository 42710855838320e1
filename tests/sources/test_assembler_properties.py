"""Whatever a message says and however it is cut into chunks, the same blocks come out."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_streamkit.sources.pieces import (
    MetaPiece,
    ReasoningPiece,
    TextPiece,
    ToolPiece,
    UsagePiece,
    WholeBlock,
)
from langchain_streamkit.sources.usage import TokenCounts
from tests.lengths import examples
from tests.sources.assembling import Session, Told

_TEXT = st.text(st.sampled_from('ab {}[]":,\\\n\x00é漢😀\u2028'), min_size=1, max_size=12)
_ARGS = st.dictionaries(
    _TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | _TEXT,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)


def cut(draw: Any, text: str) -> list[str]:
    """``text`` in pieces, cut between any two UTF-16 code units, also inside a character."""
    units = text.encode("utf-16-le")
    places = draw(st.lists(st.integers(0, len(units) // 2), max_size=4))
    edges = sorted({0, len(units) // 2, *places})
    return [
        units[2 * a : 2 * b].decode("utf-16-le", "surrogatepass")
        for a, b in itertools.pairwise(edges)
    ]


def interleave(draw: Any, lists: list[list[Any]]) -> list[Any]:
    """The items of all lists, each list's own in order."""
    order = [n for n, items in enumerate(lists) for _ in items]
    queues = [iter(items) for items in lists]
    return [next(queues[n]) for n in draw(st.permutations(order))]


def content_chunk(content: Any, **kwargs: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, additional_kwargs=kwargs)


def call_chunk(*calls: dict[str, Any]) -> AIMessageChunk:
    chunk = AIMessageChunk(content="")
    chunk.tool_call_chunks = [  # pyright: ignore[reportAttributeAccessIssue]
        {"index": None, "id": None, "name": None, "args": None, **call}  # type: ignore[typeddict-item]
        for call in calls
    ]
    return chunk


def cut_call(draw: Any, number: int, id_: str, name: str, args: Any, mode: str) -> list[Any]:
    """One call as dicts of a chunk, labelled as ``mode`` says."""
    as_ascii = draw(st.booleans())
    texts = (
        cut(draw, json.dumps(args, ensure_ascii=as_ascii)) if args or draw(st.booleans()) else []
    )
    pieces: list[dict[str, Any]] = [{"args": text} for text in texts] or [{}]
    if mode == "index":
        for piece in pieces:
            piece["index"] = draw(st.sampled_from([number, str(number)]))
        where = draw(st.integers(0, len(pieces) - 1))  # the id may come late
        pieces[where]["id"] = id_
        for piece in pieces[where:]:
            if draw(st.booleans()):
                piece["id"] = id_
        if draw(st.booleans()) and where > 0:
            half = len(name) // 2
            fragments = [{"name": name[:half]}, {"name": name[half:]}]
            pieces = [{"index": number, **f} for f in fragments] + pieces
        else:
            pieces[draw(st.integers(0, len(pieces) - 1))]["name"] = name
            for piece in pieces[1:]:
                if not piece.get("args", "").strip() or draw(st.booleans()):
                    piece.setdefault("name", name)
        return pieces
    if mode == "id":
        for piece in pieces:
            piece["id"] = id_
    pieces[0] |= {"id": id_, "name": name}
    if mode == "same index":
        for piece in pieces:
            piece["index"] = 0
    return pieces


@st.composite
def messages(draw: Any) -> tuple[list[dict[str, Any]], list[AIMessageChunk]]:
    """A true message as blocks, and chunks that say it."""
    keyed = draw(st.booleans())
    truth: list[dict[str, Any]] = []
    chunks: list[AIMessageChunk] = []
    for key in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "reasoning", "content"]))
        if kind == "content":
            block = {"type": "image", "url": f"http://{key}"}
            truth.append({"kind": kind, "block": block})
            chunks.append(content_chunk([{**block, "index": key} if keyed else block]))
            continue
        text = draw(_TEXT)
        field = {"text": "text", "reasoning": "reasoning"}[kind]
        for piece in cut(draw, text):
            if keyed:
                chunks.append(content_chunk([{"type": kind, field: piece, "index": key}]))
            elif kind == "text":
                chunks.append(content_chunk(piece))
            else:
                chunks.append(content_chunk("", reasoning_content=piece))
        if not keyed and truth and truth[-1]["kind"] == kind:
            truth[-1]["text"] += text
        else:
            truth.append({"kind": kind, "text": text})
    mode = draw(st.sampled_from(["index", "id", "id first", "same index"]))
    calls = []
    for number in range(draw(st.integers(0, 3))):
        args = draw(_ARGS)
        name = draw(st.sampled_from(["get_weather", "search"]))
        id_ = f"call_{number}"
        truth.append({"kind": "tool_call", "id": id_, "name": name, "args": args})
        calls.append(cut_call(draw, number, id_, name, args, mode))
    if mode in ("index", "id"):
        labels = interleave(draw, calls)
    else:
        labels = [piece for pieces in calls for piece in pieces]
    while labels:
        count = draw(st.integers(1, 2))
        chunks.append(call_chunk(*labels[:count]))
        del labels[:count]
    return truth, chunks


def as_message(truth: list[dict[str, Any]]) -> AIMessage:
    content: list[str | dict[Any, Any]] = []
    calls = []
    for block in truth:
        if block["kind"] == "tool_call":
            calls.append({"name": block["name"], "args": block["args"], "id": block["id"]})
        elif block["kind"] == "content":
            content.append(block["block"])
        else:
            content.append({"type": block["kind"], block["kind"]: block["text"]})
    return AIMessage(content, tool_calls=calls)


def by_kind(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks in order, but calls (which start in the order their ids come) by their id."""
    rest = [b for b in blocks if b["kind"] != "tool_call"]
    return rest + sorted((b for b in blocks if b["kind"] == "tool_call"), key=lambda b: b["id"])


@settings(max_examples=examples(300))
@given(message=messages(), end=st.sampled_from(["final", "no final"]))
def test_the_assembled_blocks_are_the_message(message: Any, end: str) -> None:
    truth, chunks = message
    final = as_message(truth) if end == "final" else None
    told, ending = Session().feed(chunks).finish(final)
    assert by_kind(told.blocks) == truth
    assert ending.text == told.joined("text")
    assert len(ending.calls) == len(told.calls)


@settings(max_examples=examples(200))
@given(message=messages(), share=st.floats(0, 1))
def test_a_stream_cut_anywhere_loses_nothing_that_the_final_message_has(
    message: Any, share: float
) -> None:
    truth, chunks = message
    streamed = chunks[: int(share * len(chunks))]
    told, _ = Session().feed(streamed).finish(as_message(truth))
    for kind in ("text", "reasoning"):
        assert told.joined(kind) == "".join(b["text"] for b in truth if b["kind"] == kind)
    assert len(told.of("content")) == sum(b["kind"] == "content" for b in truth)
    assert {b["id"] for b in truth if b["kind"] == "tool_call"} == {c[0] for c in told.calls}


@given(message=messages(), share=st.floats(0, 1))
def test_a_message_aborted_anywhere_is_legal(message: Any, share: float) -> None:
    _, chunks = message
    Session().feed(chunks[: int(share * len(chunks))]).abort()


_KEYS = st.sampled_from([None, 0, 1, "lc_1"])
_WORDS = st.sampled_from([None, "a", "b"])
_EXTRAS = st.none() | st.dictionaries(st.sampled_from(["id", "signature"]), st.just("x"))
_PIECES = st.one_of(
    st.builds(TextPiece, _KEYS, st.sampled_from(["", "t", "u"]), st.just(()), _EXTRAS),
    st.builds(ReasoningPiece, _KEYS, st.sampled_from(["", "t", "u"]), _EXTRAS),
    st.builds(
        ToolPiece,
        _KEYS,
        _WORDS,
        _WORDS,
        st.sampled_from([None, "", "{", "}", "{}", '{"k": 1}', "x", "\ud83d"]) | _ARGS,
        _EXTRAS,
    ),
    st.builds(
        WholeBlock,
        _KEYS,
        st.sampled_from(
            [
                {"type": "image", "url": "u"},
                {"type": "server_tool_call_chunk", "args": "{"},
                {"type": "server_tool_call_chunk", "args": {"k": 1}},
                {"type": "audio", "base64": "A="},
                {"type": "non_standard", "value": {"type": "x", "n": 1}},
            ]
        ),
    ),
    st.just(UsagePiece(TokenCounts(1, 1, 2))),
    st.just(MetaPiece("stop", None, None, {})),
)


@settings(max_examples=examples(300))
@given(
    pieces=st.lists(_PIECES, max_size=12),
    message=messages(),
    ending=st.sampled_from(["finish", "final", "abort"]),
)
def test_no_sequence_of_pieces_is_illegal_and_no_text_is_lost(
    pieces: list[Any], message: Any, ending: str
) -> None:
    session = Session()
    session.assembler.feed(pieces)
    if ending == "abort":
        told = session.abort()
    else:
        told, _ = session.finish(as_message(message[0]) if ending == "final" else None)
    assert isinstance(told, Told)
    for kind, cls in (("text", TextPiece), ("reasoning", ReasoningPiece)):
        fed = "".join(p.text for p in pieces if isinstance(p, cls))
        assert told.joined(kind).startswith(fed)
