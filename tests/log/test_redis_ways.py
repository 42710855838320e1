"""Ways to a Redis server: protocols, TLS, passwords, a user who may do no more than docs say."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from langchain_streamkit import LogUnavailable
from langchain_streamkit.log import Position, open_log
from langchain_streamkit.log import redis as redis_module
from tests.conftest import require
from tests.log.reading import Reader, lines, new_name
from tests.log.servers import RedisServer
from tests.test_project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def live_a_whole_life(url: str, name: str | None = None) -> None:
    """Every step that a log takes in Redis."""
    name = name or new_name()
    async with open_log(url, keep=2) as log, open_log(url, keep=2) as other:
        early = Reader(other, name, wait=True)
        writer = await log.open(name, lasting=True)
        await writer.append(lines(1, 2))
        assert await early.has(2) == lines(1, 2)
        assert await other.cancel(name)
        assert await writer.cancelled() == "user"
        await writer.finish(lines(3))
        await (await other.open(name, lasting=True)).finish(lines(4))
        kept = await log.read(name, Position(writer.generation, 1))
        assert [entry.data for entry in kept] == lines(2, 3, 4)
        assert await early.has(4) == lines(1, 2, 3, 4)
        await early.leave()
        await (await log.open(name, lasting=True, lease_s=0.001)).aclose()
        async with asyncio.timeout(10):
            while not (await other.info(name)).lapsed:  # noqa: ASYNC110 - the lease's time
                await asyncio.sleep(0.001)
        assert await other.close_lost(name)
        assert await other.store.attend(name, "reader", 1000) == 1
        assert await other.store.attend(name, "reader", 0) == 0
        assert name in await other.of_user(None)
        await other.expire(name)
        assert name not in await other.of_user(None)


# ---- protocols and places ------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?protocol=2", "?protocol=3", "?max_connections=1", "?db=3"])
async def test_log_lives_whatever_the_url_asks_of_a_connection(
    shared_redis: RedisServer, query: str
) -> None:
    await live_a_whole_life(f"redis://127.0.0.1:{shared_redis.port}/{query}")


async def test_log_lives_behind_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with serving(tmp_path, "--unixsocket", str(path)):
        await live_a_whole_life(f"unix://{path}")


async def test_everything_in_redis_is_under_one_prefix(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = Redis.from_url(server.url)
        async with open_log(server.url) as log, await log.open("a:b *") as writer:
            await writer.append(lines(1))
            reader = Reader(log, "a:b *")
            await reader.has(1)
            keys: list[Any] = await client.keys("*")
            channels = await client.pubsub_channels("*")
            index, *others = sorted(keys, key=lambda key: b"{" in key)
            assert index.startswith(b"sk:u:")
            assert sorted(others) == [b"sk:{a:b *}:m", b"sk:{a:b *}:s"]
            assert sorted(channels) == [b"sk:cancel", b"sk:{a:b *}:c"]
            await reader.leave()
        await client.aclose()


# ---- who may -------------------------------------------------------------------------------------


def acl_of_the_docs() -> list[str]:
    """``user streamkit on >secret ...`` as docs/log.md gives it."""
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"^ACL SETUSER (streamkit .*)$", page, re.MULTILINE)
    return str(rule).split()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_user_who_may_do_what_the_docs_say_needs_no_more(
    tmp_path: Path, protocol: int
) -> None:
    with serving(tmp_path, "--user", *acl_of_the_docs()) as server:
        url = f"redis://streamkit:secret@127.0.0.1:{server.port}/0?protocol={protocol}"
        await live_a_whole_life(url)
        client = Redis.from_url(server.url)
        denied = [entry["object"] for entry in await client.acl_log()]
        assert [what for what in denied if what != "client|setinfo"] == []
        await client.aclose()


async def test_password_is_that_of_the_url(tmp_path: Path) -> None:
    with serving(tmp_path, "--requirepass", "p@ss") as server:
        await live_a_whole_life(f"redis://:p%40ss@127.0.0.1:{server.port}/0")


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("", "authenticate"),
        (":wrong@", "invalid username-password pair"),
        ("reader:secret@", "no permissions to (run|access)"),
    ],
)
async def test_who_may_not_is_told_why_and_at_once(tmp_path: Path, user: str, why: str) -> None:
    rights = ("--user", "reader", "on", ">secret", "~other:*", "+@all")
    with serving(tmp_path, "--requirepass", "secret", *rights) as server:
        async with open_log(f"redis://{user}127.0.0.1:{server.port}/0") as log:
            with pytest.raises(LogUnavailable, match=why):
                await log.open("a")
            with pytest.raises(LogUnavailable, match=why):
                await log.read("a")


async def test_reader_who_may_not_subscribe_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "RETRY_S", 2.0)
    rights = ("--user", "deaf", "on", ">secret", "~sk:*", "resetchannels", "+@all")
    with serving(tmp_path, *rights) as server:
        async with open_log(f"redis://deaf:secret@127.0.0.1:{server.port}/0") as log:
            with pytest.raises(LogUnavailable, match="channel"):
                await Reader(log, "a").end()


# ---- TLS -----------------------------------------------------------------------------------------


class Certificates:
    """An authority of our own, and what it signed for a server named ``localhost``."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.server, self.key = (
            folder / name for name in ("ca.pem", "server.pem", "server.key")
        )
        program = require(shutil.which("openssl"), "openssl", "sudo apt-get install openssl")
        names = ("-addext", "subjectAltName=DNS:localhost")
        by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy")
        made = ("-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a server of the tests")
        for args in (
            ("req", "-x509", "-days", "1", *made, "-keyout", "ca.key", "-out", "ca.pem"),
            ("req", *made, *names, "-keyout", "server.key", "-out", "server.csr"),
            ("x509", "-req", "-days", "1", *by, "-in", "server.csr", "-out", "server.pem"),
        ):
            subprocess.run([program, *args], cwd=folder, check=True, capture_output=True)

    @property
    def options(self) -> tuple[str, ...]:
        return (
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.key)),
            *("--tls-ca-cert-file", str(self.authority), "--tls-auth-clients", "no"),
        )


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Certificates]]:
    folder = tmp_path_factory.mktemp("tls")
    certificates = Certificates(folder)
    spare = RedisServer(folder)  # a free port
    with serving(folder, "--tls-port", str(spare.port), *certificates.options):
        yield spare.port, certificates


async def test_log_lives_behind_tls_of_an_authority_that_the_url_names(
    tls: tuple[int, Certificates],
) -> None:
    port, certificates = tls
    await live_a_whole_life(f"rediss://localhost:{port}/0?ssl_ca_certs={certificates.authority}")


async def test_certificate_is_not_checked_where_the_url_says_so(
    tls: tuple[int, Certificates],
) -> None:
    port, _ = tls
    query = "ssl_cert_reqs=none&ssl_check_hostname=false"
    await live_a_whole_life(f"rediss://localhost:{port}/0?{query}")


@pytest.mark.parametrize(("host", "query"), [("localhost", ""), ("127.0.0.1", "?ssl_ca_certs={}")])
async def test_certificate_of_nobody_known_and_of_another_host_is_refused(
    tls: tuple[int, Certificates], host: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "RETRY_S", 2.0)
    port, certificates = tls
    query = query.format(certificates.authority)
    async with open_log(f"rediss://{host}:{port}/0{query}") as log:
        with pytest.raises(LogUnavailable, match="certificate verify failed"):
            await log.read("a")
