"""Compare a real loader with ours: ``python -m tests.support.differ [pxelinux|ipxe|grub] [--count N]``.

Makes random configurations, boots each with the real loader in QEMU and with ours, reduces what differs, and
prints it as a case that can be recorded. Ends with 1 where something differs that nobody has explained.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Optional

from tests.support.differ.case import DifferLoader, Outcome, Texts, raw_case, report
from tests.support.differ.grub import Grub
from tests.support.differ.ipxe import Ipxe
from tests.support.differ.lab import RealLab
from tests.support.differ.pxelinux import Pxelinux
from tests.support.recorded import boots

LOADERS: dict[str, Callable[[], DifferLoader]] = {"pxelinux": Pxelinux, "ipxe": Ipxe, "grub": Grub}
"""The loaders that can be compared, by name."""

# Seconds without a word after which the machine waits for ever; a difference is looked at with more of them.
# GRUB lets errors be read for ten.
_PATIENCE, _SURE = 2.0, 16.0


class Differ:
    """One loader, compared."""

    def __init__(self, loader: DifferLoader, lab: RealLab, reductions: int = 40) -> None:
        self.loader, self.lab, self.reductions = loader, lab, reductions
        self._program = dict(loader.program())

    def _files(self, raw: dict[str, Any]) -> dict[str, bytes]:
        files = dict(self._program)
        for name, text in raw["files"].items():
            word, _, tag = text.partition(":")
            kernel = word == "@kernel"
            files[name] = self.lab.tagged(tag or name) if kernel else boots.content(name, text)
        return files

    def difference(self, texts: Texts) -> Optional[tuple[Outcome, Outcome]]:
        """Return what the two came to, if that is not the same.

        To be sure, what differs is looked at once more, with more patience.
        """
        raw = raw_case(self.loader, texts)
        files = self._files(raw)
        ours = self.loader.ours(raw, files)
        for patience in (_PATIENCE, _SURE):
            real = self.lab.boot(files, patience)
            if same(real, ours):
                return None
        return real, ours

    def reduce(self, texts: Texts) -> Texts:
        """Leave out lines, as long as the two differ, by ``reductions`` boots at most."""
        left = self.reductions
        shorter = left > 0
        while shorter and left > 0:
            shorter = False
            for candidate in _shorter(texts):
                left -= 1
                found = self.difference(candidate)
                if found is not None and not self.loader.explain(candidate, *found):
                    texts, shorter = candidate, True
                    break
                if left <= 0:
                    break
        return texts


def same(real: Outcome, ours: Outcome) -> bool:
    """Whether two boots came to the same; blanks at the end of a command line do not count."""
    if real.kernel is None and ours.kernel is None:
        if ours.endless:
            both = min(len(real.requests), len(ours.requests))
            return not real.local and real.requests[:both] == ours.requests[:both]
        return (real.local, real.requests) == (ours.local, ours.requests)
    return _handed(real) == _handed(ours)


def _handed(outcome: Outcome) -> tuple[object, ...]:
    kernel, cmdline = outcome.kernel, outcome.cmdline.rstrip()
    return kernel, cmdline, outcome.size, outcome.checksum, outcome.requests


def _shorter(texts: Texts) -> Iterator[Texts]:
    """Yield ``texts`` with a half, then a quarter, at last one line of a file left out."""
    for name, text in texts.items():
        lines = text.splitlines(keepends=True)
        first = 1 if text.startswith("#!") else 0  # without it, it would not be a script
        size = max(1, len(lines) // 2)
        while lines:
            for at in range(first, len(lines), size):
                shorter = "".join(lines[:at] + lines[at + size :])
                if shorter:
                    yield {**texts, name: shorter}
            if size == 1:
                break
            size //= 2


def main() -> int:
    """Compare as many cases as were asked for; 1 where one differs without a reason."""
    parser = argparse.ArgumentParser(prog="scripts/differ", description="compare a real loader with ours")
    parser.add_argument("loader", choices=LOADERS, nargs="?", default="pxelinux")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="cases (100)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random numbers (the time)")
    parser.add_argument(
        "--reductions", type=int, default=40, metavar="N", help="boots to reduce a difference by (40)"
    )
    parser.add_argument("--rom", type=Path, help="option ROM of iPXE (QEMU's own)")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    loader = LOADERS[arguments.loader]()
    print(f"{arguments.loader}: {arguments.count} cases from seed {arguments.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="differ-") as directory:
        with RealLab(Path(directory), loader.boot_file, arguments.rom) as lab:
            differ = Differ(loader, lab, arguments.reductions)
            for number in range(arguments.count):
                counts[_compare(differ, Random(f"{arguments.seed} {number}"), number)] += 1
                if number % 25 == 24:
                    rate = (time.monotonic() - began) / (number + 1)
                    print(f"{number + 1} cases, {rate:.2f} s each: {dict(counts)}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    return 1 if counts["different"] else 0


def _compare(differ: Differ, random: Random, number: int) -> str:
    """Compare one case, and print it if it differs; return what to count it as."""
    texts = differ.loader.make(random)
    found = differ.difference(texts)
    if found is None:
        return "the same"
    why = differ.loader.explain(texts, *found)
    if why:
        return f"different on purpose ({why})"
    texts = differ.reduce(texts)
    found = differ.difference(texts) or found
    print(f"case {number}\n{report(raw_case(differ.loader, texts, f'differ-{number}'), *found)}", flush=True)
    return "different"


if __name__ == "__main__":
    sys.exit(main())
