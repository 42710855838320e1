"""The UI message stream of Vercel's AI SDK: what ``useChat`` asks for, and what it reads."""

from langchain_streamkit.wire.ai_sdk.encoder import AiSdkEncoder
from langchain_streamkit.wire.ai_sdk.request import ChatRequest, read_chat_request

__all__ = ["AiSdkEncoder", "ChatRequest", "read_chat_request"]
