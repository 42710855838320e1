"""The ledger: every model call once, from whatever told of it, and the sums over them."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Self

import msgspec

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.events import Event, MessageRetracted
from langchain_streamkit.text import short_repr
from langchain_streamkit.tokens.cells import summary
from langchain_streamkit.tokens.records import UsageRecord
from langchain_streamkit.tokens.tables import UsageTable
from langchain_streamkit.tokens.totals import GroupKey, UsageTotal, grouped, total_of
from langchain_streamkit.tokens.usage_events import UsageReader


class _Saved(msgspec.Struct):
    """The JSON of a ledger."""

    records: tuple[UsageRecord, ...]


class Ledger:
    """The usage records of any number of runs, one for each model call.

    Guarantees: a call has one record, whoever tells of it and how often, in this run or in one
    around it: its key is ``call_id`` alone, which is LangChain's own id of the call and the same
    everywhere. Records stand in the order in which their calls were first told of. All methods may
    be called from any thread at any time; iteration goes over the records of its beginning.
    Pickles and copies hold the records, not the streams that are half read.

    It is a sink too: give it to a run, or feed it events of other processes and of files with
    ``send``. Events do not tell everything: calls that never said anything have none; ``node`` is
    known if the stream shows steps or metadata, ``user`` and ``thread_id`` if it has its
    ``run.started``; ``tags`` are those of the step around the model, not its own;
    ``counted_tokens`` is None; times are those of the message's events, so that ``started_ms`` is
    exact only for calls that told ``first_token_ms``. A message that is still open when its stream
    breaks off has no record.
    """

    def __init__(self, records: Iterable[UsageRecord] = ()) -> None:
        self._lock = threading.Lock()
        self._reader = UsageReader()
        self._records: dict[str, UsageRecord] = {}
        if not isinstance(records, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            records = (records,)
        self.merge(records)

    # ---- taking in ---------------------------------------------------------------------------

    def add(self, record: UsageRecord) -> None:
        """Write down a call, in place of what was known of it (a late answer has the true numbers).

        What was retracted stays so, and a user, a thread and the cost of the same tokens that were
        known stay known. Raises
        StreamUsageError for what is no UsageRecord.
        """
        if not isinstance(record, UsageRecord):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise StreamUsageError(
                f"{short_repr(record)} is not a UsageRecord; read a dict by "
                "UsageRecord.from_dict(...), and give events to send([...])"
            )
        with self._lock:
            self._put(record)

    def merge(self, other: Iterable[UsageRecord]) -> None:
        """Add the records of another ledger, such as another process's, as ``add`` would."""
        for record in tuple(other):  # beforehand: other may be this ledger
            self.add(record)

    def send(self, events: Sequence[Event], /) -> None:
        """Take events of one or several runs, each run's in order.

        A call that the ledger knows keeps its record, which was made from more than events tell;
        only the id of its message, and that the message was retracted, is added.
        """
        with self._lock:
            for event in events:
                if isinstance(event, MessageRetracted):
                    self._retract(event.run_id, event.message_id)
                    continue
                record = self._reader.feed(event)
                if record is None:
                    continue
                known = self._records.get(record.call_id)
                if known is None:
                    self._put(record)
                elif known.message_id is None:
                    self._put(msgspec.structs.replace(known, message_id=record.message_id))

    def close(self) -> None:
        """Nothing to do: a ledger serves several runs, and is read after their ends."""

    def clear(self) -> None:
        """Forget all records and what is half read."""
        with self._lock:
            self._records.clear()
            self._reader = UsageReader()

    def _put(self, record: UsageRecord) -> None:
        known = self._records.get(record.call_id)
        if known is not None:  # a callback knows neither for whom a run is made nor its prices
            cost = record.cost
            if cost is None and _tokens(record) == _tokens(known):
                cost = known.cost
            record = msgspec.structs.replace(
                record,
                retracted=record.retracted or known.retracted,
                user=record.user or known.user,
                thread_id=record.thread_id or known.thread_id,
                cost=cost,
            )
        self._records[record.call_id] = record

    def _retract(self, run_id: str, message_id: str) -> None:
        for record in self._records.values():  # rare, and so not worth an index
            if record.message_id == message_id and record.run_id == run_id:
                self._put(msgspec.structs.replace(record, retracted=True))
                return

    # ---- reading -----------------------------------------------------------------------------

    @property
    def records(self) -> tuple[UsageRecord, ...]:
        """All records, in the order in which their calls were first told of."""
        with self._lock:
            return tuple(self._records.values())

    def __iter__(self) -> Iterator[UsageRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self._records)

    def total(self) -> UsageTotal:
        """Return all calls added up."""
        return total_of(self.records)

    def by(self, key: GroupKey) -> dict[Hashable, UsageTotal]:
        """Return the total of each group, groups in order of first appearance.

        ``key`` is ``"model"``, ``"provider"``, ``"node"``, ``"path"``, ``"user"``, ``"thread"``,
        ``"tag"``, ``"run"``, ``"source"``, ``"status"``, ``"attempt"`` or a function of a record
        that returns the group's key; records that lack the fact are the group None. By ``"tag"``
        a record counts under each of its tags, so that these totals may be more than ``total()``
        together. By ``"path"``, which is a tuple, ``worker#2`` counts as ``worker``. Raises
        StreamUsageError for any other name.
        """
        groups = grouped(self.records, key)
        return {found: total_of(members) for found, members in groups.items()}

    def table(self, by: GroupKey | None = None, columns: Sequence[str] | None = None) -> UsageTable:
        """Return a table of the records, or of a total for each group of ``by``; see UsageTable.

        ``columns`` are fields of UsageRecord, with ``by`` of UsageTotal; left out, those that say
        something. Raises StreamUsageError for names that are none.
        """
        return UsageTable(self.records, by, columns)

    # ---- JSON, pickles, showing --------------------------------------------------------------

    def to_json(self) -> str:
        """Return the records as JSON: ``{"records": [...]}``, each as by ``to_dict``."""
        records = [record.to_dict() for record in self.records]
        return msgspec.json.encode({"records": records}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return a ledger with the records that ``to_json`` wrote.

        Raises StreamUsageError that names the field which is missing or wrong, and where it is.
        """
        try:
            saved = msgspec.json.decode(text, type=_Saved)
        except (msgspec.DecodeError, UnicodeError, TypeError) as exc:
            raise StreamUsageError(
                f"{short_repr(text)} is not the JSON of a ledger ({exc}); pass what to_json() gave"
            ) from exc
        ledger = cls()
        ledger.merge(saved.records)
        return ledger

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {**self.__dict__, "_records": dict(self._records)}
        del state["_lock"], state["_reader"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._reader = UsageReader()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {summary(self.total())}>"

    def _repr_html_(self) -> str:
        return self.table().to_html()


def _tokens(record: UsageRecord) -> tuple[str | None, int, int, int]:
    return record.model, record.input_tokens, record.output_tokens, record.total_tokens
