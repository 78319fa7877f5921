"""Menus as pictures: what stands where, on terminals of every size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.picture import Picture, Row, Span, Terminal
from pypxeboot.terminal.cells import ascii_cells, cells, cut, fit
from pypxeboot.terminal.menu_drawing import draw, lines, selectable_indexes
from pypxeboot.terminal.menu_view import EditLine, Layout, MenuItem, View
from pypxeboot.terminal.render import canvas, strokes

ITEMS = (
    MenuItem("Local disk", hotkey=6),
    MenuItem("", selectable=False),
    MenuItem("Tools", hotkey=0, mark=">"),
    MenuItem("Back", mark="<", indent=3),
)
LONG = tuple(MenuItem(f"entry {number}") for number in range(40))


SIZE = Terminal()


def view(**changed: Any) -> View:
    return View(**{"title": "Network boot", "items": ITEMS, **changed})


def shown(picture: Picture, terminal: Terminal = SIZE) -> list[str]:
    """The rows as a terminal has them."""
    return ["".join(ch for ch, _ in row).rstrip() for row in canvas(picture, terminal, ascii_only=True)]


def style_of(picture: Picture, row: int, text: str) -> str:
    """The style of the span that is, or holds, ``text``."""
    (found,) = {span.style for span in picture.rows[row].spans if text in span.text}
    return found


def test_a_menu_stands_where_menu_c32_draws_it() -> None:
    picture = draw(
        view(
            selected=2,
            hint="Press [Tab] to edit options",
            countdown="Automatic boot in 9 seconds...",
            help=("one", "two"),
        ),
        Terminal(),
    )
    rows = shown(picture)
    assert rows[0] == " " * 10 + "+" + "-" * 58 + "+"
    assert rows[1] == " " * 10 + "|" + "Network boot".center(58) + "|"
    assert rows[3] == " " * 10 + "| Local disk" + " " * 47 + "|"
    assert rows[5] == " " * 10 + "| Tools" + " " * 50 + "> |"
    assert rows[6] == " " * 10 + "|    Back" + " " * 48 + "< |"
    assert rows[15] == rows[0]
    assert rows[17].strip() == "Press [Tab] to edit options" and rows[17].startswith(" " * 26)
    assert rows[19].strip() == "Automatic boot in 9 seconds..."
    assert rows[21:] == ["one", "two", ""]
    assert picture.cursor_row is None


def test_looks_with_and_without_colours() -> None:
    for terminal, selected, hot, disabled in (
        (Terminal(colours=True), "7;37;40", "1;37;44", "1;30;44"),
        (SIZE, "7", "1", ""),
    ):
        picture = draw(view(selected=2), terminal)
        assert style_of(picture, 5, "ools") == selected
        assert style_of(picture, 3, "d") == hot, "of Local disk, a letter of its own"
        (gap,) = {span.style for span in picture.rows[4].spans if len(span.text) > 50}
        assert gap == disabled


def test_colours_of_the_configuration() -> None:
    picture = draw(view(colours=(("sel", "1;31"), ("screen", "44"), ("nonsense", "5"))), Terminal())
    assert style_of(picture, 3, "ocal") == "1;31"
    assert len(picture.rows) == 24 and picture.rows[-1].spans[0].style == "44"


def test_a_configuration_moves_things() -> None:
    layout = Layout(
        width=60, margin=5, rows=4, tab_row=12, timeout_row=14, help_row=16, help_end_row=17, hshift=10,
        vshift=1,
    )  # fmt: skip
    rows = shown(draw(view(layout=layout, hint="hint", countdown="time", help=("one", "two")), Terminal()))
    assert rows[1] == " " * 15 + "+" + "-" * 48 + "+" and rows[0] == ""
    assert rows[8] == rows[1]
    assert (rows[12].strip(), rows[14].strip(), rows[16], rows[17]) == ("hint", "time", "one", "")


def test_more_items_than_rows() -> None:
    rows = shown(draw(view(items=LONG, selected=0), Terminal()))
    bar = [row for row, line in enumerate(rows) if line.endswith("#")]
    assert bar == [3, 4, 5], "3 of 12 rows, for 12 of 40 items"
    rows = shown(draw(view(items=LONG, selected=39), Terminal()))
    assert "entry 39" in rows[14] and rows[14].endswith("#")
    rows = shown(draw(view(items=LONG, selected=20), Terminal()))
    assert "entry 20" in rows[9], "with as many before as behind"


@pytest.mark.parametrize("size", [(40, 10), (20, 8), (132, 43), (80, 20), (300, 100)])
def test_other_sizes(size: tuple[int, int]) -> None:
    terminal = Terminal(*size)
    picture = draw(view(items=LONG, selected=30, hint="hint", countdown="in 5 seconds"), terminal)
    text = "\n".join(shown(picture, terminal))
    for what in ("Network boot", "entry 30", "hint", "in 5 seconds"):
        assert what in text


def test_editing_the_command_line() -> None:
    picture = draw(view(command=EditLine("vmlinuz a=1 " + "x" * 100, 11)), Terminal())
    rows = shown(picture)
    assert rows[17].startswith("> vmlinuz a=1 xxx") and rows[18].strip() == "x" * 34
    assert (picture.cursor_row, picture.cursor_column) == (17, 13)
    small = Terminal(20, 8)
    picture = draw(view(command=EditLine("y" * 5000 + "z", 5001)), small)
    assert picture.cursor_row == 7
    assert shown(picture, small)[7].endswith("z"), "what is typed is seen"


def test_passwords_are_stars() -> None:
    picture = draw(view(password=5, prompt="Password required"), Terminal())
    rows = shown(picture)
    assert " Password required " in rows[10] and rows[10].startswith("   +")
    assert rows[11].startswith("   | *****  ")
    assert (picture.cursor_row, picture.cursor_column) == (11, 10)


def test_hidden_is_the_countdown_alone() -> None:
    rows = shown(draw(view(hidden=True, countdown="Automatic boot in 3 seconds..."), Terminal()))
    assert [row for row, line in enumerate(rows) if line] == [22]


def test_lines_for_a_dumb_terminal() -> None:
    assert lines(view(selected=2)) == ("Network boot\n\n  1. Local disk\n\n* 2. Tools >\n  3.    Back <\n")
    assert selectable_indexes(view()) == (0, 2, 3)
    assert "\x1b" not in lines(view(title="\x1b[2J"))


STRANGE = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="a日\u0301\x1b\U0001f600\u202e\udc80│", max_size=60),
)
VIEWS = st.builds(
    View,
    title=STRANGE,
    items=st.lists(
        st.builds(
            MenuItem,
            STRANGE,
            hotkey=st.none() | st.integers(0, 40),
            selectable=st.booleans(),
            mark=st.sampled_from(["", ">", "<"]),
            indent=st.integers(-5, 1000),
        ),
        max_size=30,
    ).map(tuple),
    selected=st.integers(0, 29),
    hint=STRANGE,
    countdown=STRANGE,
    help=st.lists(STRANGE, max_size=5).map(tuple),
    command=st.none() | st.builds(EditLine, STRANGE, st.integers(0, 60)),
    password=st.none() | st.integers(0, 200),
    prompt=STRANGE,
    hidden=st.booleans(),
    layout=st.builds(
        Layout,
        width=st.none() | st.integers(0, 300),
        **{
            name: st.integers(-100, 300)
            for name in (
                "margin", "password_margin", "rows", "tab_row", "command_row", "end_row", "password_row",
                "timeout_row", "help_row", "help_end_row", "hshift", "vshift", "hidden_row",
            )
        },
    ),
    colours=st.just((("screen", "44"), ("title", "\x1b[2J"))) | st.just(()),
)  # fmt: skip
TERMINALS = st.builds(Terminal, st.integers(1, 140), st.integers(1, 50), st.booleans())


@given(VIEWS, TERMINALS, st.booleans())
def test_any_view_on_any_terminal(seen: View, terminal: Terminal, ascii_only: bool) -> None:
    picture = draw(seen, terminal)
    assert len(picture.rows) <= terminal.rows
    for row in picture.rows:
        assert len(cells("".join(span.text for span in row.spans))) == terminal.columns
    assert picture.cursor_row is None or 0 <= picture.cursor_row < terminal.rows
    assert 0 <= picture.cursor_column < terminal.columns
    painted = canvas(picture, terminal, ascii_only=ascii_only)
    text = "".join(ch for row in painted for ch, _ in row)
    assert text.isprintable() and (text.isascii() or not ascii_only)
    assert all(style.replace(";", "").isdigit() or not style for row in painted for _, style in row)


@pytest.mark.slow
@given(VIEWS, VIEWS, TERMINALS)
def test_strokes_lead_from_any_picture_to_any_other(before: View, after: View, terminal: Terminal) -> None:
    old, new = (canvas(draw(seen, terminal), terminal, ascii_only=False) for seen in (before, after))
    for known in (old, None):
        screen = [list(row) for row in old]
        for stroke in strokes(known, new):
            pieces = [(ch, stroke.style) for ch in cells(stroke.text)]
            assert 0 <= stroke.column and stroke.column + len(pieces) <= terminal.columns
            screen[stroke.row][stroke.column : stroke.column + len(pieces)] = pieces
        assert screen == new


def test_a_key_costs_few_strokes() -> None:
    terminal = Terminal()
    first, second = (
        canvas(draw(view(items=LONG[:10], selected=index), terminal), terminal, ascii_only=True)
        for index in (0, 1)
    )
    assert sum(len(stroke.text) for stroke in strokes(first, second)) < 150
    assert list(strokes(first, first)) == []


def test_text_of_strangers_in_cells() -> None:
    assert cells("a\x1b[m") == list("a\\x1b[m")
    assert cells("日b") == ["日", "", "b"]
    assert cells("e\u0301") == ["é"] and cells("x\u0301") == ["x"]
    assert cut(cells("a日"), 2) == ["a", " "]
    assert fit(["a"], 3) == ["a", " ", " "]
    assert ascii_cells(cells("é日│€")) == ["e", "?", "?", "|", "?"]
    assert len(cells("x" * 10**6)) < 10000


def test_a_picture_is_checked_before_it_is_painted() -> None:
    styles = ["1;37;44", "0m\x1b[2J", "38;5;1", "1;2;3;4;5;6;7;8;9", "٣", "1\n", ";"]
    picture = Picture((Row(tuple(Span("x", style) for style in styles)),) * 100)
    painted = canvas(picture, Terminal(10, 3), ascii_only=False)
    assert [style for _, style in painted[0][:7]] == ["1;37;44", "", "38;5;1", "", "", "", ""]
    assert (len(painted), {len(row) for row in painted}) == (3, {10})
    assert painted[2][9] == (" ", ""), "the cell that makes some terminals scroll"
