"""What ``AsyncRun`` and ``Run`` tell alike: identity, outcome, the folded result so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.utils.uuid import uuid7

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.runs.options import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.events import Event, InterruptInfo, Usage
    from langchain_streamkit.runs.core import RunCore
    from langchain_streamkit.runs.plan import Plan
    from langchain_streamkit.runs.usage_ledger import UsageLedger
    from langchain_streamkit.snapshot import RunSnapshot


_RESUMED_FOR_GOOD: Final = frozenset({"running", "finished", "interrupted"})
"""Outcomes of a resumed run after which its answers cannot be given again."""


class RunHandle:
    """Base of the two kinds of run."""

    def __init__(self, core: RunCore) -> None:
        self._core = core
        self._resumed: RunHandle | None = None

    @property
    def run_id(self) -> str:
        """``config["run_id"]``: LangChain's id of the root run."""
        return self._core.run_id

    @property
    def thread_id(self) -> str | None:
        """The conversation, where the config names one."""
        return self._core.thread_id

    @property
    def outcome(self) -> str:
        """``pending``, ``running``, ``finished``, ``interrupted``, ``failed`` or ``cancelled``."""
        return self.snapshot.outcome

    @property
    def snapshot(self) -> RunSnapshot:
        """Everything so far, folded; it grows with the run."""
        self._core.sequencer.settle()
        return self._core.snapshot

    @property
    def usage(self) -> Usage | None:
        """Tokens of the whole run; None before it has ended."""
        return self.snapshot.usage

    @property
    def ledger(self) -> UsageLedger:
        """A record of each model call so far, with its sums, costs and tables."""
        return self._core.ledger

    @property
    def interrupts(self) -> list[InterruptInfo]:
        """The pending interrupts of an interrupted run: the keys of ``resume``'s answers."""
        return list(self.snapshot.interrupts)

    def _set_transform(self, function: Callable[[Event], Event | None], *, started: bool) -> None:
        if started:
            raise StreamUsageError(
                "map() comes too late: the run has started; call it right after astream() or"
                " stream(), before reading"
            )
        if not callable(function):
            raise StreamUsageError(
                f"map() takes a function of one event, not {type(function).__name__}"
            )
        before = self._core.sequencer.transform

        def both(event: Event) -> Event | None:
            first = event if before is None else before(event)
            changed = None if first is None else function(first)
            if changed is None and event.type.startswith("run."):
                return event  # a stream begins and ends, whatever is redacted
            return changed

        self._core.sequencer.transform = both

    def _resume_plan(self, answers: Mapping[str, Any]) -> Plan:
        """The plan of the run that goes on with ``answers``. Raises StreamUsageError."""
        plan = self._core.call
        self._check_answers(answers)
        from langgraph.types import Command

        run_id = uuid7()
        return plan._replace(
            input=Command(resume=dict(answers)) if answers else None,
            run_id=run_id,
            config={**plan.config, "run_id": run_id},
        )

    def _check_answers(self, answers: Mapping[str, Any]) -> None:
        """Raise StreamUsageError for what this run cannot be gone on with; none answer a
        breakpoint.
        """
        if self.outcome != "interrupted":
            raise StreamUsageError(
                f"run {self.run_id} is {self.outcome}, not interrupted: there is nothing to resume"
            )
        if self._resumed is not None and self._resumed.outcome in _RESUMED_FOR_GOOD:
            raise StreamUsageError(
                f"run {self.run_id} was resumed already, by run {self._resumed.run_id}, which is"
                f" {self._resumed.outcome}: its interrupts are not pending any more"
            )
        known = {one.interrupt_id for one in self.interrupts}
        if not isinstance(cast("object", answers), Mapping):
            asked = min(known, default="interrupt_id")
            raise StreamUsageError(
                f"the answers to an interrupted run are a dict by interrupt id, not"
                f" {name_of(answers)}; write {{{asked!r}: {answers!r}}}"
            )
        unknown = set(answers) - known
        breakpoint_only = not known and not answers
        if unknown or not (answers or breakpoint_only):
            asked = ", ".join(sorted(known)) or "none with an id"
            what = f"has no interrupt {min(unknown)!r}" if unknown else "got no answer"
            raise StreamUsageError(
                f"run {self.run_id} {what}; answer by id, {{interrupt_id: answer}};"
                f" pending: {asked}"
            )

    def _describe(self, *, started: bool) -> str:
        kind = type(self).__name__
        name = self._core.name
        if not started:
            return f"<{kind} {name} {self.run_id}: not started, it starts when it is read>"
        return f"<{kind} {name} {self.run_id}: {self.outcome}>"
