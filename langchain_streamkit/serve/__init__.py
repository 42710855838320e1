"""Runs over HTTP and WebSocket, for Starlette and FastAPI (extra ``serve``)."""
