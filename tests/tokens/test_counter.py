"""``count`` is what tiktoken says of the whole text, after every chunk, whatever the chunks are."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_streamkit import TokenCounter
from langchain_streamkit.errors import StreamUsageError
from langchain_streamkit.tokens.counter import MAX_AGAIN
from langchain_streamkit.tokens.patterns import RECIPES, EncodingName
from langchain_streamkit.tokens.vocabularies import load_encoding
from tests.lengths import examples
from tests.tokens.texts import FEW, TRAPS, chunked, texts

every = pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def assert_exact_after_every_chunk(
    encoding: tiktoken.Encoding, chunks: list[str], counter: TokenCounter | None = None
) -> None:
    counter = counter or TokenCounter(encoding)
    text = ""
    for chunk in chunks:
        text += chunk
        assert counter.feed(chunk) == counter.count
        assert counter.exact, repr(text)
        assert counter.count == len(encoding.encode_ordinary(text)), repr(text)


@every
@settings(max_examples=examples(1000))
@given(text=texts(), sizes=sizes)
def test_count_is_exact_after_every_chunk_of_any_text(
    name: EncodingName, text: str, sizes: list[int]
) -> None:
    assert_exact_after_every_chunk(load_encoding(name), chunked(text, sizes))


@every
def test_count_is_exact_after_every_character_of_all_short_texts_over_all_kinds(
    name: EncodingName,
) -> None:
    for chars in itertools.product(FEW, repeat=3):
        assert_exact_after_every_chunk(load_encoding(name), [*chars])


@every
@pytest.mark.parametrize("trap", TRAPS)
def test_count_is_exact_after_every_chunk_of_a_trap(name: EncodingName, trap: str) -> None:
    for size in range(1, 5):
        for around in ("", "a", " ", "\n", "1", "."):
            chunks = chunked(around + trap + around, [size])
            assert_exact_after_every_chunk(load_encoding(name), chunks)


@every
@pytest.mark.parametrize("plane", range(3))
def test_count_is_exact_around_every_character_of_unicode(name: EncodingName, plane: int) -> None:
    encoding = load_encoding(name)
    stride = 1 if plane == 0 else 17
    for code in range(plane << 16, (plane + 1) << 16, stride):
        counter = TokenCounter(encoding)
        counter.feed("a" + chr(code))
        text = f"a{chr(code)}b1"
        assert counter.feed("b1") == len(encoding.encode_ordinary(text)), repr(text)


def test_word_that_looked_complete_is_counted_again_when_it_grows() -> None:
    """`中文ABC` is `中文` and `ABC`, `中文ABCd` is one piece."""
    encoding = load_encoding("o200k_base")
    assert_exact_after_every_chunk(encoding, ["中文ABC", "d"])
    assert_exact_after_every_chunk(encoding, ["foo'", "s", "x"])
    assert_exact_after_every_chunk(encoding, ["  ", "1"])
    assert_exact_after_every_chunk(encoding, ["\n  ", "\n"])
    assert_exact_after_every_chunk(encoding, [".\n", "/"])


def test_count_may_fall() -> None:
    counter = TokenCounter()
    counts = [counter.feed(char) for char in " international"]
    assert max(counts) > counts[-1] == 1


def test_halves_of_a_surrogate_pair_are_counted_as_one_character() -> None:
    counter = TokenCounter()
    counter.feed("\ud83d")
    assert counter.feed("\ude00") == TokenCounter().feed("😀")


def test_special_tokens_are_counted_as_text() -> None:
    assert TokenCounter("o200k_harmony").feed("<|start|>user<|message|>") > 6


def test_feeding_nothing_changes_nothing() -> None:
    counter = TokenCounter()
    assert (counter.feed(""), counter.count, counter.final()) == (0, 0, 0)
    counter.feed("one two")
    assert counter.feed("") == 2


@every
@settings(max_examples=examples(60))
@given(
    unit=st.sampled_from(
        ["a", "哈", "=", " ", "\n", "中A", "|---", "1", "👩\u200d", "?\u0301", "ก"]
    ),
    length=st.integers(1, 1500),
    sizes=sizes,
    after=texts(max_size=12),
)
def test_long_run_is_exact_or_flagged_and_exact_once_it_ends(
    name: EncodingName, unit: str, length: int, sizes: list[int], after: str
) -> None:
    encoding = load_encoding(name)
    counter = TokenCounter(encoding)
    text = ""
    for chunk in chunked((unit * length)[:length] + "x 1" + after, sizes):
        text += chunk
        counter.feed(chunk)
        right = len(encoding.encode_ordinary(text))
        assert counter.count == right or not counter.exact
    assert counter.final() == counter.count == len(encoding.encode_ordinary(text))
    assert counter.exact


def test_short_run_is_always_exact() -> None:
    assert_exact_after_every_chunk(load_encoding("o200k_base"), ["哈"] * MAX_AGAIN)


def test_projected_count_of_an_even_run_is_close() -> None:
    encoding = load_encoding("o200k_base")
    counter = TokenCounter(encoding)
    for at in range(1, 600):
        count = counter.feed("哈哈")
        assert abs(count - len(encoding.encode_ordinary("哈哈" * at))) <= 2
    assert not counter.exact


def test_feeding_goes_on_after_final() -> None:
    encoding = load_encoding("o200k_base")
    counter = TokenCounter(encoding)
    for _ in range(300):
        counter.feed("aab")
    assert not counter.exact
    counter.final()
    assert counter.exact
    counter.feed("c ")
    assert counter.feed("d") == len(encoding.encode_ordinary("aab" * 300 + "c d"))
    assert counter.exact


class Meter:
    """Characters that a counter has encoded, most in one feed and in all."""

    def __init__(self, counter: TokenCounter) -> None:
        self.counter = counter
        self.most = self.all = self.now = 0
        encode = counter._encode

        def noting(text: str) -> list[int]:
            self.now += len(text)
            return encode(text)

        counter._encode = noting

    def feed(self, chunk: str) -> None:
        self.now = 0
        self.counter.feed(chunk)
        self.most = max(self.most, self.now)
        self.all += self.now


WORDS = " The quick brown fox's tail, 12 metres long; said he."
CODE = '    def run(self, x: int) -> None:\n        return self.go(x[1:], y="a")\n\n'
CHINESE = "我们今天一起去公园散步，然后回家吃了晚饭。孩子们很高兴，他们说：“明天再来吧！”"


@pytest.mark.parametrize("text", [WORDS, CODE, CHINESE, "QUJD1kZH9bXl3" * 4], ids=lambda t: t[:4])
@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_work_of_a_chunk_does_not_grow_with_the_text(name: EncodingName, text: str) -> None:
    meter = Meter(TokenCounter(name))
    chunks = chunked(text * 400, [4, 3, 5])
    for chunk in chunks:
        meter.feed(chunk)
    assert meter.most <= 60
    assert meter.all <= 20 * len(chunks)


@pytest.mark.parametrize("unit", ["a", "=", " ", "哈", "中A"])
def test_work_of_a_run_without_an_end_grows_with_its_length_only(unit: str) -> None:
    meter = Meter(TokenCounter())
    length = 40_000
    for chunk in chunked(unit * length, [4]):
        meter.feed(chunk)
    assert meter.all <= 10 * length * len(unit) + MAX_AGAIN * MAX_AGAIN


def test_chunk_of_any_size_is_encoded_about_once() -> None:
    meter = Meter(TokenCounter())
    meter.feed(WORDS * 10_000)
    assert meter.all <= len(WORDS) * 10_000


# ---- other encodings -----------------------------------------------------------------------------

GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


@pytest.fixture(scope="module", params=[GPT2_PATTERN, r"(?s:..?)", r"\S+\s*|\s+"])
def custom(request: pytest.FixtureRequest) -> tiktoken.Encoding:
    ranks = {bytes([n]): n for n in range(256)} | {b"ab": 256, b" a": 257, b"  ": 258, b"\n\n": 259}
    return tiktoken.Encoding(
        "custom", pat_str=request.param, mergeable_ranks=ranks, special_tokens={}
    )


@settings(max_examples=examples(100))
@given(text=texts(), sizes=sizes)
def test_encoding_with_another_pattern_is_exact_while_the_text_is_short(
    custom: tiktoken.Encoding, text: str, sizes: list[int]
) -> None:
    assert_exact_after_every_chunk(custom, chunked(text, sizes))


def test_encoding_with_another_pattern_is_exact_or_flagged_and_exact_at_the_end(
    custom: tiktoken.Encoding,
) -> None:
    counter = TokenCounter(custom)
    meter = Meter(counter)
    text = ""
    flagged = 0
    for chunk in chunked(WORDS * 100, [4, 3, 5]):
        text += chunk
        meter.feed(chunk)
        right = len(custom.encode_ordinary(text))
        assert counter.count == right or not counter.exact
        assert abs(counter.count - right) <= right / 20
        flagged += not counter.exact
    assert flagged
    assert meter.all <= 10 * len(text) + MAX_AGAIN * MAX_AGAIN
    assert counter.final() == len(custom.encode_ordinary(text))


def test_unknown_encoding_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        StreamUsageError, match="'gpt-4o' is a model, whose encoding is 'o200k_base'"
    ):
        TokenCounter("gpt-4o")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_text_that_tiktoken_panics_over_is_counted_in_parts_and_flagged(
    custom: tiktoken.Encoding,
) -> None:
    class PanicException(BaseException):
        """As pyo3 names it."""

    counter = TokenCounter(custom)
    encode = counter._encode

    def panicking(text: str) -> list[int]:
        if len(text) > 600_000:
            raise PanicException
        return encode(text)

    counter._encode = panicking
    assert counter.feed("ab" * 400_000) > 0
    assert not counter.exact


def test_shipped_encodings_are_all_counted() -> None:
    for name in RECIPES:
        assert TokenCounter(name).feed("hello world") == 2


@pytest.mark.parametrize("given", [None, 3, object()])
def test_what_is_no_encoding_is_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(StreamUsageError, match=r"TokenCounter\('o200k_base'\)"):
        TokenCounter(given)


@pytest.mark.parametrize("given", [None, b"hi", ["a", "b"], object()])
def test_what_is_no_text_is_refused_with_what_to_write(given: Any) -> None:
    counter = TokenCounter()
    with pytest.raises(StreamUsageError, match=r"counter\.feed\(event\.text\)"):
        counter.feed(given)
    assert counter.feed("hi") == 1
