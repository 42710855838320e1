"""What counting costs for each chunk of one token, by kind of text and how much came before."""

from __future__ import annotations

import argparse
import base64
import codecs
import gc
import inspect
import random
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Final

from langchain_streamkit import TokenCounter
from langchain_streamkit.tokens.vocabularies import load_encoding

_ENCODING: Final = "o200k_base"
_WORDS = (
    *("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "nobody"),
    *("minds;", "it's", "1999,", "international", "readers", "aren't", "surprised,", "he", "said."),
)
_CHINESE = "我们今天一起去公园散步，然后回家吃了晚饭。孩子们很高兴，他们说：“明天再来吧！”"  # noqa: RUF001
_MOST_CHARS = 12
"""Characters of a token, at the most, in the mean over any of these texts."""


def _english(chars: int) -> str:
    chosen = random.Random(1)
    return " ".join(chosen.choice(_WORDS) for _ in range(chars // 4))[:chars]


def _code(chars: int) -> str:
    source = inspect.getsource(argparse)
    return (source * (chars // len(source) + 1))[:chars]


def _base64(chars: int) -> str:
    return base64.b64encode(random.Random(2).randbytes(chars)).decode()[:chars]


def _repeated(text: str) -> Callable[[int], str]:
    return lambda chars: (text * (chars // len(text) + 1))[:chars]


TEXTS: dict[str, Callable[[int], str]] = {
    "English": _english,
    "Python code": _code,
    "Chinese": _repeated(_CHINESE),
    "base64": _base64,
    "run: a": _repeated("a"),
    "run: 哈": _repeated("哈"),
    "run: |---": _repeated("|---"),
    "run: Chinese without punctuation": _repeated("我们今天一起去公园散步然后回家吃了晚饭"),
}
"""What makes a text of that many characters; a run has nothing that settles its count."""


def chunks(name: str, tokens: int) -> list[str]:
    """The text of that many tokens, one token a chunk; two where a character takes two."""
    encoding = load_encoding(_ENCODING)
    decoder = codecs.getincrementaldecoder("utf-8")()
    ids = encoding.encode_ordinary(TEXTS[name](tokens * _MOST_CHARS))[:tokens]
    parts = (decoder.decode(encoding.decode_single_token_bytes(one)) for one in ids)
    return [part for part in parts if part]


def measure_counting(
    sizes: Iterable[int], rounds: int, names: Iterable[str] = tuple(TEXTS)
) -> dict[str, dict[int, float]]:
    """CPU microseconds per chunk: the median of the rounds, by text and number of tokens."""
    sizes = list(sizes)
    return {name: {size: _cost(chunks(name, size), rounds) for size in sizes} for name in names}


def _cost(parts: list[str], rounds: int) -> float:
    taken: list[float] = []
    for _ in range(rounds + 1):  # the first one fills caches
        counter = TokenCounter(_ENCODING)
        gc.collect()
        begun = time.process_time()
        for part in parts:
            counter.feed(part)
        taken.append((time.process_time() - begun) * 1e6 / len(parts))
    return median(taken[1:])


def cost_at_the_end(costs: Mapping[str, Mapping[int, float]], name: str) -> float:
    """The cost of a chunk at the largest size."""
    return costs[name][max(costs[name])]
