"""Web processes of the tests' own, which are killed, stopped, and asked to end.

They are forked from one that has imported everything, so that starting one takes a moment.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from tests.faults.app import Options, serve
from tests.faults.sizes import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.app"])


class WebProcess:
    """One process at a port of its own; ``port`` stays the same when it is started again."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.send_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(2048)
        self.port: int = self._listener.getsockname()[1]
        self._process = _FORKS.Process(target=serve, args=(options, self._listener), daemon=True)
        self._process.start()
        self._listener.close()  # it is the other process's now: with it, it closes
        eventually(self.answers)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def ask(
        self, method: str, path: str, body: object = None, *, user: str = "somebody"
    ) -> tuple[int, dict[str, str], Any]:
        """Return the status, the headers in lower case and the JSON of an answer."""
        link = HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            data = None if body is None else json.dumps(body)
            headers = {
                "x-user": user,
                "prefer": "respond-async",
                "content-type": "application/json",
            }
            link.request(method, path, data, headers)
            response = link.getresponse()
            said = response.read()
            kept = {name.lower(): value for name, value in response.getheaders()}
            return response.status, kept, json.loads(said) if said else None
        finally:
            link.close()

    def start_run(
        self, words: int, pause_s: float, size: int = 0, *, user: str = "somebody", **more: Any
    ) -> str:
        """Start a run that nobody reads yet, and return its id."""
        asked = {"input": f"{words} {pause_s} {size}", **more}
        status, _, told = self.ask("POST", "/runs", asked, user=user)
        assert status == 202, told
        run_id: str = told["run_id"]
        return run_id

    def status(self, run_id: str, *, user: str = "somebody") -> Any:
        return self.ask("GET", f"/runs/{run_id}", user=user)[2]

    def state(self) -> dict[str, Any]:
        """What the process holds."""
        state: dict[str, Any] = self.ask("GET", "/test/state")[2]
        return state

    async def asks_state(self) -> dict[str, Any]:
        """The same, where the event loop is to go on meanwhile."""
        return await asyncio.to_thread(self.state)

    def stop(self) -> None:
        """Stand still, connections and all, until ``go_on``."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def exit_code(self) -> int | None:
        """The code that it ends with; None if it goes on for too long."""
        self._process.join(WAIT_S)
        return self._process.exitcode

    def kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join(WAIT_S)

    def _signal(self, which: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, which)


def eventually(condition: Callable[[], object], *, within_s: float = WAIT_S) -> float:
    """Wait until the condition holds, and return how many seconds that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < within_s, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - begun
