"""Any object becomes plain JSON: nothing raises, nothing is shared, nothing is lost silently."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import subprocess
import sys
import threading
import types
import uuid
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel, ConfigDict, RootModel, SecretStr, field_serializer

from langchain_streamkit.values import MAX_DEPTH, TextJoiner, clean_text, to_plain


def is_marker(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"repr", "unserializable"}
        and isinstance(value["repr"], str)
        and len(value["repr"]) <= 200
        and value["unserializable"] is True
    )


# ---- plain values --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["text", 1, 1.5, True, None, -0.0, 2**53, -(2**53), 1e308])
def test_plain_scalar_comes_back_as_the_same_object(value: Any) -> None:
    assert to_plain(value) is value


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**64, 10**400])
def test_integer_beyond_2_to_the_53_is_a_string(value: Any) -> None:
    assert to_plain(value) == str(value)


def test_integer_too_long_for_python_to_print_is_hexadecimal() -> None:
    assert to_plain(1 << 40_000) == "0x1" + "0" * 10_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_number_without_json_form_is_null(value: Any) -> None:
    assert to_plain({"x": [value]}) == {"x": [None]}


def test_containers_are_copied_so_later_changes_of_the_users_object_change_nothing() -> None:
    inner = [1]
    value: dict[str, Any] = {"a": inner, "b": {"c": inner}}
    plain: Any = to_plain(value)
    inner.append(2)
    value["d"] = 1
    assert plain == {"a": [1], "b": {"c": [1]}}


def test_string_of_a_megabyte_is_not_copied() -> None:
    text = "é" * 1_000_000
    plain: Any = to_plain([text])
    assert plain[0] is text


class Colour(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    A = "a"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class Name(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b"\x00\xff", {"base64": "AP8="}),
        (bytearray(b"ab"), {"base64": "YWI="}),
        (memoryview(b"abcd")[::2], {"base64": "YWM="}),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset("ba"), ["a", "b"]),
        (collections.deque([1, 2]), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (Colour.RED, "red"),
        (Word.A, "a"),
        (Level.HIGH, 3),
        (Name("n"), "n"),
        (Whole(5), 5),
        (Real(0.5), 0.5),
        (dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2024-01-02T03:04:05+00:00"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, hours=2), "P1DT7200S"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (decimal.Decimal("1.10"), "1.10"),
    ],
)
def test_value_of_a_usual_class_has_its_usual_json_form(value: Any, plain: Any) -> None:
    assert to_plain(value) == plain
    assert type(to_plain(value)) is type(plain)


def test_set_of_unlike_values_is_a_list() -> None:
    plain: Any = to_plain({1, "a"})
    assert sorted(plain, key=str) == [1, "a"]


def test_keys_become_strings_and_two_keys_with_one_string_both_stay() -> None:
    plain: Any = to_plain({1: "a", "1": "b", None: 0, False: 0, 1.5: 0, (1, 2): 0, Colour.RED: 0})
    assert plain == {
        "1": "a",
        "1#2": "b",
        "null": 0,
        "false": 0,
        "1.5": 0,
        "(1, 2)": 0,
        "red": 0,
    }
    assert to_plain({"1": 0, "1#2": 1, 1: 2}) == {"1": 0, "1#2": 1, "1#3": 2}


# ---- models, messages, dataclasses ---------------------------------------------------------------


@dataclasses.dataclass
class Node:
    name: str
    next: Any = None
    data: Any = None


def test_dataclass_is_an_object_of_its_fields() -> None:
    assert to_plain(Node("a", Node("b"), b"x")) == {
        "name": "a",
        "next": {"name": "b", "next": None, "data": None},
        "data": {"base64": "eA=="},
    }


def test_dataclass_that_holds_itself_is_cut_at_the_cycle() -> None:
    node = Node("a")
    node.next = node
    plain: Any = to_plain(node)
    assert plain["name"] == "a"
    assert is_marker(plain["next"])


def test_dataclass_without_one_of_its_attributes_shows_the_others() -> None:
    node = Node("a")
    del node.name
    assert to_plain(node) == {"next": None, "data": None}


class Settings(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str
    when: dt.date = dt.date(2024, 1, 2)
    key: SecretStr = SecretStr("hush")
    thing: Any = None
    again: Any = None

    @field_serializer("name")
    def _loud(self, name: str) -> str:
        return name.upper()


def test_pydantic_model_is_its_own_json_dump() -> None:
    assert to_plain(Settings(name="a")) == {
        "name": "A",
        "when": "2024-01-02",
        "key": "**********",
        "thing": None,
        "again": None,
    }


def test_pydantic_model_with_a_field_that_cannot_be_dumped_shows_the_others() -> None:
    plain: Any = to_plain(Settings(name="a", thing=threading.Lock(), again=b"\xff"))
    assert plain["name"] == "a"
    assert plain["when"] == "2024-01-02"
    assert is_marker(plain["thing"])
    assert plain["again"] == {"base64": "/w=="}
    assert is_marker(plain["key"])
    assert "hush" not in str(plain)


def test_pydantic_model_that_holds_itself_is_cut_at_the_cycle() -> None:
    settings = Settings(name="a")
    settings.again = settings
    plain: Any = to_plain(settings)
    assert plain["name"] == "a"
    assert is_marker(plain["again"])


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("hi", id="1"),
        AIMessage("hi", tool_calls=[{"name": "a", "args": {"x": 1}, "id": "c"}], id="2"),
        ToolMessage("out", tool_call_id="c", artifact={"a": 1}),
    ],
)
def test_message_is_its_own_json_dump(message: Any) -> None:
    assert to_plain(message) == message.model_dump(mode="json")


class State(BaseModel):
    messages: list[BaseMessage]


CALLING = AIMessage("", tool_calls=[{"name": "a", "args": {}, "id": "c"}])


@pytest.mark.parametrize("holder", [State(messages=[CALLING]), ChatPromptValue(messages=[CALLING])])
def test_message_in_a_field_declared_as_base_message_keeps_its_tool_calls(holder: Any) -> None:
    plain: Any = to_plain(holder)
    assert plain["messages"] == [CALLING.model_dump(mode="json")]


def test_messages_in_plain_containers_are_dumped() -> None:
    plain: Any = to_plain({"messages": [CALLING], "docs": (Document("text"),)})
    assert plain["messages"] == [CALLING.model_dump(mode="json")]
    assert plain["docs"][0]["page_content"] == "text"


def test_langgraph_command_send_and_interrupt_are_objects() -> None:
    plain: Any = to_plain(Command(update={"m": CALLING}, goto=[Send("n", {"x": 1})], resume=2))
    assert plain["update"] == {"m": CALLING.model_dump(mode="json")}
    assert plain["goto"] == [{"node": "n", "arg": {"x": 1}}]
    assert plain["resume"] == 2
    interrupt: Any = to_plain(Interrupt(value={"ask": 1}, id="i"))
    assert (interrupt["value"], interrupt["id"]) == ({"ask": 1}, "i")


def test_msgspec_struct_is_an_object_of_its_fields() -> None:
    class Pair(msgspec.Struct):
        left: Any
        right: Any

    assert to_plain(Pair(1, (2,))) == {"left": 1, "right": [2]}


def fake_numpy_array(elements: int) -> object:
    cls = type("ndarray", (), {"tolist": lambda self: [[1.5], [float("nan")]], "size": elements})
    cls.__module__ = "numpy"
    return cls()


def test_numpy_array_of_modest_size_is_a_list_and_a_large_one_its_repr() -> None:
    assert to_plain(fake_numpy_array(2)) == [[1.5], [None]]
    assert is_marker(to_plain(fake_numpy_array(10**9)))


# ---- hostile objects -----------------------------------------------------------------------------


class PanicError(BaseException):
    """Like the panics of Rust extensions: no Exception."""


class NoRepr:
    def __repr__(self) -> str:
        raise PanicError


class LongRepr:
    def __repr__(self) -> str:
        return "x" * 1_000_000


class BrokenRepr:
    def __repr__(self) -> str:
        return "half \ud800"


class Liar:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise PanicError

    def __getattr__(self, name: str) -> Any:
        raise PanicError


class HostileMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise PanicError


def hostile() -> object:
    return HostileMeta("Hostile", (), {})()  # not in the module: pytest looks at its classes


class Unhashable(type):
    def __hash__(cls) -> int:
        raise PanicError


class OfUnhashableClass(metaclass=Unhashable):
    pass


def generator() -> Any:
    yield 1


HOSTILE: dict[str, Any] = {  # not as test parameters: pytest looks into those
    "lock": threading.Lock(),
    "lambda": lambda: 1,
    "object": object(),
    "class": Node,
    "module": sys,
    "exception": ValueError("x"),
    "generator": generator(),
    "iterator": iter([1]),
    "complex": 1j,
    "range": range(3),
    "repr raises": NoRepr(),
    "repr is long": LongRepr(),
    "repr is no Unicode": BrokenRepr(),
    "class lies": Liar(),
    "class raises": hostile(),
    "class has no hash": OfUnhashableClass(),
    "ellipsis": ...,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_its_repr_with_a_mark(name: str) -> None:
    assert is_marker(to_plain(HOSTILE[name]))
    plain: Any = to_plain({"deep": [HOSTILE[name]]})
    assert is_marker(plain["deep"][0])


def test_generator_is_not_consumed() -> None:
    values = generator()
    to_plain({"values": values})
    assert list(values) == [1]


class BrokenDict(dict[str, int]):
    def __iter__(self) -> Any:
        raise PanicError

    items = keys = values = __len__ = __getitem__ = __iter__  # type: ignore[assignment]


class BrokenList(list[int]):
    def __iter__(self) -> Any:
        raise PanicError

    copy = __len__ = __getitem__ = __iter__  # type: ignore[assignment]


def test_container_whose_own_iteration_raises_is_read_past_it() -> None:
    assert to_plain([BrokenDict(a=1), BrokenList([1, 2])]) == [{"a": 1}, [1, 2]]


def test_property_that_raises_hides_only_itself() -> None:
    @dataclasses.dataclass
    class Half:
        good: int
        bad: int

        def __getattribute__(self, name: str) -> Any:
            if name == "bad":
                raise PanicError("no")
            return object.__getattribute__(self, name)

    plain: Any = to_plain(Half(1, 2))
    assert plain["good"] == 1
    assert is_marker(plain["bad"])


def test_released_memoryview_is_its_repr() -> None:
    view = memoryview(b"abc")
    view.release()
    assert is_marker(to_plain(view))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_during_a_conversion_is_not_swallowed(stop: Any) -> None:
    class Slow:
        def __repr__(self) -> str:
            raise stop

    class SlowField(Node):
        def __getattribute__(self, name: str) -> Any:
            raise stop

    class SlowDump(Settings):
        def model_dump(self, **options: Any) -> Any:
            raise stop

    for value in (Slow(), SlowField("a"), SlowDump(name="a")):
        with pytest.raises(stop):
            to_plain([value])


def test_pydantic_root_model_is_what_it_holds() -> None:
    assert to_plain(RootModel[list[int]]([1, 2])) == [1, 2]


def test_cycle_is_cut_and_a_value_met_twice_is_not() -> None:
    shared = {"x": 1}
    loop: list[Any] = [shared, shared]
    loop.append(loop)
    plain: Any = to_plain(loop)
    assert plain[:2] == [{"x": 1}, {"x": 1}]
    assert plain[0] is not plain[1]
    assert is_marker(plain[2])


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("inner", [[1], {"a": 1}, {"base64": 1}, Node("n"), {1, 2}, Colour.RED])
def test_deeper_than_the_limit_is_shown_by_repr(inner: Any) -> None:
    plain: Any = to_plain(nested(MAX_DEPTH, inner))
    assert is_marker(_innermost(plain))
    assert to_plain(plain) == plain


def test_bytes_at_the_limit_stay_what_they_became() -> None:
    plain = to_plain(nested(MAX_DEPTH - 1, [b"x"]))
    assert to_plain(nested(MAX_DEPTH, {"base64": "eA=="})) == nested(MAX_DEPTH, {"base64": "eA=="})
    assert to_plain(plain) == plain


def test_at_the_limit_is_shown_whole() -> None:
    value = nested(MAX_DEPTH - 1, [1])
    assert to_plain(value) == value


def _innermost(value: Any) -> Any:
    while isinstance(value, list):
        value = value[0]
    return value


def test_depth_of_a_million_neither_raises_nor_hangs() -> None:
    assert is_marker(_innermost(to_plain(nested(1_000_000, 1))))


def test_shared_references_that_would_blow_up_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_streamkit.values.MAX_CONTAINERS", 1000)
    value: Any = [1]
    for _ in range(50):
        value = [value, value]
    plain: Any = to_plain(value)
    assert len(msgspec.json.encode(plain)) < 100_000
    assert to_plain(plain) == plain


def test_nearly_used_up_stack_does_not_raise() -> None:
    code = """
