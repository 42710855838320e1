"""AG-UI as a front end: ``POST /ag-ui``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_streamkit.serve.protocols.asked import Asked
from langchain_streamkit.wire.ag_ui.encoder import AgUiEncoder
from langchain_streamkit.wire.ag_ui.request import read_run_input

if TYPE_CHECKING:
    from starlette.responses import Response

    from langchain_streamkit.serve.protocols.asked import Names
    from langchain_streamkit.serve.refusals import Refusal

CAPTURED: Final = frozenset({"state"})
"""What a run has to capture for a client to have the state."""


class AgUi:
    """Runs as AG-UI events."""

    resumes = False

    def read(self, body: bytes, names: Names, /) -> Asked:
        """See ``FrontEnd``."""
        asked = read_run_input(body)
        context = [{"description": one.description, "value": one.value} for one in asked.context]
        state: Any = asked.state
        return Asked(
            encoder=AgUiEncoder(asked),
            messages=list(asked.messages),
            new_messages=list(asked.new_messages),
            thread_id=asked.thread_id,
            resume=asked.resume,
            state=cast("Mapping[str, Any]", state) if isinstance(state, Mapping) else {},
            tools=[tool.to_openai() for tool in asked.tools],
            context=context,
            props=asked.forwarded_props,
            capture=CAPTURED,
        )

    def refusal(self, refusal: Refusal, /) -> Response:
        """See ``FrontEnd``: the client raises it with the status and this body."""
        return refusal.response()
