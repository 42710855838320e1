"""What was measured, as lines that ``pytest -s`` shows."""

from __future__ import annotations


def tell(what: str, **figures: object) -> None:
    """Print one line of figures; seconds are shown in ms where that reads better."""
    shown = ", ".join(
        f"{name.replace('_', ' ')} {_shown(value)}" for name, value in figures.items()
    )
    print(f"\n[faults] {what}: {shown}")  # noqa: T201 - this is what the tests are run for


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
