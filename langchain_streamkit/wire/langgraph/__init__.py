"""LangGraph's protocols: its runs API, and its agent streaming protocol (``v3``)."""
