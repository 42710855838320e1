"""The vocabularies inside the package are OpenAI's, and there without network or environment."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tiktoken
from tiktoken import registry
from tiktoken_ext import openai_public  # type: ignore[import-untyped]

from langchain_streamkit.tokens import vocabularies
from langchain_streamkit.tokens.patterns import RECIPES, EncodingName
from langchain_streamkit.tokens.vocabularies import aload_encoding, load_encoding
from tests.test_project import ROOT

every = pytest.mark.parametrize("name", RECIPES)

# What tiktoken itself expects of the files that it downloads (tiktoken_ext/openai_public.py).
OFFICIAL = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> list[EncodingName]:
    """As if nothing had been loaded; gives the names in the order of their making."""
    made: list[EncodingName] = []

    def make(name: EncodingName) -> tiktoken.Encoding:
        made.append(name)
        recipe = RECIPES[name]
        return tiktoken.Encoding(
            name, pat_str=recipe.pattern, mergeable_ranks={b"a": 0}, special_tokens={}
        )

    monkeypatch.setattr(vocabularies, "_loaded", {})
    monkeypatch.setattr(vocabularies, "_make", make)
    monkeypatch.setattr(registry, "ENCODINGS", {})
    return made


@pytest.mark.parametrize(("file", "sha256"), OFFICIAL.items())
def test_vocabulary_is_the_official_file_byte_for_byte(file: str, sha256: str) -> None:
    ranks = vocabularies._ranks(file)
    lines = (b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items())
    assert hashlib.sha256(b"".join(lines)).hexdigest() == sha256


@every
def test_pattern_and_special_tokens_are_those_of_tiktoken(
    name: EncodingName, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[str] = []

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        expected.append(expected_hash)
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", load)
    theirs: dict[str, Any] = openai_public.ENCODING_CONSTRUCTORS[name]()
    recipe = RECIPES[name]
    assert recipe.pattern == theirs["pat_str"]
    assert recipe.special == theirs["special_tokens"]
    assert [OFFICIAL[recipe.ranks]] == expected


@every
def test_encoding_tokenises_and_gives_the_text_back(name: EncodingName) -> None:
    encoding = load_encoding(name)
    assert encoding.name == name
    text = "Größe 12345 中文 <|endoftext|>\n"
    assert encoding.decode(encoding.encode_ordinary(text)) == text
    assert encoding.encode("<|endofprompt|>", allowed_special="all") == [
        RECIPES[name].special["<|endofprompt|>"]
    ]


def test_loading_needs_no_network_and_touches_neither_environment_nor_registry() -> None:
    code = """
import os, socket
def refuse(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from langchain_streamkit.tokens.vocabularies import load_encoding
before = dict(os.environ)
assert load_encoding("cl100k_base").encode_ordinary("hello world") == [15339, 1917]
assert load_encoding("o200k_base").encode_ordinary("hello world") == [24912, 2375]
from tiktoken import registry
assert dict(os.environ) == before
assert registry.ENCODINGS == {} and registry.ENCODING_CONSTRUCTORS is None
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_encoding_is_made_once_however_many_threads_ask(fresh: list[EncodingName]) -> None:
    barrier = threading.Barrier(8)

    def load(_: int) -> tiktoken.Encoding:
        barrier.wait()
        return load_encoding("o200k_base")

    with ThreadPoolExecutor(8) as pool:
        found = set(map(id, pool.map(load, range(8))))
    assert len(found) == 1
    assert fresh == ["o200k_base"]


def test_encoding_that_the_application_has_loaded_is_used(
    fresh: list[EncodingName], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = vocabularies._make("o200k_base")
    fresh.clear()
    monkeypatch.setitem(registry.ENCODINGS, "o200k_base", theirs)
    assert load_encoding("o200k_base") is theirs
    assert fresh == []


def test_encoding_of_the_same_name_with_another_pattern_is_not_used(
    fresh: list[EncodingName], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiktoken.Encoding(
        "o200k_base", pat_str=".", mergeable_ranks={b"a": 0}, special_tokens={}
    )
    monkeypatch.setitem(registry.ENCODINGS, "o200k_base", other)
    assert load_encoding("o200k_base") is not other


async def test_in_a_loop_the_encoding_is_made_in_another_thread(
    fresh: list[EncodingName], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    make = vocabularies._make

    def noting(name: EncodingName) -> tiktoken.Encoding:
        threads.append(threading.get_ident())
        return make(name)

    monkeypatch.setattr(vocabularies, "_make", noting)
    both = await asyncio.gather(aload_encoding("cl100k_base"), aload_encoding("cl100k_base"))
    assert both[0] is both[1] is await aload_encoding("cl100k_base")
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


def test_encodings_of_one_vocabulary_share_its_ranks() -> None:
    assert load_encoding("o200k_base")._mergeable_ranks is vocabularies._ranks("o200k_base")
    assert load_encoding("o200k_harmony")._mergeable_ranks is vocabularies._ranks("o200k_base")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_forked_while_a_vocabulary_loads_has_it() -> None:
    """The thread that loads it is not in the child, which would wait for it forever."""
    code = """
        import os, signal, threading
        from langchain_streamkit.tokens import vocabularies

        loading, make = threading.Event(), vocabularies._make

        def noted(name):
            loading.set()
            return make(name)

        vocabularies._make = noted
        threading.Thread(target=vocabularies.load_encoding, args=("cl100k_base",)).start()
        loading.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            vocabularies._make = None
            vocabularies.load_encoding("cl100k_base")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
