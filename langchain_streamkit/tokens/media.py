"""What images, sound and files take in a prompt, by a table: nothing is fetched, nothing decoded.

How large a picture is, how long a recording, and how many pages a file has is not looked up: an
image is taken for one of 1024 x 1024 pixels, a recording or film for half a minute, a file for one
page. The figures are those of the vendors' guides named here; users have measured less for some
models (gpt-5-mini: 1.2 a patch), so they are no more than an order of magnitude:

* OpenAI, "Images and vision", "Calculating costs" (platform.openai.com/docs/guides/images-vision):
  a base, and so much for each of the four 512-pixel tiles (gpt-4o 85 + 170, gpt-4o-mini 2833 +
  5667, gpt-5 70 + 140, o1 and o3 75 + 150), low detail the base alone; or 1024 patches of 32 pixels
  times a factor (1.62 gpt-4.1-mini and gpt-5-mini, 2.46 the nanos, 1.72 o4-mini).
* Anthropic, "Vision" (docs.anthropic.com): width x height / 750. "PDF support": 1,500 to 3,000
  tokens of text for a page.
* Google, "Understand and count tokens" (ai.google.dev/gemini-api/docs/tokens): 258 for each tile
  of a large image, here four; 32 for a second of sound, 263 for one of video.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, cast

Medium: TypeAlias = Literal["image", "audio", "video", "file"]


class _Image(NamedTuple):
    low: int
    """With ``detail: low``."""
    other: int


_IMAGES: tuple[tuple[str, _Image], ...] = (
    ("gpt-4o-mini", _Image(2833, 25_501)),
    ("gpt-4.1-mini", _Image(1659, 1659)),
    ("gpt-4.1-nano", _Image(2520, 2520)),
    ("gpt-5-mini", _Image(1659, 1659)),
    ("gpt-5-nano", _Image(2520, 2520)),
    ("gpt-5", _Image(70, 630)),
    ("o4-mini", _Image(1762, 1762)),
    ("o1", _Image(75, 675)),
    ("o3", _Image(75, 675)),
    ("claude", _Image(1398, 1398)),
    ("gemini", _Image(258, 1032)),
    ("", _Image(85, 765)),  # gpt-4o, gpt-4.1, gpt-4-turbo, and for want of better all others
)
"""By the beginning of the model's name, the longer one first."""
_OTHERS: dict[Medium, int] = {"audio": 30 * 32, "video": 30 * 263, "file": 1500}

MEDIA: Final[dict[str, Medium]] = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
}
"""The types of content blocks that hold media: LangChain's, OpenAI's, Anthropic's, Google's."""


def media_tokens(block: Mapping[str, object], medium: Medium, model: str | None) -> int:
    """Return what the block is taken to cost."""
    if medium != "image":
        return _OTHERS[medium]
    name = (model or "").lower().rpartition("/")[2]
    image = next(image for start, image in _IMAGES if name.startswith(start))
    return image.low if _detail(block) == "low" else image.other


def _detail(block: Mapping[str, object]) -> object:
    for place in (block, block.get("image_url"), block.get("extras")):
        if isinstance(place, Mapping):
            found = cast("Mapping[str, object]", place).get("detail")
            if found is not None:
                return found
    return None
