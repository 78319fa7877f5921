"""pxechn.c32: another bootstrap program."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Steps
from pypxeboot.entry import Choice, Entry
from pypxeboot.syslinux.com32.module import (
    Com32Api,
    Com32Listing,
    Com32Module,
    Invocation,
    Lead,
    ToLoader,
)

# Options that take a value; -h, -n, -N, -r, -S, -u, -w and -W take none.
_WITH_VALUE = "cfgopt"


@dataclass(frozen=True)
class PxechnC32(Com32Module):
    """pxechn.c32: another bootstrap program, with options 209 (a configuration) and 210 (a prefix) for it.

    ``file -c config -p prefix -o 210.s=prefix ...``: options may stand anywhere (doc/pxechn.txt).
    """

    program: str
    config_file: Optional[str]
    prefix: Optional[str]

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the program and the two options."""
        values: dict[str, str] = {}
        names = []
        rest = iter(invocation.words)
        for word in rest:
            if len(word) > 1 and word[0] == "-" and word[1] in _WITH_VALUE:
                letter, value = word[1], word[2:] or next(rest, "")
                number, mark, text = value.partition(".s=")
                if letter == "o" and mark:
                    letter = {"209": "c", "210": "p"}.get(number, letter)
                    value = text
                values[letter] = value
            elif not word.startswith("-"):
                names.append(word)
        if not names:
            return invocation.nothing("was given no file")
        return cls(names[0], values.get("c"), values.get("p"))

    @property
    def lead(self) -> Optional[Lead]:
        """The program."""
        return ToLoader(self.program, self.config_file, self.prefix)

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Have the program started."""
        return (yield from api.start_over(self.program, self.config_file, self.prefix))

    def describe(self, listing: Com32Listing) -> Entry:
        """Name the program that takes over."""
        return listing.meaning(f"starts over as {self.program}")
