"""The filter of system calls, each call tried with arguments that fail otherwise where it is not blocked."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import threading
from typing import Any, Callable

import pytest

from pypxeboot.privsep import seccomp

try:
    FILTER = seccomp.Filter()
except OSError:
    pytest.skip("libseccomp is not installed", allow_module_level=True)

LIBC = ctypes.CDLL(None, use_errno=True)
CALLS = [name for name in seccomp.BLOCKED if FILTER.number(name) >= 0]
ACTS = {"fork", "vfork", "vhangup", "personality", "sched_setattr", "sync"}
"""Calls that have no arguments to be wrong, and would be done."""


@pytest.fixture(autouse=True, params=["made", "compiled before"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the process that it is for makes the filter, or the one that forks it."""
    if request.param == "made":
        return
    compiled = seccomp.Filter()
    compiled.compile()
    monkeypatch.setattr(seccomp, "Filter", lambda: compiled)


def attempt(number: int, *arguments: int) -> str:
    """The name of the error that a system call ends with; ``done`` if it has none."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) for word in arguments or (-1,) * 6]
    done = LIBC.syscall(ctypes.c_long(number), *words)
    return "done" if done >= 0 else errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def filtered(ask: Callable[[], Any], *, install: bool = True) -> Any:
    """What ``ask`` returns in a process of its own, behind the filter."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            LIBC.prctl(38, 1, 0, 0, 0)  # no_new_privs
            if install:
                seccomp.Filter().install()
            os.write(writer, json.dumps(ask()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    return json.loads(data)


def test_every_call_that_is_blocked() -> None:
    found = filtered(lambda: {name: attempt(FILTER.number(name)) for name in CALLS})
    assert len(found) > 70 and {name: said for name, said in found.items() if said != "EPERM"} == {}


def test_without_the_filter_they_fail_otherwise() -> None:
    """Else the test above would pass without a filter, too."""
    if os.geteuid() != 0:
        pytest.skip("only root is refused nothing")
    names = [name for name in CALLS if name not in ACTS]
    found = filtered(lambda: {name: attempt(FILTER.number(name)) for name in names}, install=False)
    assert [name for name, said in found.items() if said == "EPERM"] == []


@pytest.mark.parametrize("name", ["prlimit64", "sched_setaffinity", "sched_setparam"])
def test_other_processes_are_left_alone(name: str) -> None:
    number = FILTER.number(name)
    own, other = filtered(lambda: [attempt(number, 0, -1, -1, -1), attempt(number, 1, -1, -1, -1)])
    assert own != "EPERM" and other == "EPERM"


@pytest.mark.parametrize("flag", [1 << bit for bit in (7, 17, 25, 26, 27, 28, 29, 30)])
def test_namespaces(flag: int) -> None:
    """With CLONE_THREAD, as a thread has it, and CLONE_SIGHAND without CLONE_VM, which is EINVAL."""
    number = FILTER.number("clone")
    assert filtered(lambda: attempt(number, 0x10000 | 0x800 | flag, 0, 0, 0, 0)) == "EPERM"
    assert filtered(lambda: attempt(number, 0x10000 | 0x800, 0, 0, 0, 0)) == "EINVAL"


def test_processes_and_threads() -> None:
    def ask() -> list[str]:
        told: list[str] = []
        thread = threading.Thread(target=lambda: told.append("a thread"))
        thread.start()
        thread.join()
        return [*told, attempt(FILTER.number("clone"), 17, 0, 0, 0, 0), attempt(FILTER.number("clone3"))]

    assert filtered(ask) == ["a thread", "EPERM", "ENOSYS"]


def test_families_of_sockets() -> None:
    number, high = FILTER.number("socket"), 1 << 32

    def ask() -> dict[str, str]:
        return {str(family): attempt(number, family, 0xFF, 0) for family in (*range(50), high + 1, high + 2)}

    allowed = [int(family) for family, said in filtered(ask).items() if said != "EPERM"]
    assert allowed == [socket.AF_INET, socket.AF_INET6]
    protocols = (socket.IPPROTO_SCTP, 33, 136, 262)
    asked = filtered(lambda: [attempt(number, socket.AF_INET, 1, protocol) for protocol in protocols])
    assert set(asked) == {"EPERM"}


def test_typing_into_a_terminal() -> None:
    """The kernel looks at 32 bits of the request, so a filter that compares 64 would be passed by."""
    number, high = FILTER.number("ioctl"), 1 << 32
    requests = (0x5412, high | 0x5412, 0x541C, 0x5401)
    assert filtered(lambda: [attempt(number, -1, request, 0) for request in requests]) == [
        "EPERM",
        "EPERM",
        "EPERM",
        "EBADF",
    ]


def test_calls_of_kernels_to_come() -> None:
    assert filtered(lambda: [attempt(number) for number in (467, 480, 499)]) == ["ENOSYS"] * 3
