"""The project's own modules as the tests of its rules see them, each parsed when somebody looks at it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.support.ground import tools

PACKAGE = tools.ROOT / "pypxeboot"


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


class _Modules(Mapping[str, ast.Module]):
    """By the name below ``pypxeboot``; a package by its own, the top by ""."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(PACKAGE.rglob("*.py")):
            name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            self._paths["" if name == "__init__" else name.removesuffix(".__init__")] = path

    def __getitem__(self, name: str) -> ast.Module:
        return _parsed(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


MODULES = _Modules()
PACKAGES = {".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("__init__.py")}
