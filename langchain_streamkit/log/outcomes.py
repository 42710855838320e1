"""What a store's answer means to those who asked, as the exceptions of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from langchain_streamkit.errors import (
    Fenced,
    NotOwner,
    ReplayGap,
    RunGone,
    StreamError,
    StreamUsageError,
)
from langchain_streamkit.log.position import Position
from langchain_streamkit.text import short_repr

if TYPE_CHECKING:
    from langchain_streamkit.log.contract import Info, Status

LONGEST_NAME: Final = 256
_NOT_IN_NAMES: Final = frozenset("{}\x7f")  # Redis puts keys with one {tag} into one slot


def checked_name(name: object) -> str:
    """Return the name of a stream. Raises ``StreamUsageError`` for what cannot be one."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= LONGEST_NAME
        or any(mark < " " or mark in _NOT_IN_NAMES for mark in name)
        or not name.isprintable()
    ):
        raise StreamUsageError(
            f"{short_repr(name)} cannot be the name of a stream; write 1 to {LONGEST_NAME}"
            " printable characters other than { and }, such as a run_id or thread_id",
            wire=f"a name is 1 to {LONGEST_NAME} printable characters other than {{ and }}",
        )
    return name


def gone(name: str) -> RunGone:
    """The stream is not there."""
    return RunGone(
        f"there is no log {name!r}: it was never written, its time to live is over, or its store"
        " was emptied; what the run came to is in your own database or checkpoint"
    )


def refusal(name: str, status: Status, *, run_id: str | None = None, top: int = 0) -> StreamError:
    """What keeps a producer from opening a stream, or from going on with it."""
    match status:
        case "foreign":
            return NotOwner(
                f"log {name!r} belongs to another user; write into a log of another name"
            )
        case "held":
            return Fenced(
                f"log {name!r} is being written by run {run_id!r}; wait for its end, cancel it, or"
                " write into a log of another name",
                run_id=run_id,
            )
        case "finished":
            return Fenced(
                f"log {name!r} is finished, nothing can be added; open a log of another name, or"
                " open(..., lasting=True) one that is to go on over several runs",
                run_id=run_id,
            )
        case "fenced":
            return Fenced(
                f"log {name!r} is no longer this producer's: its lease ran out and its run was"
                " closed as lost, or the log was finished; stop the run",
            )
        case "behind":
            return ReplayGap(
                f"log {name!r} has lost events that it had acknowledged (it ends at {top}): going"
                " on would leave a hole; stop the run"
            )
        case "gone":
            return gone(name)
        case "ok" | "lapsed":
            return StreamError(f"log {name!r} answered {status!r} out of turn; open it again")
        case _:
            assert_never(status)


def check_after(info: Info, after: Position) -> None:
    """Raise ``ReplayGap`` unless everything after ``after`` is kept, or yet to come."""
    oldest = Position(info.generation, info.oldest - 1)
    if after.generation != info.generation:
        raise ReplayGap(
            f"{after} is a position in an earlier log {info.name!r}, of another generation than"
            f" the present {info.generation}; load the state anew, then read from the beginning",
            oldest=oldest,
        )
    if after.seq > info.top:
        raise ReplayGap(
            f"{after} is beyond the end of log {info.name!r}, which is {info.top}: the log has"
            " lost events; load the state anew, then read from the beginning",
            oldest=oldest,
        )
    if after.seq + 1 < info.oldest:
        raise ReplayGap(
            f"log {info.name!r} no longer has the events after {after}, the oldest that is kept"
            f" is {info.oldest}; load the state anew, then read after {oldest}",
            oldest=oldest,
        )
