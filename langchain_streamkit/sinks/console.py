"""A run as people like to read it: streaming text, tool calls, timing, on a terminal or in a file.

Guarantees: one text at a time, so that parallel branches stay readable (what arrives meanwhile
waits for the open text to end); every line that is not streamed text fits the terminal; control
characters of a model or tool never reach the terminal; no encoding can fail.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import IO, Literal, TypeAlias, cast, get_args

from langchain_streamkit import events as ev
from langchain_streamkit.amounts import usage_facts
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.sinks.paper import Color, Paper, Style, short, short_id
from langchain_streamkit.sinks.tally import Tally

Part: TypeAlias = Literal[
    "text", "reasoning", "tools", "custom", "timing", "live", "steps", "internal"
]
"""What may be shown; ``internal``: messages not meant for the user (sub-agents inside tools)."""

_DEFAULT: tuple[Part, ...] = ("text", "reasoning", "tools", "custom", "timing", "live")
_RATED_MS = 1000
"""How long a run has to take for its tokens per second to mean something."""
_Key: TypeAlias = tuple[str, str, int]
_Block: TypeAlias = (
    ev.TextStarted
    | ev.TextDelta
    | ev.TextFinished
    | ev.ReasoningStarted
    | ev.ReasoningDelta
    | ev.ReasoningFinished
)


class ConsoleSink:
    """Show runs in ``file`` (default: what ``sys.stdout`` is at the time of writing).

    ``show`` chooses from ``text``, ``reasoning`` (dimmed), ``tools`` (calls with arguments and
    results, cut to the width), ``custom``, ``timing`` (the last line: seconds, first token,
    tokens, cost), ``live`` (on a terminal, while a model speaks: tokens and cost so far, in a line
    below the text that is gone afterwards; cost with ``capture={"usage"}``); ``steps`` and
    ``internal`` messages only when asked. ``~`` stands before estimates. Errors, interrupts,
    retries, cancels, stops by a budget and diagnostics are always shown. A line in brackets says
    where a text comes from when the graph has several places that speak; once several runs are
    open, each line says of which run it is, until all of them have ended.

    ``color="auto"`` colours only a terminal, and not with ``NO_COLOR`` set. Nothing is closed on
    close. Raises ``StreamUsageError`` for an unknown part or colour, ``SinkError`` when the file
    takes nothing (closed, a broken pipe).
    """

    def __init__(
        self,
        file: IO[str] | None = None,
        *,
        color: Color = "auto",
        show: Iterable[Part] = _DEFAULT,
    ) -> None:
        if file is not None and not callable(getattr(file, "write", None)):
            raise StreamUsageError(
                f"ConsoleSink writes to a text file, not {type(file).__name__}; pass an open file, "
                "or nothing for the standard output"
            )
        if color not in get_args(Color):
            raise StreamUsageError(
                f"color={color!r} is not known; write 'auto', 'always' or 'never'"
            )
        self._show = frozenset([show] if isinstance(show, str) else show)
        if unknown := sorted(self._show - set(get_args(Part))):
            raise StreamUsageError(f"show has {unknown}; choose from {', '.join(get_args(Part))}")
        self._paper = Paper(file, color)
        self._lock = threading.Lock()
        self._live: _Key | None = None
        self._waiting: list[ev.Event] = []
        self._pieces: dict[_Key, list[str]] = {}
        self._hidden: set[tuple[str, str]] = set()
        self._begun: dict[tuple[str, str], tuple[str, int]] = {}
        self._runs: dict[str, str] = {}
        self._tallies: dict[str, Tally] = {}
        self._mixed = False
        self._place: tuple[str, ...] | None = None

    def send(self, events: Sequence[ev.Event]) -> None:
        """Show the events, or keep them until the text now being streamed has ended."""
        with self._lock:
            for event in events:
                self._tally(event)
                if self._shows(event) and self._print(event):
                    self._release()
            self._paper.live(self._so_far())
            self._paper.flush()

    def close(self) -> None:
        """End the live line of a run that did not end; the file is its owner's."""
        with self._lock:
            self._tallies.clear()
            self._paper.live("")
            self._paper.flush()

    # ---- the live line -----------------------------------------------------------------------

    def _tally(self, event: ev.Event) -> None:
        if event.type in ev.TERMINAL_TYPES:
            self._tallies.pop(event.run_id, None)
        elif "live" in self._show:
            tally = self._tallies.get(event.run_id)
            if tally is None:
                tally = self._tallies[event.run_id] = Tally(event.run_id)
            tally.feed(event)

    def _so_far(self) -> str:
        """What the runs have used whose models are speaking."""
        speaking = {run: tally.text for run, tally in self._tallies.items() if tally.speaks}
        if len(speaking) < 2 and not self._mixed:
            return "".join(speaking.values())
        return " ".join(f"[run {run[-6:]}] {text}" for run, text in speaking.items())

    # ---- one text at a time ----------------------------------------------------------------------

    def _shows(self, event: ev.Event) -> bool:
        match event:
            case ev.MessageStarted(audience="internal") if "internal" not in self._show:
                self._hidden.add((event.run_id, event.message_id))
                return False
            case ev.TextStarted() | ev.TextDelta() | ev.TextFinished():
                part = "text"
            case ev.ReasoningStarted() | ev.ReasoningDelta() | ev.ReasoningFinished():
                part = "reasoning"
            case ev.ToolCallFinished():
                part = "tools"
            case ev.MessageAborted() | ev.MessageRetracted():
                return (event.run_id, event.message_id) not in self._hidden
            case _:
                return True
        return part in self._show and (event.run_id, event.message_id) not in self._hidden

    def _print(self, event: ev.Event) -> bool:
        """Show the event now, or put it by; True when it ended the text that others wait for."""
        if isinstance(event, _Block):
            return self._block(event)
        if self._live is None:
            self._line(event)
        else:
            self._waiting.append(event)
        return False

    def _block(self, event: _Block) -> bool:
        key = (event.run_id, event.message_id, event.index)
        match event:
            case ev.TextDelta() | ev.ReasoningDelta():
                if key == self._live:
                    self._text(event, event.text)
                else:
                    self._pieces[key].append(event.text)
                return False
            case ev.TextStarted() | ev.ReasoningStarted() if self._live is None:
                self._live = key
                self._head(event)
                if isinstance(event, ev.ReasoningStarted):
                    self._text(event, "(thinking) ")
                self._text(event, "".join(self._pieces.pop(key, ())))
                return False
            case ev.TextFinished() | ev.ReasoningFinished() if key == self._live:
                self._paper.end_line()
                self._live = None
                return True
            case _:
                self._pieces.setdefault(key, [])
                self._waiting.append(event)
                return False

    def _release(self) -> None:
        """Show what waited, up to the next text that is still open."""
        while self._live is None and self._waiting:
            held, self._waiting = self._waiting, []
            for at, event in enumerate(held):
                if self._print(event):
                    self._waiting += held[at + 1 :]
                    break

    def _text(self, event: _Block, text: str) -> None:
        thinking = isinstance(event, (ev.ReasoningStarted, ev.ReasoningDelta))
        self._paper.text(text, "dim" if thinking else "plain")

    def _head(self, event: ev.Event) -> None:
        """Say where a text comes from, once there are several places."""
        run = (self._run(event),) if self._mixed else ()
        place = run + event.path
        if self._place not in {None, place} or run:
            self._paper.line(f"[{' / '.join(place) or 'top'}]", "dim")
        self._place = place

    # ---- lines -----------------------------------------------------------------------------------

    def _line(self, event: ev.Event) -> None:
        match event:
            case ev.RunStarted():
                self._runs[event.run_id] = f"{event.name} {event.run_id[-6:]}"
                self._mixed = self._mixed or len(self._runs) > 1
                name = self._run(event) if self._mixed else event.name
                thread = f" (thread {short_id(event.thread_id)})" if event.thread_id else ""
                self._paper.line(f"▶ {name}{thread}", "bold")
            case ev.RunFinished() | ev.RunInterrupted() | ev.RunFailed() | ev.RunCancelled():
                self._ending(event)
            case ev.ToolStarted() if "tools" in self._show:
                self._begun[event.run_id, event.step_id] = (event.name, event.ts)
                self._say(event, f"→ {event.name}({_arguments(event.input)})", "cyan")
            case ev.ToolProgress() if "tools" in self._show:
                self._say(event, f"· {self._tool(event)[0]}: {short(event.data)}", "dim")
            case ev.ToolFinished() if "tools" in self._show:
                name, seconds = self._tool(event)
                result = event.output if event.content is None else event.content
                said = short(result) if event.outcome == "ok" else event.outcome
                self._say(event, f"← {name} {seconds}: {said}", "cyan")
            case ev.ToolFailed():
                name, seconds = self._tool(event)
                said = event.content or event.error.message
                self._say(event, f"✘ {name} {seconds}: {said}", "red")
            case ev.ToolCallFinished(invalid=ev.InvalidArgs() as invalid):
                self._say(event, f"✘ {event.name}: {invalid.error}: {short(invalid.text)}", "red")
            case ev.StepStarted() if "steps" in self._show:
                self._begun[event.run_id, event.step_id] = (event.name, event.ts)
                self._say(event, f"· {event.name} started", "dim")
            case ev.StepFinished() if "steps" in self._show:
                name, seconds = self._tool(event)
                self._say(event, f"· {name} {event.outcome} {seconds}", "dim")
            case ev.StepFailed() if "steps" in self._show:
                name, seconds = self._tool(event)
                self._say(event, f"✘ {name} {seconds}: {event.error.message}", "red")
            case ev.MessageAborted(reason="cancelled" | "budget"):
                pass  # the run's own last line says it
            case ev.MessageAborted() | ev.MessageRetracted():
                self._say(event, f"↺ the text above does not count ({event.reason})", "yellow")
            case ev.InterruptRequested():
                self._say(event, f"⏸ waits for an answer: {short(event.payload)}", "yellow")
            case ev.Custom() if "custom" in self._show:
                self._say(event, f"· {event.name or 'custom'}: {short(event.data)}", "dim")
            case ev.Diagnostic():
                self._say(event, f"! {event.code}: {event.message}", "yellow")
            case _:
                pass

    def _say(self, event: ev.Event, text: str, style: Style) -> None:
        self._paper.line(f"[{self._run(event)}] {text}" if self._mixed else text, style)

    def _run(self, event: ev.Event) -> str:
        return self._runs.get(event.run_id, f"run {event.run_id[-6:]}")

    def _tool(
        self,
        event: ev.ToolProgress | ev.ToolFinished | ev.ToolFailed | ev.StepFinished | ev.StepFailed,
    ) -> tuple[str, str]:
        """The name of what began under this step, and how long ago."""
        key = (event.run_id, event.step_id)
        found = (
            self._begun.get(key)
            if isinstance(event, ev.ToolProgress)
            else self._begun.pop(key, None)
        )
        name, since = found or ("tool", event.ts)
        return name, f"{(event.ts - since) / 1000:.1f} s"

    def _ending(
        self, event: ev.RunFinished | ev.RunInterrupted | ev.RunFailed | ev.RunCancelled
    ) -> None:
        timing, usage = event.timing, event.usage
        facts = [f"{timing.duration_ms / 1000:.1f} s"]
        if timing.first_token_ms is not None:
            facts.append(f"first token {timing.first_token_ms / 1000:.2f} s")
        facts += usage_facts(usage)
        if timing.tokens_per_second is not None and timing.duration_ms >= _RATED_MS:
            facts.append(f"{timing.tokens_per_second:.0f}/s")
        style: Style = "green"
        match event:
            case ev.RunFinished():
                said = "✔"
                for call in event.pending_tool_calls:
                    self._say(
                        event, f"→ {call.name}({_arguments(call.args)}) is yours to run", "cyan"
                    )
            case ev.RunInterrupted():
                said, style = "⏸ paused", "yellow"
            case ev.RunFailed(error=error):
                said = f"✘ {error.code}: {error.message} (error {error.error_id}){_left(event)}"
                style = "red"
            case ev.RunCancelled():
                how = "stopped by the" if event.reason == "budget" else "cancelled by"
                said, style = f"■ {how} {event.reason}{_left(event)}", "yellow"
        if "timing" in self._show:
            between = " " if isinstance(event, ev.RunFinished) else " · "
            self._say(event, f"{said}{between}{' · '.join(facts)}", style)
        elif not isinstance(event, ev.RunFinished):
            self._say(event, said, style)
        self._runs.pop(event.run_id, None)
        self._hidden = {key for key in self._hidden if key[0] != event.run_id}
        self._begun = {key: at for key, at in self._begun.items() if key[0] != event.run_id}
        if not self._runs:
            self._place = None
            self._mixed = False


def _left(event: ev.RunFailed | ev.RunCancelled) -> str:
    """What goes on although the run has ended."""
    return f", still running: {', '.join(event.pending)}" if event.pending else ""


def _arguments(value: object) -> str:
    """Arguments as one would write the call."""
    if isinstance(value, dict):
        given = cast("dict[str, object]", value)
        return ", ".join(f"{name}={_literal(item)}" for name, item in given.items())
    return "" if value is None else _literal(value)


def _literal(value: object) -> str:
    return f'"{short(value)}"' if isinstance(value, str) else short(value)
