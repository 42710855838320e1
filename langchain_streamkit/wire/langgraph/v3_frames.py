"""Events of the agent streaming protocol, their numbers, and which of them a reader wants.

Guarantees: ``seq`` and ``event_id`` say which run and which of its events it is, and nothing about
who reads it or when; a reader is sent what it asked for, by channel, namespace and depth, as both
clients of LangGraph match it themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from langchain_streamkit.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Namespace: TypeAlias = tuple[str, ...]
"""Where in the graph: the tasks that lead to a graph inside of it; empty for the root."""
Data: TypeAlias = dict[str, Any]

SEQS: Final = 10_000_000
"""Numbers that one run has: ``seq`` is the run's number times this, and the event's in the run.
Below 2**53, which JavaScript counts to, for run numbers up to 900 million."""
CHANNELS: Final = frozenset(
    {"values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "custom"}
)
"""Those that are served; there is ``custom:<name>`` besides. ``tasks`` is asked for by clients
that want everything, and has no events."""
_encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One event of the protocol."""

    seq: int
    channel: str
    namespace: Namespace
    event: Data

    @property
    def is_end(self) -> bool:
        """Whether it ends a run."""
        return self.seq % SEQS == SEQS - 1

    def json(self) -> bytes:
        """Return the event as JSON, in one line."""
        try:
            return _encode(self.event)
        except UnicodeEncodeError:  # a half surrogate in an id or a name
            return _encode(to_plain(self.event))

    def sse(self) -> bytes:
        """Return it as a server-sent event."""
        data = self.json()
        return b"event: %b\nid: %d\ndata: %b\n\n" % (
            self.event["method"].encode(),
            self.seq,
            data,
        )


class Framer:
    """Numbers the events of one run."""

    def __init__(self, number: int, run_id: str) -> None:
        self._first = number * SEQS
        self._run_id = run_id
        self._count = 0

    def frame(
        self, method: str, namespace: Namespace, ts: int, data: Any, *, node: str | None = None
    ) -> Frame:
        """Return the next event; ``ts`` is in ms since the epoch."""
        self._count += 1
        return self._frame(self._count, method, namespace, ts, data, node)

    def last(self, namespace: Namespace, ts: int, data: Data) -> Frame:
        """Return the ``lifecycle`` event that ends the run, under its last number.

        So whoever names that number is known to have all of the run, even when it is gone.
        """
        return self._frame(SEQS - 1, "lifecycle", namespace, ts, data, None)

    def _frame(
        self,
        count: int,
        method: str,
        namespace: Namespace,
        ts: int,
        data: Any,
        node: str | None,
    ) -> Frame:
        params: Data = {"namespace": namespace, "timestamp": ts, "data": data}
        if node is not None:
            params["node"] = node
        seq = self._first + count
        event: Data = {
            "type": "event",
            # JavaScript's client reads the run's id from ids of this form.
            "event_id": f"synth:{self._run_id}:{count}",
            "seq": seq,
            "method": method,
            "params": params,
        }
        return Frame(seq, _channel(method, data), namespace, event)


def _channel(method: str, data: Any) -> str:
    if method == "input.requested":
        return "input"
    if method == "custom" and data.get("name"):
        return f"custom:{data['name']}"
    return method


class Wanted(NamedTuple):
    """What a reader subscribes to."""

    channels: Collection[str]
    namespaces: Sequence[Sequence[str]] = ()
    """Beginnings of namespaces; none is any."""
    depth: int | None = None
    """How many levels below such a beginning; None is any number."""
    since: int = 0
    """The ``seq`` that the reader has, and all before it."""

    def takes(self, frame: Frame) -> bool:
        """Whether the reader is to get this."""
        if frame.seq <= self.since:
            return False
        channel = frame.channel
        if channel not in self.channels and not (
            channel.startswith("custom:") and "custom" in self.channels
        ):
            return False
        return not self.namespaces or any(
            _begins(frame.namespace, prefix)
            and (self.depth is None or len(frame.namespace) - len(prefix) <= self.depth)
            for prefix in self.namespaces
        )


def _begins(namespace: Namespace, prefix: Sequence[str]) -> bool:
    """Segments are ``name:task``; one without a task stands for all tasks of that name."""
    return len(prefix) <= len(namespace) and all(
        given in (segment, segment.partition(":")[0])
        for given, segment in zip(prefix, namespace, strict=False)
    )
