"""What a command names, ``module:name`` or ``file.py:name``, found and imported.

Guarantees: a module is looked for beside the caller, a file's own imports beside the file; whatever
is wrong is one ``StreamUsageError`` of one line that says what to write.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.runnables import Runnable

from langchain_streamkit.errors import StreamUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

T = TypeVar("T")


def load(spec: str) -> Any:
    """Return the object that ``spec`` names. Raises StreamUsageError."""
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise StreamUsageError(
            f"{spec!r} does not say what is where; write module:name or file.py:name, as in"
            " agent.py:graph"
        )
    is_file = where.endswith(".py") or "/" in where
    module = _file(where) if is_file else _module(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise StreamUsageError(f"{where} has no {name!r}; {_instead(module, where, name)}")
        found = getattr(found, part)
    return found


def _module(name: str) -> ModuleType:
    _look_in(str(Path.cwd()))
    try:
        return _imported(functools.partial(importlib.import_module, name), name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise StreamUsageError(f"{name} needs {exc.name}, which is not installed") from exc
        beside = f"{name.replace('.', '/')}.py"
        raise StreamUsageError(
            f"there is no module {name!r} in {Path.cwd()} or among what is installed; write"
            f" another, or the path of a file, as in path/to/{beside}:graph"
        ) from exc


def _file(where: str) -> ModuleType:
    path = Path(where).resolve()
    if not path.is_file():
        raise StreamUsageError(f"there is no file {where}; looked for {path}")
    _look_in(str(path.parent))
    name = path.stem if path.stem not in sys.modules else f"_served_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StreamUsageError(f"{where} is no Python file; write one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        _imported(functools.partial(spec.loader.exec_module, module), where)
    except ModuleNotFoundError as exc:
        raise StreamUsageError(f"{where} needs {exc.name}, which is not installed") from exc
    return module


def _look_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _imported(import_it: Callable[[], T], where: str) -> T:
    try:
        return import_it()
    except ModuleNotFoundError:
        raise
    except Exception as exc:
        said = traceback.format_exception_only(exc)[-1].strip()
        last = traceback.extract_tb(exc.__traceback__)[-1]
        raise StreamUsageError(
            f"{where} cannot be imported: {said} ({last.filename}:{last.lineno})"
        ) from exc


def _instead(module: ModuleType, where: str, name: str) -> str:
    there = vars(module)
    close = difflib.get_close_matches(name, there, n=1)
    runnables = [key for key, value in there.items() if isinstance(value, Runnable)]
    for one in (*close, *runnables):
        return f"did you mean {where}:{one}?"
    names = ", ".join(sorted(key for key in there if not key.startswith("_")))
    return f"it has {names or 'no names'}"
