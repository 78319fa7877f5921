"""The sandbox of the client process: what is refused after it has been locked up, tried for real."""

from __future__ import annotations

import ast
import contextlib
import ctypes
import errno
import fcntl
import importlib
import importlib.util
import os
import pty
import resource
import signal
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from pypxeboot.privsep import sandbox
from tests.support.ground import BRIDGE, MAC, SERVER, Site, servers, tools, wait_until
from tests.support.ground.net import command
from tests.support.ground.simple import serve, tree
from tests.support.locked_up import FILE_SIZE, GID, UID, check, errors, libc, locked_up


@pytest.fixture(params=["made", "prepared"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Whether a sandbox is made for the process alone, or prepared for many that are forked."""
    if request.param == "prepared":
        sandbox.prepare([])
        assert len(sandbox.prepared_files()) == 1
    yield request.param
    for descriptor in sandbox.prepared_files():
        os.close(descriptor)
    sandbox._prepared = None


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "shadow": (lambda: Path("/etc/shadow").read_bytes(), "ENOENT"),
    "passwd": (lambda: Path("/etc/passwd").read_bytes(), "ENOENT"),
    "list-root": (lambda: os.listdir("/"), "EACCES"),  # noqa: PTH208
    "root-home": (lambda: os.listdir("/root"), "EACCES"),  # noqa: PTH208
    "proc": (lambda: Path("/proc/self/status").read_bytes(), "ENOENT"),
    "proc-of-parent": (lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(), "ENOENT"),
    "tmp-file": (lambda: Path(f"/tmp/pypxeboot-test-{os.getpid()}").write_bytes(b""), "ENOENT"),
    "tmp-directory": (lambda: Path(f"/tmp/pypxeboot-test-{os.getpid()}").mkdir(), "ENOENT"),
    "device": (lambda: os.open("/dev/null", os.O_RDWR), "ENOENT"),
    "write-a-library": (lambda: os.open(os.__file__, os.O_WRONLY), "EACCES"),
    "run-a-program": (lambda: os.execv("/bin/true", ["true"]), "EPERM"),
    "run-python": (lambda: os.execv(sys.executable, [sys.executable, "-c", ""]), "EPERM"),
    "fork": (os.fork, "EPERM"),
    "thread": (lambda: threading.Thread(target=int).start(), "RuntimeError"),
    "become-root": (lambda: os.setuid(0), "EPERM"),
    "become-another": (lambda: os.setresuid(1, 1, 1), "EPERM"),
    "groups": (lambda: os.setgroups([0]), "EPERM"),
    "packet-socket": (lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW), "EPERM"),
    "raw-socket": (lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), "EPERM"),
    "namespace": (sandbox.new_network, "EPERM"),
    "chroot": (lambda: os.chroot("/"), "EPERM"),
    "signal-to-parent": (lambda: os.kill(os.getppid(), signal.SIGTERM), "EPERM"),
    "raise-a-limit": (lambda: resource.setrlimit(resource.RLIMIT_NPROC, (10, 10)), "ValueError"),
    "memory": (lambda: len(bytearray(1 << 30)), "MemoryError"),
    "host-name": (lambda: socket.sethostname("owned"), "EPERM"),
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    attempt, expected = REFUSED[case]
    assert locked_up(attempt) == expected


def test_a_user_namespace_is_no_way_round() -> None:
    """Where the kernel lets anybody make one: its capabilities count for nothing that was there before."""

    def attempt() -> tuple[str, ...]:
        with contextlib.suppress(OSError):
            check(libc().unshare(0x10000000))
        cases = ("packet-socket", "raw-socket", "shadow", "tmp-file", "fork", "run-a-program")
        return tuple(case for case in cases if errors(REFUSED[case][0]).startswith("done"))

    assert locked_up(attempt) == "done: ()"


def test_nothing_of_that_is_refused_before() -> None:
    """What the table above tries does work for root: a typing error in it would pass for safety."""
    for case in ("shadow", "passwd", "list-root", "proc", "packet-socket", "raw-socket"):
        assert errors(REFUSED[case][0]).startswith("done"), case


ALLOWED: dict[str, Callable[[], Any]] = {
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "time": time.time,
    "random": lambda: len(os.urandom(16)),
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case: str) -> None:
    assert locked_up(ALLOWED[case]).startswith("done")


def test_what_was_prepared_is_for_its_own_files(tmp_path: Path, way: str) -> None:
    """A process that may read other files has a sandbox of its own."""
    file = tmp_path / "file"
    file.write_text("x")
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o111)
    assert locked_up(lambda: file.read_text(), readable=[str(file)]) == "done: 'x'"
    assert locked_up(lambda: file.read_text()) == "ENOENT"


def may_read_python() -> bool:
    return sandbox.may_read(UID, GID, sandbox.python_folders())


def test_imports_on_first_use_still_work() -> None:
    """Where Python's folders may be read by anybody; else what is needed was imported before."""
    name = "sndhdr" if sys.version_info < (3, 13) else "colorsys"
    name = "this" if name in sys.modules else name
    assert name not in sys.modules

    def attempt() -> str:
        return str(importlib.import_module(name).__name__)

    with contextlib.redirect_stdout(None):
        expected = f"done: {name!r}" if may_read_python() else "ModuleNotFoundError"
        # In the mount namespace its folders can be reached, whatever is above them.
        assert locked_up(attempt) in (expected, f"done: {name!r}")


FIRST_USE = (
    *("requests", "charset_normalizer", "dns.resolver", "tftpy", "ssl", "bz2", "lzma", "lz4.block"),
    *("zstandard", "lupa.lua52", "passlib.handlers.sha2_crypt", "cryptography.x509", "asn1crypto.cms"),
)


@pytest.mark.parametrize("name", FIRST_USE)
def test_packages_that_a_boot_imports_late(name: str) -> None:
    """Extension modules, and all that they are linked with, in a process that has none of it yet."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        tools.missing(name)
    code = (
        "import os; from pypxeboot.privsep import sandbox\n"
        f"sandbox.lock_up({UID}, {GID}, parent=os.getppid(), file_size=1,"
        " readable=[*sandbox.certificate_files(), *sandbox.shared_libraries()])\n"
        f"import {name}\n"
    )
    env = tools.ENVIRONMENT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("reachable", [True, False])
def test_modules_that_cannot_be_imported_later_are_imported_first(tmp_path: Path, reachable: bool) -> None:
    """Python below a directory that only root enters, as root's home is."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "wanted_later.py").write_text("VALUE = 7\n")
    for parent in (tmp_path, *tmp_path.parents):
        if reachable and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    home.chmod(0o755 if reachable else 0o700)
    code = (
        "import os, sys; from pypxeboot.privsep import sandbox\n"
        f"sys.path.insert(0, {str(home)!r}); sys.prefix = {str(tmp_path)!r}\n"
        "prepare = lambda: __import__('wanted_later')\n"
        f"sandbox.lock_up({UID}, {GID}, parent=os.getppid(), file_size=1, prepare=prepare)\n"
        "early = 'wanted_later' in sys.modules\n"
        "import wanted_later; print(early, wanted_later.VALUE)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**tools.ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stdout.split()[-1:] == ["7"], done
    if not reachable:
        assert done.stdout.split() == ["True", "7"]


def test_files_that_are_named_can_be_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"certificate")
    path.chmod(0o666)
    for parent in list(tmp_path.parents)[:3]:
        if not parent.stat().st_mode & stat.S_IXOTH:
            pytest.skip("nobody gets into the directory of this test")
    tmp_path.chmod(0o755)
    assert locked_up(path.read_bytes, readable=[str(path)]) == "done: b'certificate'"
    assert locked_up(lambda: path.write_bytes(b""), readable=[str(path)]) == "EROFS"
    assert locked_up(path.read_bytes) == "ENOENT"


def test_write_past_the_limit_fails_and_kills_nobody(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        number = file.fileno()
        assert locked_up(lambda: os.write(number, bytes(FILE_SIZE)) + os.write(number, b"x")) == "EFBIG"
    assert (tmp_path / "out").stat().st_size == FILE_SIZE


@pytest.mark.usefixtures("way")
def test_state_as_the_kernel_sees_it() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        sandbox.lock_up(UID, GID, parent=os.getppid(), file_size=FILE_SIZE)
        os.write(writer, b"1")
        time.sleep(30)
        os._exit(0)
    try:
        os.read(reader, 1)
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        assert fields["NoNewPrivs"].strip() == "1"
        assert fields["Uid"].split() == [str(UID)] * 4 and fields["Gid"].split() == [str(GID)] * 4
        assert fields["Groups"].split() == []
        assert {fields[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        found = Path(f"/proc/{pid}/limits").read_text()
        for line in ("Max core file size        0                    0", "Max locked memory         0"):
            assert line in found
        # Not dumpable: files below /proc/PID are root's, and another process of that uid cannot attach.
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_another_uid_or_none() -> None:
    """From an account that is not root there is nothing to change to."""

    def attempt() -> Any:
        return sandbox.lock_up(1, 1, parent=os.getppid(), file_size=1)

    assert "not root" in locked_up(attempt)


@pytest.mark.parametrize(
    "name", ["0", "root", "nosuchuser", "", "-1", "4294967295", "99999999999", "²", "1.5"]
)
def test_users_that_the_client_must_not_be(name: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        sandbox.user_ids(name)


def test_users() -> None:
    assert sandbox.user_ids("65534") == (65534, 65534) and sandbox.user_ids("nobody")[0] == 65534
    assert sandbox.user_ids("1234567") == (1234567, 1234567), "a uid of a range, as Xen has them"
    uid, gid = sandbox.user_ids(None)
    assert uid and gid


@pytest.mark.parametrize("landlock", [True, False])
def test_a_uid_that_changes_nothing_is_noticed(landlock: bool) -> None:
    """(uid_t) -1 means "leave as it is" to setresuid(2): the process would go on as root."""
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.has_landlock = lambda: landlock  # type: ignore[assignment]
            sandbox.lock_up(0xFFFFFFFF, 0xFFFFFFFF, parent=os.getppid(), file_size=1)
            os._exit(7 if os.getuid() == 0 else 0)
        except (OSError, ValueError, OverflowError):
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_chroot_stands_in_for_landlock() -> None:
    """Nothing is there any more, by any name, and the empty directory itself is gone."""

    def attempt() -> tuple[str, ...]:
        places = ("/", "/etc/shadow", "/proc", "..", "/../../etc/passwd", os.__file__)
        return tuple(errors(lambda place=place: os.listdir(place)) for place in places)  # noqa: PTH208

    def refuse(_readable: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    before = set(Path("/run").iterdir())
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        sandbox.has_landlock = lambda: False  # type: ignore[assignment]
        sandbox.mounts.leave_nothing_but = refuse  # type: ignore[assignment]
        missing = sandbox.lock_up(UID, GID, parent=os.getppid(), file_size=FILE_SIZE).missing
        os.write(writer, repr((missing, attempt(), errors(lambda: os.open("x", os.O_CREAT)))).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    missing, found, created = ast.literal_eval(os.read(reader, 65536).decode())
    assert [layer.partition(":")[0] for layer in missing] == ["mount namespace", "Landlock"]
    assert {*found, created} == {"EACCES"}
    assert set(Path("/run").iterdir()) <= before


@contextlib.contextmanager
def slow_boot(site: Site, **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A boot in the midst of a download: the process of the host side, and the pid of the client."""
    config = f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD http://{SERVER}/big\n"
    root = serve(site, files={**tree(config), "big": bytes(1 << 20)})
    servers.nginx(site, root, "limit_rate 16k;")
    (site.directory / "result").touch()
    argv = [
        "ip",
        "netns",
        "exec",
        site.hyp,
        sys.executable,
        "-m",
        "pypxeboot",
        "--mac",
        MAC,
        "--bridge",
        BRIDGE,
    ]
    argv += ["--output-directory", str(site.out), "--output", str(site.directory / "result")]
    process = subprocess.Popen(
        [*argv, "--pcap", str(site.directory / "pcap")],
        stderr=subprocess.DEVNULL,
        cwd=site.directory,
        env={**tools.ENVIRONMENT, "PYPXEBOOT_TEST_RUN": site.hyp},
        **{"stdin": subprocess.DEVNULL, **options},
    )

    def client() -> int:
        busy = "10.77.0.173:" in command(
            "ip", "netns", "exec", site.srv, "ss", "-Htn", "state", "established"
        )
        tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        threads = [int(pid) for pid in tasks if len(list(Path(f"/proc/{pid}/task").iterdir())) > 1]
        return threads[0] if busy and threads else 0

    try:
        yield process, wait_until(client, 30, "download")
    finally:
        process.terminate()
        process.wait(10)


def test_the_client_of_a_real_boot(site: Site) -> None:
    with slow_boot(site) as (process, pid):
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split()
        assert fields["NoNewPrivs"].strip() == "1" and fields["CapEff"].strip("\t 0") == ""
        own, host = (Path(f"/proc/{which}/ns/net").readlink() for which in (pid, process.pid))
        assert own != host
        open_there = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        files = {number: name for number, name in open_there.items() if number > 2}
        assert not [name for name in files.values() if "result" in name or "pcap" in name or ".pyc" in name]
        outputs = [
            name for name in files.values() if not name.startswith(("socket:", "anon_inode:", "pipe:"))
        ]
        # The boot file, the kernel and the ramdisk.
        assert len(outputs) == 3 and all(name.startswith(str(site.out)) for name in outputs), outputs
        # To the host side, for frames of DHCP and of DHCPv6, for PXE servers, and two for each download.
        assert len([name for name in files.values() if name.startswith("socket:")]) <= 8
        assert str(site.directory / "result") not in open_there.values()
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert "urllib3" not in mapped, "the host side has nothing to do with what comes from the network"
    site.assert_nothing_left(within=2)


def test_the_client_cannot_type_into_the_terminal(site: Site) -> None:
    """TIOCSTI puts characters into the input of the controlling terminal, for root's shell to read."""
    ours, theirs = pty.openpty()

    def control() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    with slow_boot(site, stdin=theirs, preexec_fn=control) as (process, pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        session, terminal = int(fields[3]), int(fields[4])
        host = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert int(host[4]) != 0, "the host side has the terminal"
        assert terminal == 0 and session != process.pid
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("refused", ["scopes", "rights of version 5", "all but version 1"])
def test_a_landlock_that_takes_less_than_its_version_promises(refused: str) -> None:
    """Kernels of RHEL 9.7 say EINVAL to flags that their number stands for."""

    class Grudging:
        """The C library, before a kernel that takes fewer flags."""

        def __init__(self, library: Any) -> None:
            self.library = library

        def __getattr__(self, name: str) -> Any:
            return getattr(self.library, name)

        def syscall(self, number: int, *arguments: Any) -> int:
            if number == sandbox._LANDLOCK_CREATE_RULESET and arguments[0] is not None:
                rights = int.from_bytes(arguments[0][:8], sys.byteorder)
                most = {"scopes": 1 << 16, "rights of version 5": 1 << 15, "all but version 1": 1 << 13}[
                    refused
                ]
                if len(arguments[0]) > 8 or rights >= most:
                    ctypes.set_errno(errno.EINVAL)
                    return -1
            return int(self.library.syscall(number, *arguments))

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        sandbox._LIBC = Grudging(sandbox._LIBC)  # type: ignore[assignment]
        layers = sandbox.lock_up(UID, GID, parent=os.getppid(), file_size=FILE_SIZE)
        told = (layers.in_force, layers.missing, errors(lambda: Path("/").iterdir().__next__()))
        os.write(writer, repr(told).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    in_force, missing, listed = ast.literal_eval(os.read(reader, 65536).decode())
    assert "Landlock" in in_force and listed == "EACCES"
    assert len(missing) == 1 and missing[0].startswith("Landlock beyond version ")


def test_what_forks_boots_has_done_beforehand() -> None:
    program = """if True:
        from pypxeboot import schema
        from pypxeboot.host import spawn
        spawn.prepare()
        from pypxeboot.privsep import messages, sandbox
        known = schema._reader.cache_info().misses
        schema.unpack(messages.Placed, schema.pack(messages.Placed("a", "b", "c")))
        print(len(sandbox.prepared_files()), schema._reader.cache_info().misses - known)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "1 0\n", done
