"""The parts of messages that clients of OpenAI's protocols send, as LangChain's content blocks.

Guarantees: standard blocks, which every provider of LangChain takes; nothing is fetched or opened.
Raises ``StreamUsageError``, with ``wire``, for what cannot be passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_streamkit.errors import StreamUsageError

Block: TypeAlias = dict[str, Any]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[^,;]+)*;base64,(.*)", re.DOTALL)


def bad_request(said: str) -> StreamUsageError:
    """Return the error of a request that cannot be done as it is written."""
    return StreamUsageError(said, wire=said)


class _Part(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class Text(_Part, frozen=True, kw_only=True, tag="text"):
    """Text, in chat completions."""

    text: str

    def block(self) -> Block:
        """Return it as a block."""
        return {"type": "text", "text": self.text}


class InputText(Text, frozen=True, kw_only=True, tag="input_text"):
    """Text of others, in Responses."""


class OutputText(Text, frozen=True, kw_only=True, tag="output_text"):
    """Text of the assistant, in Responses."""


class Refusal(_Part, frozen=True, kw_only=True, tag="refusal"):
    """The assistant refuses."""

    refusal: str


class ImageURL(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image is, or all of it."""

    url: str


class Image(_Part, frozen=True, kw_only=True, tag="image_url"):
    """An image, in chat completions."""

    image_url: ImageURL

    def block(self) -> Block:
        """Return it as a block."""
        return _image(self.image_url.url)


class InputImage(_Part, frozen=True, kw_only=True, tag="input_image"):
    """An image, in Responses."""

    image_url: str | None = None
    file_id: str | None = None

    def block(self) -> Block:
        """Return it as a block."""
        if self.image_url is None:
            raise _unkept("image", self.file_id)
        return _image(self.image_url)


class AudioData(msgspec.Struct, frozen=True, kw_only=True):
    """Sound in base64."""

    data: str
    format: str


class InputAudio(_Part, frozen=True, kw_only=True, tag="input_audio"):
    """Sound, in chat completions."""

    input_audio: AudioData

    def block(self) -> Block:
        """Return it as a block."""
        sound = self.input_audio
        return {"type": "audio", "base64": sound.data, "mime_type": f"audio/{sound.format}"}


class FileData(msgspec.Struct, frozen=True, kw_only=True):
    """A file, whole."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None
    file_url: str | None = None

    def block(self) -> Block:
        """Return it as a block."""
        if self.file_url is not None:
            found: Block = {"type": "file", "url": self.file_url}
        elif self.file_data is None:
            raise _unkept("file", self.file_id)
        else:
            found = {"type": "file", **_data(self.file_data, "application/pdf")}
        return found | ({"extras": {"filename": self.filename}} if self.filename else {})


class File(_Part, frozen=True, kw_only=True, tag="file"):
    """A file, in chat completions."""

    file: FileData

    def block(self) -> Block:
        """Return it as a block."""
        return self.file.block()


class InputFile(FileData, frozen=True, kw_only=True, tag="input_file", tag_field="type"):
    """A file, in Responses."""


TextPart: TypeAlias = Text | InputText | OutputText
Part: TypeAlias = (
    Text | InputText | OutputText | Refusal | Image | InputImage | InputAudio | File | InputFile
)


def content_of(content: str | Sequence[Part] | None) -> str | list[str | Block]:
    """Return the content of a message, without refusals: these are no content in LangChain."""
    if content is None or isinstance(content, str):
        return content or ""
    return [part.block() for part in content if not isinstance(part, Refusal)]


def assistant_message(
    content: str | Sequence[Part] | None,
    *,
    refusal: str | None = None,
    name: str | None = None,
) -> AIMessage:
    """Return what the assistant said, without calls."""
    refused = [part.refusal for part in content or () if isinstance(part, Refusal)]
    refused += [refusal] if refusal else []
    kwargs = {"refusal": "".join(refused)} if refused else {}
    return AIMessage(content_of(content), name=name, additional_kwargs=kwargs)


def add_call(message: AIMessage, call_id: str, name: str, arguments: str) -> None:
    """Add a call of a tool; one whose arguments are no JSON object as an invalid one."""
    try:
        args: object = json.loads(arguments or "{}")
    except ValueError as exc:
        args, error = None, str(exc)
    else:
        error = "the arguments are no JSON object"
    if isinstance(args, dict):
        found = cast("dict[str, Any]", args)
        message.tool_calls.append(tool_call(name=name, args=found, id=call_id))
    else:
        message.invalid_tool_calls.append(
            invalid_tool_call(name=name, args=arguments, id=call_id, error=error)
        )


def _image(url: str) -> Block:
    if url.startswith(("https://", "http://")):
        return {"type": "image", "url": url}
    return {"type": "image", **_data(url, None)}


def _data(text: str, mime_type: Literal["application/pdf"] | None) -> Block:
    """Return the data of a ``data:`` URL; or plain base64, where its type is known otherwise."""
    match = _DATA_URL.fullmatch(text)
    if match is not None:
        return {"base64": match[2], "mime_type": match[1]}
    if mime_type is None or ":" in text:
        raise bad_request(
            f"{text[:40]!r} is no address that can be passed on;"
            " send https://..., or data:<type>;base64,..."
        )
    return {"base64": text, "mime_type": mime_type}


def _unkept(what: str, file_id: str | None) -> StreamUsageError:
    return bad_request(
        f"no files are kept here, so there is no {what} {file_id!r}; send its data in base64"
    )
