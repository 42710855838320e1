"""What ``streamkit serve`` prints when it serves: where each protocol is, and a line to try it.

Guarantees: the line works when it is pasted, with a token where ``--auth`` asks who it is.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.runnables import Runnable

from langchain_streamkit.runs.runnables import unwrapped
from langchain_streamkit.serve.listening import LOOPBACK
from langchain_streamkit.serve.protocols.names import PROTOCOLS, WHERE
from langchain_streamkit.serve.served import as_input

if TYPE_CHECKING:
    import argparse

    from langchain_streamkit.serve.served import Servable

_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be called by another name
_EXAMPLES: Final[dict[str, Any]] = {
    "string": "Hello",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


def greeting(servable: Servable, options: argparse.Namespace, port: int) -> str:
    """Return what is printed."""
    host = str(_ANYWHERE.get(options.host, options.host))
    where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    names: set[str] = set(options.protocols or PROTOCOLS)
    lines = [f"streamkit serves {options.target} on {where}"]
    if "native" in names:
        lines.append(f"  try it    {_curl(where, servable, asks=options.auth is not None)}")
    if options.auth is not None:
        lines.append(f"  auth      {options.auth} reads every request: send what it looks for")
    lines += [
        f"  docs      {where}/docs",
        f"  log       {options.log}"
        + (" (gone with this process)" if options.log.startswith("memory:") else ""),
    ]
    if options.host not in LOOPBACK and options.auth is None:
        lines.append(
            f"  caution   whoever can reach {options.host} can start runs and read them; add --auth"
            " module:function"
        )
    lines.append("  speaks")
    wide = max(map(len, names))
    lines += [f"    {name:{wide}}  {where}{path}" for name, path in WHERE.items() if name in names]
    return "\n".join([*lines, "  stop      Ctrl-C"])


def _curl(where: str, servable: Servable, *, asks: bool) -> str:
    who = ' -H "authorization: Bearer $TOKEN"' if asks else ""
    body = shlex.quote(json.dumps(example(servable)))
    return f"curl -N {where}/runs{who} -H 'content-type: application/json' -d {body}"


def example(servable: Servable) -> dict[str, Any]:
    """Return the body of a request to start a run, as far as what is served tells it."""
    body: dict[str, Any] = {"input": "Hello"}
    if not isinstance(servable, Runnable):
        return body
    runnable = cast("Runnable[Any, Any]", servable)  # type: ignore[redundant-cast]
    if as_input(runnable, "Hello") == "Hello":
        fields: dict[str, dict[str, Any]] = runnable.get_input_jsonschema().get("properties", {})
        if fields:
            body["input"] = {
                name: _EXAMPLES.get(one.get("type", "")) for name, one in fields.items()
            }
    if getattr(unwrapped(runnable), "checkpointer", None):
        body["thread_id"] = "1"
    return body
