"""LangGraph's protocols over HTTP and WebSocket: its runs API, and agent streaming (``v3``)."""