import sys
from langchain_streamkit.values import to_plain
value = {"a": [1, {"b": (2,)}]}
to_plain(value)
seen = []
def dive():
    try:
        dive()
    finally:
        seen.append(to_plain(value))
try:
    dive()
except RecursionError:
    pass
assert seen[-1] == {"a": [1, {"b": [2]}]}, seen[-1]
print(len(seen))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("make", [dict, list, set, collections.deque], ids=lambda m: m.__name__)
def test_container_that_changes_while_it_is_read_is_shown_as_it_was_at_first(make: Any) -> None:
    # as another thread may; a repr does it at a known moment
    class Changes:
        def __repr__(self) -> str:
            container.clear()
            return "changed"

    members = [Changes(), "b", "c"]
    container: Any = make(enumerate(members)) if make is dict else make(members)
    plain: Any = to_plain(container)
    assert len(container) == 0
    shown = list(plain.values()) if make is dict else plain
    assert len(shown) == 3
    assert {"repr": "changed", "unserializable": True} in shown
    assert "b" in shown
    assert "c" in shown


# ---- properties ----------------------------------------------------------------------------------

any_text = st.text(st.characters(), max_size=8) | st.text(
    st.sampled_from(["\ud83d", "\ude00", "\udfff", "a", "é", "😀"]), max_size=6
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | any_text
    | st.binary(max_size=6)
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.decimals()
    | st.sampled_from([*Colour, *Level, CALLING])
    | st.builds(NoRepr)
)
hashables = st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary()
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.frozensets(hashables, max_size=4)
        | st.builds(Node, name=any_text, next=inner, data=inner)
        | st.builds(Settings, name=any_text, thing=inner)
        | st.builds(Command, update=inner, resume=inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_whatever_it_is_the_result_encodes_and_decodes_to_an_equal_value(value: Any) -> None:
    plain: Any = to_plain(value)
    assert msgspec.json.decode(msgspec.json.encode(plain)) == plain


@given(anything)
def test_plain_of_plain_is_equal_and_a_copy(value: Any) -> None:
    plain: Any = to_plain(value)
    again = to_plain(plain)
    assert again == plain
    if isinstance(plain, (dict, list)):
        assert again is not plain


# ---- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "plain", "grüße", "😀", "a\u2028b\x00"])
def test_clean_text_comes_back_as_the_same_object(text: str) -> None:
    assert clean_text(text) is text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\ud83d", "\ufffd"),
        ("x\ude00", "x\ufffd"),
        ("a\ud83db", "a\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("😀\ud83d", "😀\ufffd"),
    ],
)
def test_lone_surrogate_becomes_replacement_character(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_two_surrogate_halves_become_the_character_they_stand_for() -> None:
    assert clean_text("a\ud83d\ude00b") == "a😀b"
    assert to_plain({"\ud83d\ude00": "\ud83d"}) == {"😀": "\ufffd"}


def test_surrogate_halves_split_over_two_pieces_are_joined() -> None:
    joiner = TextJoiner()
    assert [joiner.feed("hi \ud83d"), joiner.feed("\ude00!"), joiner.flush()] == ["hi ", "😀!", ""]


def test_half_that_never_meets_the_other_is_replaced_at_the_flush() -> None:
    joiner = TextJoiner()
    assert [joiner.feed("x\ud83d"), joiner.feed(""), joiner.flush()] == ["x", "", "\ufffd"]
    assert joiner.flush() == ""


def test_piece_without_surrogates_passes_through_the_joiner_as_the_same_object() -> None:
    joiner = TextJoiner()
    for piece in ("plain", "grüße", ""):
        assert joiner.feed(piece) is piece


@given(st.lists(any_text, max_size=8))
def test_joined_pieces_are_the_clean_text_of_the_whole(pieces: list[str]) -> None:
    joiner = TextJoiner()
    joined = "".join([*map(joiner.feed, pieces), joiner.flush()])
    assert joined == clean_text("".join(pieces))
    joined.encode()
