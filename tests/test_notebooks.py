"""Every notebook runs from top to bottom with no key, and is saved as it should be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERNEL_S = 120
"""Seconds for one cell; a kernel that hangs fails the test."""

pytestmark = pytest.mark.timeout(3 * KERNEL_S)


def read(path: Path) -> Any:
    notebooks: Any = nbformat  # says it is typed, is only partly
    return notebooks.read(path, as_version=4)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture(scope="module")
def saved(path: Path) -> Any:
    return read(path)


@pytest.fixture(scope="module")
def executed(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a run in a fresh kernel, in an empty folder; raises on an error in it."""
    ran = read(path)
    folder = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(
        ran,
        timeout=KERNEL_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    keyless = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    client.execute(env={**keyless, "PYTHONPATH": str(ROOT)})
    return ran


def outputs(notebook: Any, kind: str) -> list[Any]:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in found if output.output_type == kind]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebook_runs_from_top_to_bottom_with_no_key(executed: Any) -> None:
    assert [cell.execution_count for cell in code_cells(executed)] == [
        number for number, _ in enumerate(code_cells(executed), start=1)
    ]


def test_notebook_prints_no_warning(executed: Any) -> None:
    said = [output.text for output in outputs(executed, "stream") if output.name == "stderr"]
    assert said == []


def only(stem: str) -> pytest.MarkDecorator:
    """The notebook of that name, and no other."""
    found = [path for path in NOTEBOOKS if path.stem == stem]
    return pytest.mark.parametrize("path", found, ids=[stem], indirect=True)


@only("02_routes")
def test_every_route_shows_the_same_side_by_side(executed: Any) -> None:
    tables = [
        data["text/html"]
        for output in outputs(executed, "execute_result")
        if "text/html" in (data := output.data)
    ]
    assert len(tables) == 1
    assert tables[0].count("It is sunny in Lisbon, 21 °C.") == tables[0].count("<th") > 4


@only("01_quickstart")
def test_quickstart_shows_a_run_live_and_a_plot(executed: Any) -> None:
    shown = [output.data for output in outputs(executed, "display_data")]
    cards = [data["text/html"] for data in shown if "text/html" in data]
    assert any("finished" in card and "assistant" in card for card in cards)
    assert [data for data in shown if "image/png" in data]


@only("03_tokens")
def test_tokens_are_counted_tabled_plotted_and_stopped(executed: Any) -> None:
    shown = outputs(executed, "display_data")
    results = [output.data["text/plain"] for output in outputs(executed, "execute_result")]
    printed = "".join(output.text for output in outputs(executed, "stream"))
    assert "~39 tokens, cost so far ~$0.0000668" in shown[0].data["text/plain"]
    assert any(text.startswith("node ") and "\nwrite " in text for text in results)
    assert any(text.startswith("tag ") and "\nchatty " in text for text in results)
    assert [output for output in shown if "image/png" in output.data]
    assert any("stopped by the budget" in output.data.get("text/html", "") for output in shown)
    assert "limit output_tokens=20; spent: 1 model call" in printed
    assert "ada: cancelled" in printed
    assert "bob: finished" in printed
    assert "no price is known for model 'house-model'" in printed


def test_notebook_is_valid_and_saved_without_outputs(saved: Any) -> None:
    nbformat.validate(saved)
    assert all(cell.outputs == [] for cell in code_cells(saved))
    assert all(cell.execution_count is None for cell in code_cells(saved))


def test_notebook_is_saved_with_nothing_of_the_machine_it_was_written_on(saved: Any) -> None:
    assert saved.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(cell.metadata == {} for cell in saved.cells)


def test_there_is_a_quickstart() -> None:
    assert NOTEBOOKS[0].stem == "01_quickstart"
