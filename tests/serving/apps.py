"""A FastAPI application with the router, at a real uvicorn; clients that read what it sends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from fastapi import FastAPI

from langchain_streamkit import RunManager
from langchain_streamkit.events import decode_event
from langchain_streamkit.serve.router import streamkit_router
from tests.serve.servers import WAIT_S, serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_streamkit.events import Event


@contextmanager
def served(
    runnable: Any, *, manager: RunManager | None = None, prefix: str = "", **options: Any
) -> Iterator[httpx.Client]:
    """Serve a runnable; gives a client of the server."""
    app = FastAPI()
    manager = manager or RunManager()

    @app.post("/test/shut-down", include_in_schema=False)
    async def shut_down() -> None:
        """What a signal does; a server in a thread gets none."""
        manager.shut_down()

    app.include_router(streamkit_router(runnable, manager=manager, **options), prefix=prefix)
    with serving(app, lifespan="on") as where, client_of(f"http://{where}{prefix}") as client:
        yield client


def client_of(base_url: str, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=WAIT_S, **options)


class Frame(NamedTuple):
    """One frame of server-sent events; ``name`` is "" for an ordinary one."""

    id: str
    name: str
    data: str
    retry: str

    def event(self) -> Event:
        return decode_event(self.data.encode())


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """What the parser of a browser makes of the lines; comments and a bare ``retry`` left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            key, _, value = line.partition(":")
            fields[key] = value.removeprefix(" ")
            continue
        if "data" in fields:
            get = fields.get
            yield Frame(get("id", ""), get("event", ""), fields["data"], get("retry", ""))
        fields = {}


class Stream:
    """The frames of one response, read as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.frames: list[Frame] = []
        self._rest = frames(response.iter_lines())

    @property
    def run_id(self) -> str:
        return self.response.headers["x-run-id"]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if event.type == "text.delta")

    @property
    def events(self) -> list[Event]:
        return [frame.event() for frame in self.frames if not frame.name]

    @property
    def last_id(self) -> str:
        return next(frame.id for frame in reversed(self.frames) if frame.id)

    def until(self, kind: str) -> Any:
        for frame in self._rest:
            self.frames.append(frame)
            if not frame.name and (event := frame.event()).type == kind:
                return event
        raise AssertionError(f"the stream closed before {kind}: {self.frames}")

    def rest(self) -> list[Frame]:
        found = list(self._rest)
        self.frames += found
        return found


@contextmanager
def started(client: httpx.Client, value: Any = "hi", **more: Any) -> Iterator[Stream]:
    """Start a run and read it."""
    headers = more.pop("headers", None)
    body = {"input": value, **more}
    with client.stream("POST", "/runs", json=body, headers=headers) as response:
        yield checked(response)


@contextmanager
def reading(client: httpx.Client, run_id: str, since: str | None = None) -> Iterator[Stream]:
    """Read a run, after ``since``."""
    headers = {} if since is None else {"Last-Event-ID": since}
    with client.stream("GET", f"/runs/{run_id}/events", headers=headers) as response:
        yield checked(response)


def checked(response: httpx.Response) -> Stream:
    if response.status_code != 200:
        response.read()
        raise AssertionError(f"{response.status_code}: {response.text}")
    assert response.headers["content-type"].startswith("text/event-stream")
    return Stream(response)


def error_of(response: httpx.Response) -> dict[str, Any]:
    body = json.loads(response.content)
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    return error
