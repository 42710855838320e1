"""AG-UI 1.0: what its clients ask for, and the events they read."""

from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import AgUiRequest, read_run_input

__all__ = ["AgUiEncoder", "AgUiRequest", "read_run_input"]
