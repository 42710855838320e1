"""Front ends over HTTP: each request becomes a run in the log, and is answered from there.

Guarantees: as those of the router; whatever is refused, is refused in the protocol's own form.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request  # noqa: TC002 - FastAPI looks for it
from starlette.responses import JSONResponse, Response

from langchain_streamkit.errors import LogUnavailable
from langchain_streamkit.events import TERMINAL_TYPES
from langchain_streamkit.serve.gone import Gone, until_gone
from langchain_streamkit.serve.log_response import LogResponse
from langchain_streamkit.serve.protocols.openai import model_body, models_body, no_such_model
from langchain_streamkit.serve.refusals import refusal_of
from langchain_streamkit.serve.requests import read_json_body
from langchain_streamkit.wire.encoders import EncodedLog, events_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_streamkit.events import Event
    from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
    from langchain_streamkit.serve.protocols.asked import Asked, FrontEnd
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings


class FrontEndpoints:
    """What the paths of one front end do."""

    def __init__(self, service: RunService, front: FrontEnd, settings: ServeSettings) -> None:
        self.service = service
        self.front = front
        self._manager = service.manager
        self._settings = settings

    def refusing(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Answer what the endpoint raises in the protocol's form."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Exception as exc:  # noqa: BLE001 -- told to the client, and logged
                return self.front.refusal(refusal_of(exc))

        return answer

    async def start(self, request: Request) -> Response:
        """Start the run that is asked for; its stream, or its whole answer."""
        user = await self.service.user_of(request)
        body = await read_json_body(request, self._settings.max_body_bytes)
        asked = self.front.read(body, self.service.names)
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(user))
            run_id = await self.service.start(request, asked, user)
            if asked.reply is not None:
                return await self._reply(request, run_id, asked, user)
            return await self.stream(run_id, asked.encoder, user, place.pop_all())

    async def stream(
        self, run_id: str, encoder: Any, user: str | None, place: AsyncExitStack
    ) -> Response:
        """Return the stream of a run, from its beginning."""
        async with place:
            framing = EncodedLog(encoder)
            batches = await self.service.entries(run_id, None, framing.first, user)
            return LogResponse(
                self._manager,
                run_id,
                batches,
                framing,
                place=place.pop_all(),
                ends_run=not self.front.resumes,
                heartbeat_s=self._settings.heartbeat_s,
                send_timeout_s=self._settings.send_timeout_s,
                headers={"X-Run-Id": run_id},
            )

    async def _reply(
        self, request: Request, run_id: str, asked: Asked, user: str | None
    ) -> Response:
        assert asked.reply is not None  # noqa: S101 - that is why it was called
        await self._manager.attend(run_id)
        gone = True
        try:
            events = await until_gone(request, self._events(run_id, user))
            gone = False
        except Gone:
            return Response(status_code=499)  # which nobody reads
        finally:
            self._manager.leave(run_id, disconnected=gone, ends_run=True)
        reply = asked.reply(events)
        headers = {**reply.headers, "X-Run-Id": run_id}
        return Response(reply.body, reply.status, headers, "application/json")

    async def _events(self, run_id: str, user: str | None) -> list[Event]:
        """All events of a run, when it has ended."""
        found: list[Event] = []
        batches = await self.service.entries(run_id, None, None, user)
        async with aclosing(batches):
            async for batch in batches:
                found += events_of(batch)
                if found and found[-1].type in TERMINAL_TYPES:
                    return found
        raise LogUnavailable("the run's log ended before the run")


class ModelEndpoints(FrontEndpoints):
    """Those of OpenAI, which name the models."""

    async def models(self, request: Request) -> Response:
        """List what is served."""
        await self.service.user_of(request)
        return JSONResponse(models_body(self.service.names))

    async def model(self, request: Request) -> Response:
        """Describe one of them."""
        await self.service.user_of(request)
        name, names = request.path_params["model"], self.service.names
        if name not in names:
            raise no_such_model(name, names)
        return JSONResponse(model_body(name))


class ChatEndpoints(FrontEndpoints):
    """Those of the AI SDK, whose clients come back by the id of the chat."""

    front: AiSdk

    async def resume(self, request: Request) -> Response:
        """Stream the chat's present run from its beginning; 204 if there is none."""
        user = await self.service.user_of(request)
        run_id = await self._manager.active(request.path_params["chat_id"], user=user)
        if run_id is None:
            return Response(status_code=204)
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(user))
            return await self.stream(run_id, self.front.new_encoder(), user, place.pop_all())
