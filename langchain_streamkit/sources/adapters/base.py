"""What an adapter is: items of one kind of stream in, signals of one run out.

Guarantees expected of every adapter: ``feed`` never changes an item; an item it cannot use raises
``AdaptError`` and leaves the adapter able to go on; ids of runs are stable for the same source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import UUID, uuid5

from langchain_streamkit.errors import AdaptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_streamkit.sources.pieces import Piece
    from langchain_streamkit.sources.tap import RunTap

    Take = Callable[[UUID, str | None, str | tuple[Piece, ...]], None]


class Unadaptable(AdaptError):
    """The stream turns out to be of a kind that cannot be adapted at all; it ends the run."""


class Opening(NamedTuple):
    """What the first item tells of the run, for ``run.started``."""

    name: str
    thread_id: str | None = None
    metadata: dict[str, Any] = {}  # noqa: RUF012 -- never changed


class Adapter(ABC):
    """One run told by the items of one source.

    ``tap`` makes signals of what happened to runs, ``token`` takes the chunks of models, as
    ``(run_id, message_id, pieces)``; the root run has the id ``tap.root``, whatever the source
    calls it.
    """

    route: ClassVar[str]
    """What people call this kind of stream."""
    output_deltas = False
    """Whether the root's own output chunks are wanted."""

    live: bool = False
    """Whether the source raises if its run fails, so that its end is the end of the run."""

    def __init__(self, tap: RunTap, token: Take) -> None:
        self.tap = tap
        self.root = tap.root
        self.token = token
        self.output_deltas = False
        """Whether the root's own chunks were asked for."""

    @abstractmethod
    def opening(self, first: Any) -> Opening:
        """What the first item tells of the run. Called once, before that item is fed."""

    @abstractmethod
    def feed(self, item: Any) -> None:
        """Take an item. Raises AdaptError for one that breaks the format; it is then left out.

        Raises ``Unadaptable`` if nothing of the stream can be used.
        """

    @abstractmethod
    def end(self) -> object:
        """The source has ended by itself: what the run returned, as far as the source tells.

        Raises ``ProducerLost`` if the source must have said more (a connection that broke, a
        recording that was cut), ``SourceFailed`` if it said that the run failed.
        """

    def broke(self, error: Exception) -> None:  # noqa: B027 -- most have nothing to tell
        """The source has raised: tell of the runs that are certain to have fallen by it.

        What is not told of is closed with the run, which fails with ``error`` in any case.
        """

    def named(self, *parts: object) -> UUID:
        """The id of a run that the source does not number: the same for the same parts."""
        return uuid5(self.root, "/".join(map(str, parts)))
