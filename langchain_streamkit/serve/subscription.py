"""What a client's ``id`` stands for on a socket: one run, read from one position on.

Guarantees: the id gets one last frame, ``end`` or an error, after which it is free, and so is the
reader's place; none after ``stop``. A run that a client asked for is started, or refused with an
error, even if the client has gone meanwhile: then it counts as read by a client that has left.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.log.position import Position
from langchain_streamkit.serve.protocols.native import asked_natively
from langchain_streamkit.serve.refusals import Refusal, broken_off, refusal_of
from langchain_streamkit.serve.requests import RunRequest
from langchain_streamkit.wire.run_frames import Start, Subscribe, begun, end, pack
from langchain_streamkit.wire.socket_frames import error_frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from langchain_streamkit.log.tailing import Stretch
    from langchain_streamkit.serve.socket_session import OpenSocket
    from langchain_streamkit.wire.log_view import LogView

MAX_SENT_BYTES: Final = 1 << 16
"""Of a frame, unless one event is larger: a run that says much is interrupted by the others."""


class Subscription:
    """Serves one ``start`` or ``subscribe`` in ``task``.

    ``freed`` is called before the last frame.
    """

    def __init__(
        self,
        asked: Start | Subscribe,
        opened: OpenSocket,
        freed: Callable[[Subscription], None],
    ) -> None:
        self.id = asked.id
        self._asked = asked
        self._service = opened.service
        self._connection = opened.websocket
        self._user = opened.user
        self._line = opened.socket
        self._freed = freed
        self._run_id = asked.run_id if isinstance(asked, Subscribe) else None
        self._reading = self._stopped = self._cancelled = self._disconnected = False
        self.task = asyncio.create_task(self._serve())

    async def cancel(self) -> None:
        """Ask the run to stop, as soon as there is one."""
        self._cancelled = True
        if self._run_id is not None:
            await self._service.manager.cancel(self._run_id, user=self._user)

    def stop(self, *, disconnected: bool = False) -> None:
        """Send nothing more; the run goes on. ``disconnected``: as the client has really gone."""
        self._stopped = True
        self._disconnected = disconnected
        if self._reading:
            self.task.cancel()

    async def _serve(self) -> None:
        try:
            async with self._service.manager.place(self._user):
                await self._read()
            last = end(self.id)
        except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
            refusal = broken_off(exc) if self._reading else refusal_of(exc)
            last = error_frame(self.id, refusal.without_headers())
        finally:
            self._freed(self)
        if not self._stopped:
            await self._line.write(last)

    async def _read(self) -> None:
        since = None
        if isinstance(self._asked, Start):
            self._run_id = run_id = await self._start(self._asked)
            if self._cancelled:
                await self.cancel()
        else:
            run_id, since = self._asked.run_id, _position(self._asked.since)
        view = self._service.view_after(since)
        batches = await self._service.entries(run_id, since, view.first, self._user)
        manager = self._service.manager
        await manager.attend(run_id)
        try:
            self._reading = True
            if isinstance(self._asked, Start) and not self._stopped:
                await self._line.write(begun(self.id, run_id))
            if not self._stopped:
                await self._send(run_id, batches, view)
        finally:
            manager.leave(run_id, disconnected=self._disconnected)

    async def _start(self, asked: Start) -> str:
        request = RunRequest(
            input=asked.input,
            thread_id=asked.thread_id,
            metadata=asked.metadata,
            resume=asked.resume,
        )
        return await self._service.start(self._connection, asked_natively(request), self._user)

    async def _send(self, run_id: str, batches: AsyncGenerator[Stretch], view: LogView) -> None:
        async with aclosing(batches):
            async for batch in batches:
                for text in pack(
                    self.id, run_id, batch.generation, view.shown(batch), MAX_SENT_BYTES
                ):
                    await self._line.write(text)
                    if self._line.closed:
                        return
                if view.ended:
                    return
                await self._line.give_way(len(batch.data))


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        return Position.parse(text)
    except StreamUsageError as exc:
        raise Refusal(400, "invalid_position", exc.wire or "this is no position") from exc
