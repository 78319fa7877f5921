"""Fuzz one target with atheris (libFuzzer), which stands in an environment of its own: see ``scripts/fuzz``.

    python -m tests.support.fuzz TARGET CORPUS [OPTION OF LIBFUZZER ...]

Inputs that lead somewhere new are kept in the folder CORPUS. Without arguments the targets are listed.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Fuzz until libFuzzer has had enough, or there is a finding."""
    if len(sys.argv) < 3:
        from tests.support.fuzz.targets import TARGETS

        print(*TARGETS, sep="\n")
        return
    import atheris

    with atheris.instrument_imports(include=["pypxeboot"]):
        from tests.support.fuzz.targets import SEEDS, TARGETS

    name, corpus = sys.argv[1:3]
    Path(corpus).mkdir(parents=True, exist_ok=True)
    options = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1", *sys.argv[3:]]
    atheris.Setup([sys.argv[0], *options, corpus, str(SEEDS / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
