"""Names and messages that a stranger can read: one thing a name, plain words in messages."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Union

import pytest

from tests.support.modules import MODULES

RIDDLES = re.compile(r"(The same|Likewise|And|Nor|So|It|They|He|In vain|Nobody|Or|But|Also)\b")
"""What a docstring begins with that needs the line before it."""


def definitions(tree: ast.AST) -> Iterator[Union[ast.ClassDef, ast.FunctionDef]]:
    """Every class and function in ``tree``, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node


def test_a_class_name_stands_for_one_thing() -> None:
    places = defaultdict(list)
    for name, tree in MODULES.items():
        for node in definitions(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", MODULES)
def test_a_docstring_stands_alone(name: str) -> None:
    found = []
    for node in definitions(MODULES[name]):
        text = ast.get_docstring(node)
        if text and RIDDLES.match(text):
            found.append(f"{node.name}: {text.splitlines()[0]}")
    assert found == []


@pytest.mark.parametrize("name", MODULES)
def test_no_module_uses_the_private_names_of_another(name: str) -> None:
    taken = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pypxeboot")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert taken == []
