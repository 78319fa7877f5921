"""Dataclasses of ours are those of the standard library, made later."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import pytest

import pypxeboot.dataclass as ours
from pypxeboot.url import Location


def pair(**options: Any) -> list[Any]:
    """The same class with a subclass, as ours and as the standard one."""
    found = []
    for decorator in (ours.dataclass, dataclasses.dataclass):

        @decorator(**options)
        class Point:
            x: int
            y: int = 2
            names: list[str] = field(default_factory=list, compare=False)

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
        facts += [dataclasses.is_dataclass(solid), dataclasses.astuple(deep), one.names is other.names]
        if options.get("repr", True):
            facts += [repr(one), repr(deep)]
        if options.get("frozen") and options.get("eq", True):
            facts.append(hash(one) == hash(other))
        seen.append(facts)
    assert seen[0] == seen[1]


def test_errors_are_those_of_the_standard_ones() -> None:
    for point, _ in pair(frozen=True):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            point()
        with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
            point(1, q=2)
        with pytest.raises(FrozenInstanceError):
            point(1).x = 3


@pytest.mark.parametrize("options", [{}, {"frozen": True}])
def test_what_follows_its_making(options: dict[str, Any]) -> None:
    for decorator in (ours.dataclass, dataclasses.dataclass):

        @decorator(**options)
        class Told:
            names: list[str]

            def __post_init__(self) -> None:
                self.names.append("made")

        assert Told(["a"]).names == ["a", "made"]


def test_a_class_below_one_that_was_never_used() -> None:
    for point, solid in pair():

        class Plain(solid):  # type: ignore[misc, valid-type]
            pass

        assert Plain(1).z == 3 and [f.name for f in fields(Plain)] == ["x", "y", "names", "z"]
        assert isinstance(Plain(1), point)


def test_many_threads_make_the_first_object_at_once() -> None:
    for _ in range(50):
        (_, solid), _ = pair(frozen=True)
        start, made = threading.Barrier(8), []

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
        import sys
        from pypxeboot.host import spawn
        from pypxeboot.commands import boot
        from pypxeboot.client import main, pipeline
        ours = [vars(module) for name, module in sys.modules.items() if name.startswith("pypxeboot.")]
        kinds = {kind for names in ours for kind in names.values() if isinstance(kind, type)}
        print(*{kind.__name__ for kind in kinds if "__dataclass_params__" in vars(kind)})
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"BootSettings", "OutputFormat", "Retry"}
