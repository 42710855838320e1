"""Front ends over HTTP: each request becomes a run in the log, and is answered from there.

Guarantees: as those of the router; whatever is refused, is refused in the protocol's own form.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from langchain_streamkit.serve.protocols.openai import model_body, models_body, no_such_model
from langchain_streamkit.serve.refusals import refusal_of
from langchain_streamkit.serve.requests import read_json_body
from langchain_streamkit.serve.run_answers import RunAnswers
from langchain_streamkit.wire.encoders import EncodedLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request

    from langchain_streamkit.events import Event
    from langchain_streamkit.serve.protocols.ai_sdk import AiSdk
    from langchain_streamkit.serve.protocols.asked import FrontEnd
    from langchain_streamkit.serve.service import RunService
    from langchain_streamkit.serve.settings import ServeSettings
    from langchain_streamkit.wire.openai.terms import Reply


class FrontEndpoints:
    """What the paths of one front end do."""

    def __init__(self, service: RunService, front: FrontEnd, settings: ServeSettings) -> None:
        self.service = service
        self.front = front
        self._manager = service.manager
        self._max_body_bytes = settings.max_body_bytes
        self._answers = RunAnswers(service, settings, self.refused)

    def refused(self, error: Exception) -> Response:
        """Tell what an endpoint raises in the protocol's form."""
        return self.front.refusal(refusal_of(error))

    async def start(self, request: Request) -> Response:
        """Start the run that is asked for; its stream, or its whole answer."""
        user = await self.service.user_of(request)
        body = await read_json_body(request, self._max_body_bytes)
        asked = self.front.read(body, self.service.names)
        async with AsyncExitStack() as place:
            await place.enter_async_context(self._manager.place(user))
            run_id = await self.service.start(request, asked, user)
            if asked.reply is not None:
                return await self._whole(request, run_id, asked.reply, user)
            return await self.stream(run_id, asked.encoder, user, place.pop_all())

    async def stream(
        self, run_id: str, encoder: Any, user: str | None, place: AsyncExitStack
    ) -> Response:
        """Return the stream of a run, from its beginning."""
        return await self._answers.stream(
            run_id,
            user,
            EncodedLog(encoder),
            place=place,
            ends_run=not self.front.resumes,
            headers={"X-Run-Id": run_id},
        )

    async def _whole(
        self,
        request: Request,
        run_id: str,
        reply_to: Callable[[Iterable[Event]], Reply],
        user: str | None,
    ) -> Response:
        work = partial(self._events, run_id, user)
        reply = reply_to(await self._answers.awaited(request, run_id, work, ends_run=True))
        headers = {**reply.headers, "X-Run-Id": run_id}
        return Response(reply.body, reply.status, headers, "application/json")

    async def _events(self, run_id: str, user: str | None) -> list[Event]:
        """All events of a run, when it has ended."""
        return [event async for batch in self.service.events(run_id, user) for event in batch]


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
            encoder = self.front.new_encoder(resumed=True)
            return await self.stream(run_id, encoder, user, place.pop_all())
