"""What the scripted provider of the demo answers: enough of an assistant to show streaming.

``answer`` is a pure function of a chat completions request: it asks for a tool where the question
names a city or a calculation (both at once where it names both), tells what tools have answered,
counts, fails in mid-answer when asked to, and remembers the conversation it is given. The usage
it reports is counted as OpenAI's models would.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from langchain_streamkit.testing import ProviderError, ToolCall, Turn
from langchain_streamkit.tokens.counter import TokenCounter
from langchain_streamkit.tokens.prompt import count_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST_TOKEN_S = 0.35
_TOKEN_S = 0.04

# "weather in New York and Paris", "what about Oslo?"; a city is written with a capital.
_NAME = r"[A-ZÀ-Þ][\w'’-]*(?: [A-ZÀ-Þ][\w'’-]*)*"  # noqa: RUF001
_PLACES = re.compile(rf"\b(?:in|for|at|about) ({_NAME}(?:(?:, and |, | and | or ){_NAME})*)")
_BETWEEN = re.compile(r", and |, | and | or ")
_ABOUT_WEATHER = re.compile(
    r"weather|forecast|temperature|rain|sunny|snow|wind|cold|warm", re.IGNORECASE
)
_SUM = re.compile(r"[-(]*\d[\d.]*\)*(?:\s*(?:\*\*|//|[-+*/%^×÷−])\s*[-(]*\d[\d.]*\)*)+")  # noqa: RUF001
_COUNT = re.compile(r"\bcount\b\D*(\d+)", re.IGNORECASE)
_BREAK = re.compile(r"\b(fail|break)\b", re.IGNORECASE)
_RECALL = re.compile(r"what did i (ask|say)|remember", re.IGNORECASE)
_MOST = 500


class _Said(NamedTuple):
    """What a turn says, and how it ends."""

    text: str
    calls: Sequence[ToolCall] = ()
    error: Exception | None = None


def answer(body: Mapping[str, Any]) -> Turn:
    """The next turn of the conversation in ``body["messages"]``."""
    messages = cast("list[dict[str, Any]]", body["messages"])
    if messages[-1]["role"] == "tool":
        said = _Said(_report(messages))
    else:
        asked = [_text(message) for message in messages if message["role"] == "user"]
        said = _reply(asked[-1], asked[:-1])
    return _turn(said, count_prompt(messages, body.get("tools")).tokens)


def _reply(question: str, before: Sequence[str]) -> _Said:
    if calls := _calls(question, before):
        return _Said("Let me find out.", calls)
    if counted := _COUNT.search(question):
        last = min(int(counted[1]), _MOST)
        return _Said(", ".join(map(str, range(1, last + 1))) + ".")
    if _BREAK.search(question):
        text = "This answer will break off in the middle, because you asked for it, and then"
        return _Said(text, error=ProviderError("the script fails here"))
    if _RECALL.search(question):
        if not before:
            return _Said("This is the first thing you say in this conversation.")
        listed = "; ".join(f"“{text}”" for text in before)
        return _Said(f"I do. In this conversation you said: {listed}.")
    return _Said(
        f"You wrote: “{question}”. I am a script, not a model, so I know only a few things. Ask "
        "me for the weather in a city, or for a calculation, or for both at once, and you will "
        "see my two tools run side by side. I can count to 300, which leaves you time to press "
        "Stop. Each word of mine travels as a chunk of the OpenAI streaming protocol over HTTP, "
        "through the same client and the same agent that a real model would use."
    )


def _calls(question: str, before: Sequence[str]) -> list[ToolCall]:
    calls = [
        ToolCall("get_weather", {"city": city})
        for places in _PLACES.findall(question)
        for city in _BETWEEN.split(places)
        if any(map(_ABOUT_WEATHER.search, (question, *before[-1:])))
    ]
    calls += [
        ToolCall("calculate", {"expression": text.strip()}) for text in _SUM.findall(question)
    ]
    return calls


def _report(messages: Sequence[dict[str, Any]]) -> str:
    """What the tools have answered since the last question, in sentences."""
    said: list[str] = []
    asked: dict[str, tuple[str, dict[str, Any]]] = {}
    start = max(n for n, message in enumerate(messages) if message["role"] == "user")
    for message in messages[start:]:
        for call in message.get("tool_calls") or ():
            function = call["function"]
            asked[call["id"]] = (function["name"], json.loads(function["arguments"]))
        if message["role"] == "tool":
            name, args = asked[message["tool_call_id"]]
            said.append(_sentence(name, args, _text(message)))
    if len(said) > 1:
        said = ["\n".join(f"- {sentence}" for sentence in said)]
    return "\n\n".join([*said, "Is there anything else that you would like to know?"])


def _sentence(name: str, args: dict[str, Any], result: str) -> str:
    if result.startswith("Error:"):
        return f"The tool `{name}` could not help: {result.removeprefix('Error: ')}."
    if name == "get_weather":
        sky, degrees, wind = result.split(", ")
        blowing = wind.replace("wind", "wind at")
        return f"In {args['city']} it is **{degrees}** now: {sky}, with {blowing}."
    return f"`{args['expression']}` makes **{result}**."


def _text(message: dict[str, Any]) -> str:
    """The text of a message, whose content may be a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in cast("list[dict[str, Any]]", content))


def _turn(said: _Said, prompt_tokens: int) -> Turn:
    """A turn in the rhythm of a model: a pause for thought, then word by word."""
    text, calls, error = said
    turn = Turn(text, tool_calls=calls, delay=_TOKEN_S, error=error)
    written = [text, *(json.dumps(call.args, ensure_ascii=False) for call in calls)]
    return Turn(
        chunks=(_FIRST_TOKEN_S, *turn.pieces()),
        finish_reason="tool_calls" if calls else "stop",
        usage={
            "input_tokens": prompt_tokens,
            "output_tokens": sum(TokenCounter("o200k_base").feed(text) for text in written),
        },
    )
