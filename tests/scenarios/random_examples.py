"""What Hypothesis draws: descriptions of chains and graphs (``random_graphs``), at most 3 deep.

``fault`` says whether something in it may fail, interrupt or be tried again. Of parts that run at
the same time only one gets it, as which of two failures comes first is up to the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st

from langchain_streamkit.testing import Reasoning
from tests.scenarios import random_graphs as g

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

DEEPEST = 3
WORDS = ["a", "Hello ", "wörld", "🙂", "e\u0301", "\u2028", "\n", '{"a": ', "1}", '"', "\\", " "]
"""With half of a JSON object, so that parsers sometimes succeed."""
HALVES = ("\ud83d", "\ude42")
"""One character in UTF-16, which some providers cut in two."""

words = st.sampled_from(WORDS)
texts = st.lists(words, max_size=5).map(tuple)
reasonings = words.map(Reasoning)
flags = st.booleans()


@st.composite
def tool_call_chunks(draw: DrawFn) -> list[dict[str, Any]]:
    """One or two calls as chunks that follow each other or take turns; ids come late or repeat."""
    calls = []
    for index in range(draw(st.integers(1, 2))):
        cut = draw(st.integers(1, 9))
        args = '{"q": "caf\\u00e9 🙂", "n": [1, 2]}'
        pieces = [args[start : start + cut] for start in range(0, len(args), cut)]
        name, identity = {"name": f"tool{index}"}, {"id": f"call{index}"}
        late = draw(flags)
        first = {"index": index, "args": "", **name, **({} if late else identity)}
        rest = [{"index": index, "args": piece} for piece in pieces]
        if late:
            rest[-1].update(identity)
        calls.append([first, *rest])
    if draw(flags):
        longest = max(map(len, calls))
        return [call[place] for place in range(longest) for call in calls if place < len(call)]
    return [chunk for call in calls for chunk in call]


@st.composite
def says(draw: DrawFn, *, fault: bool) -> g.Say:
    thoughts = draw(st.lists(reasonings, max_size=2))
    said = draw(st.lists(words, max_size=5))
    if draw(st.integers(0, 9)) == 9:
        said[1:1] = HALVES
    calls = draw(tool_call_chunks()) if draw(st.integers(0, 4)) == 4 else []
    pieces = (*thoughts, *said, *calls)
    fails_after = None
    if fault and draw(flags):
        fails_after = draw(st.integers(0, len(pieces)))
    return g.Say(
        pieces,
        fails_after,
        always=fails_after is not None and draw(flags),
        chunk_ids=draw(flags),
        usage_on=draw(st.sampled_from(["last_chunk", "every_chunk"])),
    )


def parts(depth: int, *, fault: bool) -> SearchStrategy[g.Part]:
    """A part of a chain, at most ``depth`` deep."""
    leaves: list[SearchStrategy[Any]] = [says(fault=fault), says(fault=fault)]
    if fault:
        leaves.append(st.builds(g.Function, st.just("mishap")))
    if depth <= 1:
        return st.one_of(leaves)
    inner = st.deferred(lambda: parts(depth - 1, fault=fault))
    kinds: list[SearchStrategy[Any]] = [
        *leaves,
        chains(depth, fault=fault),
        chains(depth, fault=fault),
        st.builds(g.Function, st.sampled_from(["plain", "async", "generator"]), inner),
        boths(depth, fault=fault),
        graphs(depth, fault=fault),
        agents(fault=fault),
    ]
    if fault:
        kinds.append(st.builds(g.Fallback, inner, inner))
        kinds.append(st.builds(g.Retry, inner))
    return st.one_of(kinds)


@st.composite
def chains(draw: DrawFn, depth: int, *, fault: bool) -> g.Chain:
    inner = parts(depth - 1, fault=fault)
    made = draw(st.lists(inner, min_size=1, max_size=3))
    if draw(flags):
        kinds: list[Literal["text", "json"]] = ["text", "json"] if fault else ["text"]
        made.append(g.Parse(draw(st.sampled_from(kinds))))
    return g.Chain(tuple(made))


@st.composite
def boths(draw: DrawFn, depth: int, *, fault: bool) -> g.Both:
    which = fault and draw(st.sampled_from(["one", "two"]))
    return g.Both(
        draw(parts(depth - 1, fault=which == "one")), draw(parts(depth - 1, fault=which == "two"))
    )


@st.composite
def speakers(draw: DrawFn, depth: int, *, fault: bool) -> g.Speak:
    return g.Speak(
        draw(parts(depth, fault=fault)),
        draw(st.sampled_from(["plain", "async", "runnable"])),
        anew=draw(flags),
        retried=fault and draw(flags),
    )


def nodes(depth: int, *, fault: bool, asks: bool) -> SearchStrategy[g.Node]:
    inner = max(depth - 1, 1)
    kinds: list[SearchStrategy[Any]] = [
        speakers(inner, fault=fault),
        speakers(inner, fault=fault),
        st.builds(g.Canned, st.just("canned words")),
        st.builds(g.Report),
    ]
    if depth > 1:
        kinds.append(graphs(inner, fault=fault, asks=asks))
        kinds.append(agents(fault=fault))
    if fault:
        kinds.append(st.builds(g.Break, flags))
    if fault and asks:
        kinds += [st.builds(g.Ask)] * 3
    return st.one_of(kinds)


@st.composite
def graphs(
    draw: DrawFn, depth: int, *, fault: bool, asks: bool = False, root: bool = False
) -> g.Graph:
    shapes: list[Literal["line", "parallel", "send"]] = ["line", "parallel", "send"]
    shape = draw(st.sampled_from(shapes))
    count = draw(st.integers(1, 4 if root else 2))
    weak = draw(st.integers(0, count - 1)) if fault else None
    asks = draw(flags) if root else asks
    made = [
        draw(nodes(depth, fault=fault and (shape == "line" or number == weak), asks=asks))
        for number in range(count)
    ]
    return g.Graph(shape, tuple(made), checkpointed=root and asks)


@st.composite
def agents(draw: DrawFn, *, fault: bool) -> g.Agent:
    rounds = draw(st.lists(tool_rounds(fault=fault), min_size=1, max_size=2))
    last = draw(says(fault=fault))
    # what it says last asks for nothing, else the loop goes on
    last = g.Say(
        tuple(piece for piece in last.pieces if isinstance(piece, str)),
        None if last.fails_after is None else min(last.fails_after, 1),
    )
    return g.Agent(tuple(rounds), last, draw(says(fault=False)), draw(flags))


@st.composite
def tool_rounds(draw: DrawFn, *, fault: bool) -> g.Round:
    sound: Any = st.sampled_from(["add", "multiply", "think", "report", "unknown"])
    tools = draw(st.lists(sound, min_size=1, max_size=3))
    if fault and draw(flags):
        tools[-1] = "mishap"
    return g.Round(draw(texts), tuple(tools), draw(st.integers(1, 20)), draw(flags))


def roots(*, fault: bool) -> SearchStrategy[g.Root]:
    """Anything to run, at most 3 deep."""
    old = st.builds(g.OldSay, st.lists(words, min_size=1, max_size=5).map(tuple), flags)
    return st.one_of(
        parts(DEEPEST, fault=fault),
        parts(2, fault=fault),
        graphs(DEEPEST, fault=fault, root=True),
        graphs(2, fault=fault, root=True),
        old,
    )
