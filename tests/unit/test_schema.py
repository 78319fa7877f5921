"""The closed schema of what crosses from the client to the host side, and the socket that carries it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.dataclass import dataclass, field_names, replace
from pypxeboot.entry import Action
from pypxeboot.privsep.messages import (
    ConfigureInterface,
    Done,
    Entries,
    OpenOutput,
    Placed,
    Ready,
    Route,
    SetVlan,
)
from pypxeboot.result import (
    BootResult,
    Failure,
    ListedEntry,
    Request,
    Seconds,
)
from pypxeboot.schema import MAX_ITEMS, MAX_NUMBER, MAX_TEXT, SchemaError, pack, unpack
from tests.support import effort
from tests.support.samples.messages import FULL

FAILURE = Failure("FetchError", "gone", None, FULL.requests, ())


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(pack(value)))


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        replace(
            FULL, lease=None, config=None, label=None, kernel=None, ramdisk=None, initrds=(), requests=()
        ),
        replace(FULL, seconds=Seconds(), lease=replace(FULL.lease, seconds=None)),  # type: ignore[type-var]
        FAILURE,
        Ready(),
        Placed("eth0", "veth", "br0"),
        ConfigureInterface(
            "10.77.0.5", 24, (Route("0.0.0.0/0", "10.77.0.1"), Route("10.0.0.0/8", None)), 1400
        ),
        OpenOutput("kernel"),
        Done(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_round_trip(value: Any) -> None:
    assert unpack(type(value), through_json(value)) == value


def test_whole_number_for_a_float() -> None:
    assert unpack(Request, {"url": "u", "result": "ok", "bytes": 1, "seconds": 2}) == Request(
        "u", "ok", 1, 2.0
    )


def changed(*path: Any, to: Any) -> Any:
    """FULL as JSON with the value at ``path`` replaced, or its last key removed (``to`` is ...)."""
    whole = through_json(FULL)
    place = whole
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return whole


HUGE = 10**400
WRONG: dict[str, Any] = {
    "unknown-key": changed("extra", to=1),
    "unknown-key-inside": changed("kernel", "extra", to=None),
    "missing-key": changed("cmdline", to=...),
    "missing-optional-key": changed("label", to=...),
    "missing-key-inside": changed("lease", "dns", to=...),
    "none-for-text": changed("cmdline", to=None),
    "none-for-list": changed("requests", to=None),
    "number-for-text": changed("cmdline", to=1),
    "text-for-number": changed("kernel", "size", to="7"),
    "bool-for-number": changed("kernel", "size", to=True),
    "bool-for-float": changed("seconds", "total", to=True),
    "float-for-number": changed("kernel", "size", to=7.0),
    "text-for-list": changed("warnings", to="careful"),
    "dict-for-list": changed("warnings", to={}),
    "list-for-dict": changed("kernel", to=[]),
    "text-for-dict": changed("lease", to="10.0.0.1"),
    "list-of-other": changed("warnings", to=[1]),
    "unknown-action": changed("action", to="explode"),
    "list-for-action": changed("action", to=["boot"]),
    "dict-for-action": changed("action", to={}),
    "negative": changed("kernel", "size", to=-1),
    "too-large": changed("kernel", "size", to=MAX_NUMBER),
    "negative-float": changed("seconds", "total", to=-0.5),
    "nan": changed("seconds", "total", to=float("nan")),
    "infinity": changed("seconds", "total", to=float("inf")),
    "minus-infinity": changed("seconds", "total", to=float("-inf")),
    "huge-number": changed("kernel", "size", to=HUGE),
    "huge-number-for-float": changed("seconds", "total", to=HUGE),
    "long-text": changed("cmdline", to="x" * (MAX_TEXT + 1)),
    "long-text-in-bytes": changed("cmdline", to="ü" * (MAX_TEXT // 2 + 1)),
    "long-list": changed("warnings", to=[""] * (MAX_ITEMS + 1)),
    "lone-surrogate": changed("cmdline", to="\ud800"),
    "surrogate-of-no-byte": changed("cmdline", to="\udc7f"),
    "nothing": None,
    "a-list": [],
    "a-number": 1,
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_of_the_schema_is_refused(case: str) -> None:
    with pytest.raises(SchemaError) as caught:
        unpack(BootResult, WRONG[case])
    assert len(str(caught.value)) < 500, "the place, not the value"


def test_limits_themselves_are_within() -> None:
    assert len(unpack(BootResult, changed("cmdline", to="x" * MAX_TEXT)).cmdline) == MAX_TEXT
    assert unpack(BootResult, changed("kernel", "size", to=MAX_NUMBER - 1)).kernel is not None
    assert len(unpack(BootResult, changed("warnings", to=[""] * MAX_ITEMS)).warnings) == MAX_ITEMS


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(HUGE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.sampled_from(list(through_json(FULL))), anything)
@settings(max_examples=400)
def test_any_value_in_any_place(key: str, value: Any) -> None:
    try:
        unpack(BootResult, changed(key, to=value))
    except SchemaError:
        pass


@dataclass(frozen=True)
class Mixed:
    """A schema of its own: every kind of field."""

    text: str
    maybe: Optional[int]
    many: tuple[str, ...]
    flag: bool


def test_any_dataclass_of_ours_is_a_schema() -> None:
    value = Mixed("a", None, ("b",), True)
    assert pack(value) == {"text": "a", "maybe": None, "many": ["b"], "flag": True}
    assert unpack(Mixed, pack(value)) == value


@pytest.mark.parametrize(
    "change",
    [
        {"message": "x" * (MAX_TEXT + 1)},
        {"message": "\u00e9" * MAX_TEXT},
        {"hint": "\ud800"},
        {"requests": (Request("u", "ok", MAX_NUMBER, 0.0),)},
        {"requests": (Request("u", "ok", -1, 0.0),)},
        {"requests": (Request("u", "ok", 10**5000, 0.0),)},
        {"requests": (Request("u", "ok", 1, float("nan")),)},
        {"warnings": ("",) * (MAX_ITEMS + 1)},
    ],
)
def test_what_would_be_refused_is_not_sent(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError) as caught:
        pack(replace(FAILURE, **change))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


ROWS = (
    ListedEntry("a", "A", Action.BOOT, "k", ("i", "j"), "c", False, ("m x",), "d", ("More",), ""),
    ListedEntry("b", "", Action.LOCALBOOT, None, (), "", True),
    ListedEntry(
        FULL.label or "", "caf\u00e9", Action.BOOT, None, ("\u00fc",), "", False, meaning="says what"
    ),
)


def test_columns_of_defaults_need_not_cross() -> None:
    bare = through_json(entries(ROWS[1:2] * 3))
    whole = unpack(Entries, bare)
    short = unpack(Entries, {**bare, "modules": [], "dtb": [], "menu": [], "meaning": []})
    assert [*short.rows()] == [*whole.rows()] == [*ROWS[1:2] * 3]


def entries(rows: Sequence[ListedEntry]) -> Entries:
    return Entries(*zip(*[[getattr(row, name) for name in field_names(ListedEntry)] for row in rows]))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:], ROWS[1:2] * 500], ids=len)
def test_entries_cross_as_columns(rows: Sequence[ListedEntry]) -> None:
    made = unpack(Entries, through_json(entries(rows)))
    assert tuple(made.rows()) == tuple(rows)
    assert made == entries(rows) and unpack(Entries, through_json(Entries(*[()] * 11))) == Entries(*[()] * 11)


LONG = "x" * (MAX_TEXT + 1)
WRONG_COLUMNS: dict[str, Any] = {
    "number-for-text": {"label": ["a", 1, "c"]},
    "list-for-text": {"label": ["a", ["b"], "c"]},
    "none-for-text": {"cmdline": [None, None, None]},
    "text-for-column": {"label": "abc"},
    "object-for-column": {"label": {"a": 1}},
    "long-text": {"title": ["", LONG, ""]},
    "long-text-in-bytes": {"title": ["", "\u00fc" * (MAX_TEXT // 2 + 1), ""]},
    "lone-surrogate": {"title": ["", "\ud800", ""]},
    "text-for-list": {"initrds": ["ab", "cd", "ef"]},
    "object-for-list": {"menu": [{}, {}, {}]},
    "number-in-list": {"initrds": [["a"], [1], []]},
    "list-in-list": {"initrds": [["a"], [["b"]], []]},
    "long-text-in-list": {"menu": [["a"], [LONG], []]},
    "long-list-in-list": {"modules": [[""] * (MAX_ITEMS + 1), [], []]},
    "unknown-action": {"action": ["boot", "explode", "boot"]},
    "number-for-bool": {"default": [0, 1, 0]},
    "a-label-more": {"label": ["a", "b", "c", "d"]},
    "a-path-less": {"menu": [[], []]},
    "no-title": {"title": []},
    "no-label": {"label": []},
    "unknown-column": {"path": ["/x", "/x", "/x"]},
}


@pytest.mark.parametrize("case", WRONG_COLUMNS)
def test_columns_that_are_not_of_the_schema_are_refused(case: str) -> None:
    with pytest.raises(SchemaError) as caught:
        unpack(Entries, {**through_json(entries(ROWS)), **WRONG_COLUMNS[case]})
    assert len(str(caught.value)) < 500, "the place, not the value"


def test_long_columns_are_refused_by_both_sides() -> None:
    many = entries(ROWS[1:2] * (MAX_ITEMS + 1))
    with pytest.raises(SchemaError):
        pack(many)
    with pytest.raises(SchemaError):
        unpack(Entries, {name: list(getattr(many, name)) for name in field_names(Entries)})


def test_an_entry_of_a_long_list_crosses_in_few_steps() -> None:
    def lines(count: int) -> int:
        many = entries(ROWS[:1] * count)
        return effort.lines(lambda: tuple(unpack(Entries, pack(many)).rows()))

    lines(10)
    assert lines(1100) - lines(100) < 60 * 1000


def test_the_place_is_told() -> None:
    for case, place in (
        ("bool-for-number", "BootResult.kernel.size: no int"),
        ("missing-key-inside", "BootResult.lease: not exactly the keys address"),
        ("list-of-other", "BootResult.warnings[]: no str"),
    ):
        with pytest.raises(SchemaError) as caught:
            unpack(BootResult, WRONG[case])
        assert str(caught.value).startswith(place)
    with pytest.raises(SchemaError, match=r"^SetVlan\.remove: no bool"):
        unpack(SetVlan, {"tag": 1, "remove": 1})
