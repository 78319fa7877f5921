"""Dataclasses of ours are what those of the standard library are."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any, ClassVar

import pytest

import pypxeboot.dataclass as ours
from pypxeboot.url import Location


def pair(**options: Any) -> list[Any]:
    """The same class with a subclass, as ours and as the standard one."""
    found = []
    for decorator in (ours.dataclass, dataclasses.dataclass):
        field: Any = ours.field if decorator is ours.dataclass else dataclasses.field

        @decorator(**options)
        class Point:
            x: int
            y: int = 2
            names: list[str] = field(default_factory=list, compare=False)
            hidden: int = field(default=5, repr=False)
            kind: ClassVar[str] = "point"

        @decorator(**options)
        class Solid(Point):
            z: int = 3

        Point.__qualname__, Solid.__qualname__ = "Point", "Solid"
        found.append((Point, Solid))
    return found


@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"frozen": True, "eq": False, "repr": False}])
def test_they_are_what_the_standard_ones_are(options: dict[str, Any]) -> None:
    seen = []
    for point, solid in pair(**options):
        one, other = point(1), point(1, 2, ["a"])
        deep = replace(solid(1, z=7), y=5)
        facts = [one == other, one == solid(1), deep.x, deep.y, deep.z, deep.names, vars(copy.copy(deep))]
        facts += [[f.name for f in fields(kind)] for kind in (solid, point, deep)]
        facts += [fields(solid)[1].default, point.y, solid.z, hasattr(point, "names"), point.hidden]
        facts += [one != other, one == 1, deep == replace(deep)]
        facts += [unpickled(deep).z, unpickled(deep) == deep]
        facts += [dataclasses.is_dataclass(solid), dataclasses.astuple(deep), one.names is other.names]
        if options.get("repr", True):
            facts += [repr(one), repr(deep)]
        if options.get("frozen") and options.get("eq", True):
            facts.append([hash(one) == hash(other), hash(deep) == hash(replace(deep))])
        facts.append(point.__hash__ is None)
        seen.append(facts)
    assert seen[0] == seen[1]


def test_errors_are_those_of_the_standard_ones() -> None:
    for point, _ in pair(frozen=True):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            point()
        with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
            point(1, q=2)
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
            point(1).x = 3
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
            del point(1).x


@pytest.mark.parametrize("options", [{}, {"frozen": True}])
def test_what_follows_its_making(options: dict[str, Any]) -> None:
    for decorator in (ours.dataclass, dataclasses.dataclass):

        @decorator(**options)
        class Told:
            names: list[str]

            def __post_init__(self) -> None:
                self.names.append("made")

        told: Any = Told
        assert told(["a"]).names == ["a", "made"]


def test_a_class_below_one_that_was_never_used() -> None:
    for point, solid in pair():

        class Plain(solid):  # type: ignore[misc, valid-type]
            pass

        assert Plain(1).z == 3 and [f.name for f in fields(Plain)] == ["x", "y", "names", "hidden", "z"]
        assert isinstance(Plain(1), point)


def test_what_a_class_writes_itself_stays() -> None:
    decorators: list[Any] = [ours.dataclass, dataclasses.dataclass]
    for decorator in decorators:

        @decorator(frozen=True)
        class Own:
            x: int

            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return 7

            def __repr__(self) -> str:
                return "own"

            def __post_init__(self) -> None:
                object.__setattr__(self, "x", self.x + 1)

        made: Any = Own
        assert (made(1) == 5, hash(made(1)), repr(made(1)), made(1).x) == (True, 7, "own", 2)


def test_the_words_of_ours_are_those_of_the_standard_ones() -> None:
    (point, solid), (standard, _) = pair(frozen=True)
    assert ours.replace(solid(1), y=4) == replace(solid(1), y=4) == solid(1, 4)
    assert ours.field_names(solid) == ("x", "y", "names", "hidden", "z")
    assert ours.is_dataclass(point) and ours.is_dataclass(point(1)) and not ours.is_dataclass(standard)
    with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
        ours.replace(point(1), q=2)


def unpickled(made: Any) -> Any:
    """The object from its attributes, as unpickling makes it: by no ``__init__``."""
    other = object.__new__(type(made))
    vars(other).update(vars(made))
    return other


def test_many_threads_make_the_first_object_at_once() -> None:
    for _ in range(50):
        (_, solid), _ = pair(frozen=True)
        start, made = threading.Barrier(8), list[Any]()

        def make(solid: Any = solid, start: Any = start, made: Any = made) -> None:
            start.wait()
            made.append(solid(1, z=4))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [solid(1, z=4)] * 8


def test_one_that_another_process_pickled_is_whole() -> None:
    program = """if True:
        import pickle, sys
        first, second = [pickle.loads(sys.stdin.buffer.read(int(size))) for size in sys.argv[1:]]
        assert first == second and repr(first).startswith("Location(") and hash(first) == hash(second)
        try:
            first.port = 3
        except AttributeError as error:
            print(error)
    """
    data = pickle.dumps(Location("http", "h", "p"))
    argv = [sys.executable, "-c", program, str(len(data)), str(len(data))]
    done = subprocess.run(argv, input=2 * data, capture_output=True, check=True)
    assert done.stdout == b"cannot assign to field 'port'\n"


def test_importing_a_boot_makes_none() -> None:
    """Neither side: but for the settings, whose defaults are an object."""
    program = """if True:
        import logging, sys
        brought = set(sys.modules)  # from Python 3.14 on, logging brings dataclasses
        from pypxeboot.host import spawn
        from pypxeboot.commands import boot
        from pypxeboot.client import main, pipeline
        own = set(sys.modules) - brought
        assert not {"dataclasses", "inspect", "subprocess", "shutil", "uuid"} & own
        ours = [vars(module) for name, module in sys.modules.items() if name.startswith("pypxeboot.")]
        kinds = {kind for names in ours for kind in names.values() if isinstance(kind, type)}
        made = {kind: vars(kind)["__init__"] for kind in kinds if "__pypxeboot_fields__" in vars(kind)}
        assert len(made) > 30
        print(*{kind.__name__ for kind, init in made.items() if init.__code__.co_filename == "<string>"})
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"BootSettings", "OutputFormat", "Retry"}
