"""OpenAI's chat completions and Responses: a run as the answer of a model."""

from langchain_streamkit.wire.openai.chat import ChatEncoder, chat_reply
from langchain_streamkit.wire.openai.chat_request import ModelRequest, read_chat_request
from langchain_streamkit.wire.openai.responses import ResponsesEncoder, responses_reply
from langchain_streamkit.wire.openai.responses_request import read_responses_request
from langchain_streamkit.wire.openai.terms import Reply, error_body

__all__ = [
    "ChatEncoder",
    "ModelRequest",
    "Reply",
    "ResponsesEncoder",
    "chat_reply",
    "error_body",
    "read_chat_request",
    "read_responses_request",
    "responses_reply",
]
