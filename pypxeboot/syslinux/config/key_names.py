"""Names of keys: as MENU HIDDENKEY writes them, as :class:`~pypxeboot.picture.KeyPress` does."""

from __future__ import annotations

_NAMES = {
    "backspace": "backspace",
    "tab": "tab",
    "enter": "enter",
    "esc": "escape",
    "escape": "escape",
    "space": " ",
    "up": "up",
    "down": "down",
    "left": "left",
    "right": "right",
    "pgup": "page-up",
    "pgdn": "page-down",
    "home": "home",
    "end": "end",
    "insert": "insert",
    "delete": "delete",
    **{f"f{number}": f"f{number}" for number in range(1, 13)},
}
# Control characters that a terminal sends for other keys.
_CONTROLS = {"h": "backspace", "i": "tab", "j": "enter", "m": "enter", "[": "escape", "?": "backspace"}


def key(name: str) -> str:
    """Find the key that a configuration calls ``name``: a character, ``^x`` or a word; empty if none is."""
    if len(name) == 1:
        return name
    name = name.lower()
    if len(name) == 2 and name[0] == "^":
        return _CONTROLS.get(name[1], f"ctrl-{name[1]}" if "a" <= name[1] <= "z" else "")
    return _NAMES.get(name, "")


def keys(names: str) -> list[str]:
    """Split a list of keys at commas; a comma that begins a name is one itself."""
    found = []
    while names:
        end = names.find(",", 1)
        end = len(names) if end < 0 else end
        found.append(key(names[:end]))
        names = names[end + 1 :]
    return [name for name in found if name]
