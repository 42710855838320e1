"""Holding a run to its budgets, inside the callbacks of its models and tools.

Guarantees: a model call or tool that would exceed a limit is not made; an answer is stopped at the
piece that exceeds one, and so are all others that go on at the same time at their next piece; an
answer that has come whole is never thrown away: what the provider says of it at its end stops what
would follow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_streamkit.sources.lane import Lanes
from langchain_streamkit.sources.piece_types import ReasoningPiece, TextPiece, ToolPiece, UsagePiece
from langchain_streamkit.sources.pieces import whole_pieces
from langchain_streamkit.sources.usage import UsageTally, read_counts
from langchain_streamkit.tokens.limits import Exceeded, Unpriced
from langchain_streamkit.tokens.message_meter import method_for
from langchain_streamkit.tokens.prompt import prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from uuid import UUID

    from langchain_core.messages import BaseMessage

    from langchain_streamkit.sources.piece_types import Piece
    from langchain_streamkit.sources.signals import ModelStart, Token
    from langchain_streamkit.tokens.limits import Verdict
    from langchain_streamkit.tokens.meter import Meter


class Guard:
    """The budgets of one run. ``halt`` is called to stop the run, and raises; ``note`` gives a
    diagnostic its code and message. All methods may be called from any thread.
    """

    def __init__(
        self,
        meter: Meter,
        halt: Callable[[Exceeded], NoReturn],
        note: Callable[[str, str], None],
    ) -> None:
        self._meter = meter
        self._halt = halt
        self._note = note
        self._tallies: dict[UUID, UsageTally] = {}
        """Of the calls that tell usage while they speak."""
        self._told = False
        """It is known that the run has to stop."""

    def model_starts(self, start: ModelStart) -> None:
        """A model is about to be called. Raises what ``halt`` does if it must not."""
        tokens = 0
        if start.prompt is not None:
            method = method_for("exact", start.model, start.provider)
            if method is not None:
                tokens = prompt_tokens(start.prompt, start.tools, start.model, method)
        self._tell(self._meter.call_starts(start.run_id, start.model, start.provider, tokens))

    def tool_starts(self) -> None:
        """A tool is about to run. Raises what ``halt`` does if it must not."""
        self._tell(self._meter.tool_starts())

    def said(self, run_id: UUID, pieces: str | tuple[Piece, ...]) -> None:
        """A model has said something. Raises what ``halt`` does if that exceeds a limit."""
        if type(pieces) is str:
            if verdicts := self._meter.text(run_id, pieces):
                self._tell(verdicts)
            return
        for piece in pieces:
            if isinstance(piece, UsagePiece):
                self._tallies.setdefault(run_id, UsageTally()).add(piece.counts)
        for text, block in _texts(pieces):
            self._tell(self._meter.text(run_id, text, block))

    def model_ended(self, run_id: UUID, message: BaseMessage | None, *, cached: bool) -> None:
        """A model has answered; what came whole, in no pieces, is counted now."""
        verdicts: tuple[Verdict, ...] = ()
        if message is not None and not (cached or self._meter.heard(run_id)):
            for text, block in _texts(whole_pieces(message)):
                verdicts += self._meter.text(run_id, text, block)
        tally = self._tallies.pop(run_id, None)
        # LangChain adds up what the chunks told, there too where each repeats the total so far.
        told = tally.counts if tally else read_counts(getattr(message, "usage_metadata", None))
        self._warn(verdicts + self._meter.call_ends(run_id, told, "cached" if cached else "ok"))

    def failed(self, run_id: UUID, *, aborted: bool) -> None:
        """A run has failed or was left; a model's has spent what it had until then."""
        tally = self._tallies.pop(run_id, None)
        told = tally.counts if tally else None
        self._warn(self._meter.call_ends(run_id, told, "aborted" if aborted else "failed"))

    def _tell(self, verdicts: tuple[Verdict, ...]) -> None:
        for verdict in verdicts:
            if isinstance(verdict, Exceeded) and verdict.stop:
                self._told = True
                self._halt(verdict)
        self._warn(verdicts)

    def _warn(self, verdicts: tuple[Verdict, ...]) -> None:
        for verdict in verdicts:
            if isinstance(verdict, Exceeded) and verdict.stop:
                if not self._told:
                    self._told = True
                    self._note("budget_warning", f"{verdict.message}: nothing more is started")
            else:
                code = "price_unknown" if isinstance(verdict, Unpriced) else "budget_warning"
                self._note(code, verdict.message)


def _texts(pieces: Iterable[object]) -> Iterator[tuple[str, Hashable]]:
    """What is counted of pieces, and the block that each is a part of."""
    for piece in pieces:
        if isinstance(piece, TextPiece | ReasoningPiece):
            yield piece.text, (type(piece), piece.key)
        elif isinstance(piece, ToolPiece) and piece.args:
            args = piece.args
            text = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
            yield text, (ToolPiece, piece.key if piece.key is not None else piece.id)


class GuardedLanes(Lanes):
    """The lanes of runs with budgets: each chunk is passed on, and then held against them."""

    guarded = True

    def __init__(
        self, long: Callable[[Token], None], guard_of: Callable[[UUID], Guard | None]
    ) -> None:
        super().__init__(long)
        self._guard_of = guard_of

    def token(self, run_id: UUID, message_id: str | None, pieces: Any) -> None:
        super().token(run_id, message_id, pieces)
        guard = self._guard_of(run_id)
        if guard is not None:
            guard.said(run_id, pieces)
