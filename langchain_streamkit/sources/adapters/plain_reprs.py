"""Objects of LangGraph that someone wrote down with ``str``, as ``json.dumps(default=str)`` does.

Guarantees: only literals and the given classes are made, nothing is run; an object of any other
class in them stays text; what is no such text is None.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST: Final = 200_000
"""Characters of a text that is still read."""


def read_repr(text: str, classes: Mapping[str, Callable[[dict[str, Any]], Any]]) -> Any:
    """The object whose ``repr`` is ``text``, made by ``classes`` of its fields, else None."""
    if len(text) > _LONGEST or "(" not in text:
        return None
    try:
        return _value(ast.parse(text, mode="eval").body, classes)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr, classes: Mapping[str, Callable[[dict[str, Any]], Any]]) -> Any:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name in classes:
            given = {word.arg: _value(word.value, classes) for word in keywords if word.arg}
            return classes[name](given)
        case ast.Dict(keys=keys, values=values):
            return {
                _value(key, classes): _value(value, classes)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.List(elts=items):
            return [_value(item, classes) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, classes) for item in items)
        case ast.Constant() | ast.UnaryOp() | ast.BinOp() | ast.Set():
            return ast.literal_eval(node)
        case _:
            return ast.unparse(node)  # of a class that nobody here knows
