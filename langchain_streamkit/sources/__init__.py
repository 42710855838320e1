"""LangChain in, events out."""
