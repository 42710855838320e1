"""A snapshot as a card in a notebook; everything in it is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from langchain_streamkit.amounts import cost_fact, usage_facts
from langchain_streamkit.snapshot.plain import ending, tool_line

if TYPE_CHECKING:
    from langchain_streamkit.snapshot.parts import MessageView
    from langchain_streamkit.snapshot.run import RunSnapshot

_COLOURS = {
    "finished": "#1a7f37",
    "failed": "#cf222e",
    "cancelled": "#6e7781",
    "interrupted": "#9a6700",
}
# half-transparent greys, so that light and dark notebooks both stay readable
_CARD = (
    "border:1px solid rgba(127,127,127,.4);border-left:4px solid {colour};border-radius:6px;"
    "padding:8px 12px;font-family:sans-serif;max-width:60em"
)
_SMALL = "font-size:85%;opacity:.7"
_READABLE = ("cancelled", "budget")
"""What was said until someone stopped it was no mistake."""
_MONO = "font-family:monospace;opacity:.8;white-space:pre-wrap;margin:2px 0"


def run_html(run: RunSnapshot) -> str:
    """Return the card: name, ending, messages for the user and tools, what they cost."""
    colour = _COLOURS.get(run.outcome, "#0969da")
    name, end = escape(run.name or "run"), escape(ending(run))
    parts = [
        f'<div style="{_CARD.format(colour=colour)}">',
        f'<div><b>{name}</b> <span style="color:{colour}">{end}</span></div>',
    ]
    shown: set[int] = set()
    for message in run.messages:
        if message.audience == "user":
            parts.append(_message(message))
            shown.update(id(tool) for tool in message.tool_calls)
    parts += [_mono(tool_line(tool)) for tool in run.tool_calls if id(tool) not in shown]
    parts += [_mono(f"asks: {item.payload!r}") for item in run.interrupts]
    return "".join([*parts, "</div>"])


def _message(message: MessageView) -> str:
    who = escape(message.name or message.role)
    text = escape(message.text)
    if not message.stands:
        who = f"{who} ({message.status})"
        if message.reason not in _READABLE:
            text = f"<s>{text}</s>"
    parts: list[str] = []
    if message.reasoning:
        parts.append(f"<details><summary>reasoning</summary>{_mono(message.reasoning)}</details>")
    if message.text:
        parts.append(f'<div style="white-space:pre-wrap"><i>{who}</i>: {text}</div>')
    parts += [_mono(tool_line(tool)) for tool in message.tool_calls]
    if used := _used(message):
        parts.append(f'<div style="{_SMALL}">{escape(used)}</div>')
    return "".join(parts)


def _used(message: MessageView) -> str:
    """What the message took: while it streams, the tokens so far."""
    if message.usage is not None and message.status != "open":
        return " · ".join(usage_facts(message.usage))
    if not message.tokens:
        return ""
    about = "~" if message.counting == "estimate" else ""
    facts = [f"{about}{message.tokens:,} tokens so far"]
    if message.usage is not None and (cost := cost_fact(message.usage)):
        facts.append(cost)
    return " · ".join(facts)


def _mono(text: str) -> str:
    return f'<div style="{_MONO}">{escape(text)}</div>'
