"""``python -m langchain_streamkit.schema [folder]`` writes events.schema.json and events.d.ts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from langchain_streamkit.schema import event_json_schema, typescript


def generated() -> dict[str, str]:
    """Return the text of each generated file by its name."""
    schema = json.dumps(event_json_schema(), indent=2, ensure_ascii=False)
    return {"events.schema.json": schema + "\n", "events.d.ts": typescript()}


def main(folder: Path) -> None:
    """Write the generated files into ``folder``."""
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
