"""The spending of keys, added up in Redis by all who share it. Needs the extra ``redis``."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from langchain_streamkit.errors import LimitsUnavailable, StreamUsageError
from langchain_streamkit.tokens.quota_store import KEEP_S
from langchain_streamkit.tokens.quota_window import ADD, ADD_DIGEST, Window
from langchain_streamkit.tokens.spending import NOTHING, Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

logger = logging.getLogger("langchain_streamkit")

WhenUnavailable: TypeAlias = Literal["refuse", "admit"]

SEND_S: Final = 0.05
"""How long a piece of an answer waits at most until others hear of it."""
ANSWER_S: Final = 0.5
"""How long a connection, and an answer, is waited for."""
AGAIN_S: Final = 0.5
"""How soon a server that does not answer is asked again."""
MOST_AT_ONCE: Final = 500
"""Windows in one pipeline."""


class RedisQuotaStore:
    """A ``QuotaStore`` in a Redis server, for any number of processes and threads.

    What begins a model call or a tool waits for Redis, for ``ANSWER_S`` seconds at most, and so
    sees all that others have told by then: of calls that begin at the same time anywhere, never
    more are made than are allowed. Everything else is added here at once, and told to Redis by a
    thread, ``SEND_S`` seconds later at most. So a limit is exceeded by no more than all answers
    that are going on say in that time and one round trip, beside one piece of each; a process that
    is killed leaves that much uncounted.

    While Redis does not answer, nobody waits for it (but the first to notice): calls and tools are
    not begun (``"refuse"``: ``LimitsUnavailable``) or are admitted by what is known here
    (``"admit"``), and answers that are going on go on. All of it is told to Redis when it is back,
    once. What Redis itself forgets has not been spent.

    Args:
        url: ``redis://host:port/db``, ``rediss://`` or ``unix://path``.
        when_unavailable: ``"refuse"`` or ``"admit"``.
        clock: seconds since the epoch; by default Redis' own.

    Raises:
        StreamUsageError: for what is neither.
    """

    def __init__(
        self,
        url: str,
        *,
        when_unavailable: WhenUnavailable = "refuse",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if when_unavailable not in {"refuse", "admit"}:
            raise StreamUsageError(
                f"when_unavailable={when_unavailable!r} is not known; write 'refuse' or 'admit'"
            )
        self._refuse = when_unavailable == "refuse"
        self._clock = clock
        try:
            self._redis: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                url,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                socket_keepalive=True,
                # once, at once: for a connection that the server has closed meanwhile
                retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            )
            pool = self._redis.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # refuses what the URL may not say
        except (ValueError, TypeError, AttributeError) as exc:
            raise StreamUsageError(
                f"store={url!r} is no URL of a Redis server ({exc}); write"
                " store='redis://localhost:6379/0'"
            ) from exc
        self._reset()
        itself = weakref.WeakMethod(self._reset)
        if hasattr(os, "register_at_fork"):
            # What the parent has not told yet is the parent's, and so are its thread and locks.
            os.register_at_fork(after_in_child=lambda: (reset := itself()) and reset())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        """Held for a moment, over what is known here."""
        self._wire = threading.Lock()
        """Held by who talks to Redis."""
        # by start and length, then by key: what ends together is dropped together
        self._windows: dict[tuple[int, int], dict[str, Window]] = {}
        self._fresh: dict[tuple[str, int, int], Window] = {}
        """To be told to Redis; by name."""
        self._ahead_s: float | None = None
        self._down: BaseException | None = None
        self._news = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        where = self._redis.connection_pool.connection_kwargs
        host = where.get("host") or where.get("path")
        return f"<RedisQuotaStore at {host}:{where.get('port', '')}>"

    def now(self) -> float:
        """Return the seconds since the epoch, on Redis' clock as far as it is known."""
        if self._ahead_s is None and self._clock is None:
            self._ask([])
        return self._time()

    def add(self, key: str, window_start: int, window_s: int, spent: Spent) -> Spent:
        """Add to what the key has spent in the window; return the new total.

        Raises LimitsUnavailable, with nothing added, for what begins a call or a tool.
        """
        if spent.model_calls > 0 or spent.tool_calls > 0:
            return self._begin(key, window_start, window_s, spent)
        with self._lock:
            window = self._window(key, window_start, window_s)
            self._book(window, spent)
            return window.seen

    def get(self, key: str, window_start: int, window_s: int) -> Spent:
        """Return what the key has spent in the window. Waits, and raises, as ``add`` does."""
        with self._lock:
            window = self._window(key, window_start, window_s)
        seen = self._ask([window])
        if seen is None and self._refuse:
            raise self._unavailable()
        return window.seen if seen is None else seen[0]

    def close(self) -> None:
        """Tell Redis what it does not know yet, and disconnect; used again, it connects again."""
        self._send()
        with self._lock:
            thread = self._thread
            self._thread = None
            self._closed.set()
            self._news.set()
        if thread is not None:
            thread.join()
        atexit.unregister(self.close)
        self._redis.close()

    def _begin(self, key: str, window_start: int, window_s: int, spent: Spent) -> Spent:
        # One after the other, and each by the total of that moment: of two of which one has room,
        # just one is made.
        with self._line() if self._down is None else nullcontext() as free:
            with self._lock:
                window = self._window(key, window_start, window_s)
                self._book(window, spent)
            seen = self._exchange([window]) if free else None
            if seen is not None:
                return seen[0]
            with self._lock:
                if self._refuse:
                    self._book(window, NOTHING - spent)
                    raise self._unavailable()
                return window.seen

    def _time(self) -> float:
        return time.time() + (self._ahead_s or 0.0) if self._clock is None else self._clock()

    def _window(self, key: str, start: int, length: int) -> Window:
        windows = self._windows.get((start, length))
        if windows is None:
            before = self._time() - KEEP_S
            for old in [old for old in self._windows if sum(old) < before]:
                del self._windows[old]
            windows = self._windows[start, length] = {}
        window = windows.get(key)
        if window is None:
            window = windows[key] = Window(key, start, length)
        return window

    def _book(self, window: Window, spent: Spent) -> None:
        window.unsent += spent
        window.seen += spent
        self._fresh[window.name] = window
        self._start()

    def _start(self) -> None:
        """Let the thread tell Redis what there is; the lock is held."""
        if self._thread is None:
            self._closed = threading.Event()
            self._thread = threading.Thread(
                target=self._tell,
                args=(self._closed,),
                name="langchain_streamkit quota",
                daemon=True,
            )
            self._thread.start()
            atexit.register(self.close)
        if not self._news.is_set():
            self._news.set()

    def _tell(self, closed: threading.Event) -> None:
        while True:
            self._news.wait()
            if closed.wait(SEND_S if self._down is None else AGAIN_S):
                return
            self._news.clear()
            if not self._send():
                self._news.set()

    def _send(self) -> bool:
        """Tell Redis all that it does not know; whether it answered."""
        with self._lock:
            due = [window for window in self._fresh.values() if window.due]
            self._fresh = {}
        parts = [due[at : at + MOST_AT_ONCE] for at in range(0, len(due), MOST_AT_ONCE)]
        if self._down is not None:
            parts.insert(0, [])
        if all(self._talk(part) is not None for part in parts):
            return True
        with self._lock:
            self._fresh |= {window.name: window for window in due}
        return False

    def _ask(self, windows: Sequence[Window]) -> list[Spent] | None:
        """As ``_talk``, unless Redis is known not to answer."""
        return self._talk(windows) if self._down is None else None

    def _talk(self, windows: Sequence[Window]) -> list[Spent] | None:
        """Tell Redis what it does not know of windows; the new totals, None without an answer."""
        with self._line() as free:
            return self._exchange(windows) if free else None

    @contextmanager
    def _line(self) -> Generator[bool]:
        """Be the only one to talk to Redis; False if that would take too long."""
        free = self._wire.acquire(timeout=ANSWER_S)
        try:
            yield free
        finally:
            if free:
                self._wire.release()

    def _exchange(self, windows: Sequence[Window]) -> list[Spent] | None:
        """As ``_talk``; with the line held."""
        with self._lock:
            now = self._time()
            calls = [("EVALSHA", ADD_DIGEST, 1, *window.next_batch(now)) for window in windows]
        try:
            replies = self._pipeline(calls or [("TIME",)])
        except (RedisError, OSError) as exc:
            if self._down is None:
                logger.warning("the quotas in %r cannot be asked: %s", self, exc)
            self._down = exc
            with self._lock:
                self._start()
            return None
        self._down = None
        seconds, micros = (int(part) for part in replies[-1][:2])
        with self._lock:
            self._ahead_s = seconds + micros / 1e6 - time.time()
            for window, reply in zip(windows, replies, strict=False):
                window.told(reply[2:])
                if window.due:  # there was a batch to be sent again, and more behind it
                    self._fresh[window.name] = window
                    self._start()
            return [window.seen for window in windows]

    def _pipeline(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Make all calls at once; all again, if Redis does not know the script."""
        replies = self._at_once(calls)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            self._redis.script_load(ADD)
            replies = self._at_once(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _at_once(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return a reply, or the exception that Redis answered with, for each call."""
        pipeline: Any = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call)
        return list(pipeline.execute(raise_on_error=False))

    def _unavailable(self) -> LimitsUnavailable:
        return LimitsUnavailable(
            f"the quotas in {self!r} cannot be asked: {self._down or 'too slow'}; start the server,"
            " or mend the URL that Quota(store=...) was given"
        )
