"""How OpenAI's encodings cut text into pieces before they look up tokens, and their special tokens.

The patterns and numbers are those of ``tiktoken_ext/openai_public.py`` (MIT, OpenAI), character
for character; ``tests/tokens/test_vocabularies.py`` compares them with the installed tiktoken.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

EncodingName: TypeAlias = Literal["o200k_base", "o200k_harmony", "cl100k_base"]

CL100K_PATTERN: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
O200K_PATTERN: Final = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_O200K_SPECIAL = {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}
_HARMONY_SPECIAL = {
    "<|startoftext|>": 199998,
    "<|endoftext|>": 199999,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
    "<|endofprompt|>": 200018,
}
_HARMONY_RESERVED = [200000, 200001, 200004, 200009, 200010, 200011, *range(200013, 201088)]


class Recipe(NamedTuple):
    """What a ``tiktoken.Encoding`` is made of."""

    ranks: str
    """The packed vocabulary in ``data/``."""
    pattern: str
    special: dict[str, int]


RECIPES: Final[dict[EncodingName, Recipe]] = {
    "o200k_base": Recipe("o200k_base", O200K_PATTERN, _O200K_SPECIAL),
    "o200k_harmony": Recipe(
        "o200k_base",
        O200K_PATTERN,
        _HARMONY_SPECIAL | {f"<|reserved_{n}|>": n for n in _HARMONY_RESERVED},
    ),
    "cl100k_base": Recipe(
        "cl100k_base",
        CL100K_PATTERN,
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}
