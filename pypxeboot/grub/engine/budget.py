"""What a script may use: it comes from the network, and has no time of its own."""

from __future__ import annotations

from pypxeboot.errors import ConfigError

# A menu of a thousand entries takes a thousand; loops of real sites a dozen.
STEPS = 100_000
# Text that variables, menus and words are made of, all in all. Real configurations have some ten KiB.
BYTES = 32 << 20
# Scripts that are taken apart, all in all, those of "eval" and those that are read again included: every
# word of them costs. Menus of ten thousand entries have 1.5 MiB.
SOURCES = 3 << 20
# Functions, menus and files that call each other, and constructs in them.
DEPTH = 60
# Files that are read: configurations of configurations.
FILES = 200
# One word of a command. No kernel takes a command line of a tenth of this.
WORD = 64 << 10


class ScriptBudget:
    """Counts what a script uses. Every method raises ConfigError where it is too much."""

    def __init__(self) -> None:
        self._steps = self._bytes = self._files = self._sources = 0
        self.depth = 0
        """How many things run that contain each other."""

    def refresh(self) -> None:
        """Count anew: somebody at the terminal pressed a key."""
        self._steps = self._bytes = self._files = self._sources = 0

    def step(self) -> None:
        """Count a command."""
        self._steps += 1
        if self._steps > STEPS:
            raise _too_much(f"runs more than {STEPS} commands", "is there a loop without an end?")

    def text(self, size: int) -> None:
        """Count ``size`` characters that were made."""
        self._bytes += size
        if self._bytes > BYTES:
            raise _too_much(f"makes more than {BYTES >> 20} MiB of text", "does a variable double itself?")

    def word(self, size: int) -> None:
        """Check the size of one word."""
        self.text(size)
        if size > WORD:
            raise _too_much(f"has a word of more than {WORD >> 10} KiB", "does a variable double itself?")

    def source(self, size: int) -> None:
        """Count a script of ``size`` characters."""
        self._sources += size
        if self._sources > SOURCES:
            most = f"{SOURCES >> 20} MiB of scripts"
            raise _too_much(f"runs more than {most}", "is there a loop without an end?")

    def file(self) -> None:
        """Count a file that is read."""
        self._files += 1
        if self._files > FILES:
            raise _too_much(f"reads more than {FILES} files", "do they lead to each other?")

    def enter(self) -> None:
        """Begin something that may contain other things."""
        self.depth += 1
        if self.depth > DEPTH:
            raise _too_much(
                f"is more than {DEPTH} levels deep", "do functions, menus or files lead to each other?"
            )

    def leave(self) -> None:
        """End what began last."""
        self.depth -= 1


def _too_much(what: str, hint: str) -> ConfigError:
    return ConfigError(f"the configuration of GRUB {what}", hint=hint)
