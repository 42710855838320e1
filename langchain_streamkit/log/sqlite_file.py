"""The file of a SQLite log: its tables, and each step on them as one transaction. Plain code."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from langchain_streamkit.errors import StreamError
from langchain_streamkit.log import rules
from langchain_streamkit.log.contract import Answer, Page
from langchain_streamkit.log.rules import Record

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from langchain_streamkit.log.contract import Added, Append, Claim, Clock

VERSION: Final = 1
"""Of the tables, in ``PRAGMA user_version``."""
BUSY_S: Final = 5.0
"""How long a writer waits for that of another process."""
_AGAIN_S: Final = 0.005
_PURGED: Final = 20
"""Streams whose time is over that are removed when another is made."""

_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Record))
_TABLES: Final = f"""
CREATE TABLE streams (name TEXT PRIMARY KEY, {", ".join(_FIELDS[1:])}, change INTEGER);
CREATE INDEX streams_by_change ON streams (change);
CREATE INDEX streams_by_expiry ON streams (expires);
CREATE INDEX streams_by_user ON streams (user);
CREATE TABLE readers (name TEXT, reader TEXT, until INTEGER, PRIMARY KEY (name, reader));
CREATE TABLE entries (name TEXT, seq INTEGER, data BLOB, PRIMARY KEY (name, seq)) WITHOUT ROWID;
CREATE TABLE changes (newest INTEGER);
INSERT INTO changes VALUES (0);
PRAGMA user_version = {VERSION};
"""  # noqa: S608
_LOAD: Final = f"SELECT {', '.join(_FIELDS)} FROM streams WHERE name = ?"  # noqa: S608
_SAVE: Final = (
    f"INSERT OR REPLACE INTO streams ({', '.join(_FIELDS)}, change)"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_FIELDS))}, (SELECT newest FROM changes))"
)


class Change(NamedTuple):
    """A stream that some process has changed."""

    name: str
    cancelled: bool


class SQLiteFile:
    """One connection, to be used by one thread at a time.

    The file is in WAL mode with ``synchronous=NORMAL``: it outlives the end of any process, and
    stays whole if the machine loses power, which may take the last moments from it.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._clock = clock
        self._db = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            if not self._has_tables(path):
                self._enter_wal()
                with self._writing():
                    if not self._has_tables(path):  # another process made them just now
                        for statement in _TABLES.split(";"):
                            self._db.execute(statement)
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._version = self._data_version()
            (self._seen,) = self._db.execute("SELECT newest FROM changes").fetchone()
        except BaseException:
            self._db.close()
            raise

    def _enter_wal(self) -> None:
        """Change the mode of a new file; SQLite may not wait for another one who is at it."""
        end = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(_AGAIN_S)

    def _has_tables(self, path: str) -> bool:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        # Asked last: who has made the tables meanwhile has set it in the same transaction.
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == VERSION:
            return True
        if found or tables:
            raise StreamError(
                f"{path} is a database of something else, or of a log of version {found}, and"
                f" this library's is {VERSION}; name another file"
            )
        return False

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def claim(self, wish: Claim) -> Answer:
        """See ``LogStore.claim``."""
        with self._writing() as now:
            self._purge(now)
            record = self._load(wish.name, now)
            if record is None:
                self._db.execute("DELETE FROM entries WHERE name = ?", (wish.name,))
            status, made = rules.claim(record, wish, now)
            if status == "ok":
                self._save(made)
                trimmed = "DELETE FROM entries WHERE name = ? AND seq < ?"
                self._db.execute(trimmed, (wish.name, made.oldest))
            return rules.answer(status, made, now)

    def take_over(self, name: str, owner: str, lease_ms: int) -> Answer:
        """See ``LogStore.take_over``."""
        with self._writing() as now:
            record = self._load(name, now)
            if record is None:
                return Answer("gone", None)
            status = rules.take_over(record, owner, lease_ms, now)
            if status == "ok":
                self._save(record)
            return rules.answer(status, record, now)

    def append(self, wishes: Sequence[Append]) -> list[tuple[Added, str, int]]:
        """See ``LogStore.append``; with each answer, the generation of the stream, and how many of
        the entries were there already.
        """
        with self._writing() as now:
            return [self._append(wish, now) for wish in wishes]

    def _append(self, wish: Append, now: int) -> tuple[Added, str, int]:
        record = self._load(wish.name, now)
        if record is None:
            return rules.added("gone", None), "", 0
        status, known = rules.append(record, wish, now)
        if status == "ok":
            self._save(record)
            self._db.executemany(
                "INSERT INTO entries VALUES (?, ?, ?)",
                [
                    (wish.name, seq, data)
                    for seq, data in enumerate(wish.entries[known:], wish.first + known)
                ],
            )
        return rules.added(status, record), record.generation, known

    def read(self, name: str, after: int, limit: int) -> Page | None:
        """See ``LogStore.read``."""
        self._db.execute("BEGIN")
        try:
            now = self._now()
            record = self._load(name, now)
            if record is None:
                return None
            found = self._db.execute(
                "SELECT seq, data FROM entries WHERE name = ? AND seq > ? ORDER BY seq LIMIT ?",
                (name, after, limit),
            ).fetchall()
            return Page(record.info(now), found)
        finally:
            self._db.execute("COMMIT")

    def cancel(self, name: str, reason: str) -> Answer:
        """See ``LogStore.cancel``."""
        with self._writing() as now:
            record = self._load(name, now)
            if record is None:
                return Answer("gone", None)
            status = rules.cancel(record, reason)
            if status == "ok":
                self._save(record)
            return rules.answer(status, record, now)

    def expire(self, name: str, ttl_ms: int) -> Answer:
        """See ``LogStore.expire``. What is gone stays in the file until another stream is made."""
        with self._writing() as now:
            record = self._load(name, now)
            if record is None:
                return Answer("gone", None)
            record.expires = now + ttl_ms
            self._save(record)
            return rules.answer("ok", record, now)

    def of_user(self, user: str) -> list[str]:
        """See ``LogStore.of_user``."""
        rows = self._db.execute(
            "SELECT name FROM streams WHERE user = ? AND expires > ? ORDER BY made",
            (user, self._now()),
        )
        return [name for (name,) in rows]

    def attend(self, name: str, reader: str, lease_ms: int) -> int:
        """See ``LogStore.attend``."""
        with self._writing() as now:
            self._db.execute("DELETE FROM readers WHERE until <= ?", (now,))
            if lease_ms:
                self._db.execute(
                    "INSERT OR REPLACE INTO readers VALUES (?, ?, ?)",
                    (name, reader, now + lease_ms),
                )
            else:
                self._db.execute(
                    "DELETE FROM readers WHERE name = ? AND reader = ?", (name, reader)
                )
            found: int = self._db.execute(
                "SELECT count(*) FROM readers WHERE name = ?", (name,)
            ).fetchone()[0]
            return found

    def changes(self) -> list[Change]:
        """Return what other processes have changed since the last call; often nothing, fast."""
        version = self._data_version()
        if version == self._version:
            return []
        self._version = version
        rows = self._db.execute(
            "SELECT name, state = 'running' AND cancel != '', change FROM streams WHERE change > ?",
            (self._seen,),
        ).fetchall()
        self._seen = max([self._seen, *(change for _, _, change in rows)])
        return [Change(name, bool(cancelled)) for name, cancelled, _ in rows]

    @contextmanager
    def _writing(self) -> Generator[int]:
        """Wait for other writers, give the time, and keep what was done, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._now()
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _data_version(self) -> int:
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _load(self, name: str, now: int) -> Record | None:
        row = self._db.execute(_LOAD, (name,)).fetchone()
        if row is None:
            return None
        record = Record(**dict(zip(_FIELDS, row, strict=True)))
        record.lasting = bool(record.lasting)
        return record if record.expires > now else None

    def _save(self, record: Record) -> None:
        self._db.execute("UPDATE changes SET newest = newest + 1")
        self._db.execute(_SAVE, msgspec.structs.astuple(record))

    def _purge(self, now: int) -> None:
        expired = self._db.execute(
            "SELECT name FROM streams WHERE expires <= ? LIMIT ?", (now, _PURGED)
        ).fetchall()
        self._db.executemany("DELETE FROM entries WHERE name = ?", expired)
        self._db.executemany("DELETE FROM streams WHERE name = ?", expired)
