"""Facts about the project itself: what is shipped, what an import costs, which way imports go."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import langchain_streamkit

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "langchain_streamkit"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# From the bottom up. A unit is a module or a folder of the package; it may import from its own
# layer and from those below it, wherever in the file the import stands.
LAYERS: list[set[str]] = [
    {"amounts", "errors", "events", "failures", "grammar", "jsonl", "kinds", "schema", "snapshot"}
    | {"text", "values"},
    {"tokens"},
    {"sources"},
    {"limits", "log", "sinks", "wire"},
    {"runs"},
    {"adapting", "api", "client"},
    {"handler", "runnable"},
    {"manager"},
    {"testing"},
    {"cli", "serve"},
]
# Imports that go up, each with its reason.
UPWARD: dict[tuple[str, str], str] = {
    ("errors", "tokens"): "BudgetExceeded.spent is a Spent; for type checkers alone",
    ("cli", "__version__"): "the version stands where people look for it",
    ("serve", "__version__"): "the same",
    ("errors", "log"): "ReplayGap.oldest is a Position; for type checkers alone",
}

# What a user who only imports us has not asked to wait for.
HEAVY = {
    "django",
    "fastapi",
    "flask",
    "IPython",
    "langchain",
    "langchain_openai",
    "langgraph",
    "limits",
    "matplotlib",
    "openai",
    "pandas",
    "redis",
    "starlette",
    "tiktoken",
    "uvicorn",
    "websockets",
}


def unit_of(dotted: str) -> str:
    """The unit that ``langchain_streamkit.unit.more`` belongs to; "" for the package itself."""
    return dotted.split(".")[1] if "." in dotted else ""


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def own_imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the full name of everything of ours that the file imports, at any depth."""
    package = dotted_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == PACKAGE.name:
                yield node.lineno, name


def loaded_by(statement: str) -> set[str]:
    """All modules that a fresh Python has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_ships_the_type_marker_and_every_file_of_the_package(wheel_names: list[str]) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "langchain_streamkit/py.typed" in ours
    assert ours <= set(wheel_names)


def test_wheel_ships_nothing_but_the_package_and_its_metadata(wheel_names: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel_names}
    assert top == {PACKAGE.name, f"{PACKAGE.name}-{PROJECT['version']}.dist-info"}


def test_version_is_the_same_in_pyproject_and_in_the_package() -> None:
    assert langchain_streamkit.__version__ == PROJECT["version"]


def test_every_lower_bound_is_pinned_for_the_lowest_run() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = [*PROJECT["dependencies"], *extras["openai"], *extras["serve"]]
    declared += [*extras["client"], *extras["cost"], *extras["redis"], *extras["notebook"]]
    # create_agent's langchain must fit the oldest langgraph, so it is pinned beside it.
    declared += [line for line in extras["dev"] if Requirement(line).name == "langchain"]
    bounds = {
        requirement.name: Version(specifier.version)
        for requirement in map(Requirement, declared)
        for specifier in requirement.specifier
        if specifier.operator == ">="
    }
    lines = (ROOT / "constraints" / "lowest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: Version(pin) for name, pin in pins.items()} == bounds


@pytest.mark.parametrize(
    "statement",
    [
        "import langchain_streamkit",
        "from langchain_streamkit import astream, stream, with_sinks",
        "import langchain_streamkit.events",
        "from langchain_streamkit import TokenCounter, count_prompt",
        "import langchain_streamkit.tokens.prices",
        "from langchain_streamkit.tokens.ledger import Ledger",
        "from langchain_streamkit import Limits, Quota; Limits(concurrent_runs=1)",
        "import langchain_streamkit.tokens.meter",
    ],
)
def test_import_loads_nothing_heavy(statement: str) -> None:
    loaded = loaded_by(statement)
    assert PACKAGE.name in loaded
    assert loaded & HEAVY == set()


def test_import_of_the_package_adds_no_third_party_module_to_langchain_core_callbacks() -> None:
    before = {name.split(".")[0] for name in loaded_by("import langchain_core.callbacks")}
    after = {name.split(".")[0] for name in loaded_by("import langchain_streamkit")}
    added = {name for name in after - before if name not in sys.stdlib_module_names}
    assert added <= {PACKAGE.name, "msgspec"}


def test_every_unit_of_the_package_has_its_place_in_the_layers() -> None:
    units = {unit_of(dotted_name(path)) for path in MODULES} - {"", "__main__"}
    assert units <= set().union(*LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_imports_only_point_down(path: Path) -> None:
    level = {unit: number for number, units in enumerate(LAYERS) for unit in units}
    top = len(LAYERS)  # the package itself gathers the public names, and nothing imports it
    importer = unit_of(dotted_name(path))
    breaches = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in own_imports(path)
        if level.get(unit_of(name), top) > level.get(importer, top)
        and (importer, unit_of(name)) not in UPWARD
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_module_says_in_a_docstring_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_module_can_be_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 350
