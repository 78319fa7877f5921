"""Output files: nothing has a name before the boot has succeeded, and nothing stays of one that has not."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from pypxeboot.errors import HandoverError
from pypxeboot.host import output_files
from pypxeboot.host.output_files import OutputFile, Report, Store
from tests.support.ground import tools

NAME = re.compile(r"(kernel|ramdisk)\.[0-9a-f]{8}")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With O_TMPFILE, and as on a file system that has none."""
    if request.param == "named":
        real = os.open

        def without(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return real(path, flags, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", without)
    return str(request.param)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run directory, elsewhere."""
    monkeypatch.setattr(output_files, "RUN_DIRECTORY", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_publish(tmp_path: Path, way: str, no_umask: None) -> None:
    with Store(tmp_path) as opened:
        file = opened.open("kernel")
        os.write(file.descriptor, b"content")
        assert len(names(tmp_path)) == (0 if way == "unnamed" else 1), "no name before the end"
        path = file.publish()
        assert path.parent == tmp_path and NAME.fullmatch(path.name)
        opened.keep()
    assert path.read_bytes() == b"content"
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_nlink == 1 and status.st_uid == os.geteuid()


def test_names_are_fresh(tmp_path: Path, way: str) -> None:
    with Store(tmp_path) as opened:
        paths = {opened.open("kernel").publish() for _ in range(20)}
        assert len(paths) == 20


def test_name_that_is_taken(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that somebody put there is not followed, a file not overwritten."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "kernel.00000000").symlink_to(target)
    monkeypatch.setattr(output_files.os, "urandom", bytes)
    with pytest.raises(HandoverError), Store(tmp_path) as opened:
        opened.open("kernel").publish()
    assert target.read_bytes() == b"precious" and names(tmp_path) == ["kernel.00000000", "target"]


def test_nothing_stays_of_a_failure(tmp_path: Path, way: str) -> None:
    with pytest.raises(RuntimeError), Store(tmp_path) as opened:
        opened.open("kernel").publish()
        opened.open("ramdisk")
        raise RuntimeError
    assert names(tmp_path) == []


def test_descriptors_are_closed(tmp_path: Path, way: str) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for keep in (True, False):
        with Store(tmp_path) as opened:
            for kind in ("kernel", "ramdisk"):
                opened.open(kind).publish()
            if keep:
                opened.keep()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_drop(tmp_path: Path, way: str) -> None:
    with Store(tmp_path) as opened:
        first, second = opened.open("kernel"), opened.open("kernel")
        opened.drop(first)
        path = second.publish()
        opened.keep()
    assert names(tmp_path) == [path.name]


def test_files_that_were_never_published_do_not_stay(tmp_path: Path, way: str) -> None:
    """The files of an entry that failed, where another that needs none (the local disk) was taken then."""
    with Store(tmp_path) as opened:
        opened.open("kernel")
        opened.keep()
    assert names(tmp_path) == []


def test_private_directory(private: Path, no_umask: None) -> None:
    with Store(None) as opened:
        path = opened.open("kernel").publish()
        opened.keep()
    assert path.parent.parent == private and path.exists()
    assert [stat.S_IMODE(place.stat().st_mode) for place in (private, path.parent)] == [0o755, 0o700]


def test_private_directory_goes_with_a_failure(private: Path, way: str) -> None:
    with pytest.raises(RuntimeError), Store(None) as opened:
        opened.open("kernel").publish()
        raise RuntimeError
    assert names(private) == []


def test_private_directory_is_made_only_when_needed(private: Path) -> None:
    with Store(None) as opened:
        opened.keep()
    assert not private.exists()


def test_private_directory_does_not_stay_empty(private: Path, way: str) -> None:
    """Whoever takes the result has no path below it, and so nobody would remove it."""
    with Store(None) as opened:
        opened.open("kernel")
        opened.keep()
    assert names(private) == []


def test_discard_twice_and_after_removal(tmp_path: Path, way: str) -> None:
    file = OutputFile(tmp_path, lambda: tmp_path, "kernel")
    file.publish().unlink()
    file.discard()
    file.discard()


def test_36_the_kind_is_the_only_part_of_the_name_that_is_given(tmp_path: Path) -> None:
    """No name of the network takes part: the ones that the host side allows are in this table."""
    from pypxeboot.host import received_files

    assert set(received_files.KINDS) == {"kernel", "unpacked-kernel", "ramdisk", "module", "dtb", "signature"}


def test_number_of_files_is_bounded(tmp_path: Path) -> None:
    with Store(tmp_path) as opened:
        for _ in range(Store.MAX_FILES):
            opened.open("module")
        with pytest.raises(HandoverError):
            opened.open("module")


def test_39_directory_as_libxl_makes_it(tmp_path: Path) -> None:
    """mkdir(dir, 0600): no x bit."""
    if os.geteuid() != 0:
        pytest.skip("only root gets into such a directory")
    directory = tmp_path / "bootloader.7.d"
    directory.mkdir(0o600)
    (directory / "stale").write_bytes(b"of an earlier domain")
    with Store(directory) as opened:
        path = opened.open("kernel").publish()
        opened.keep()
    assert path.exists() and (directory / "stale").exists()


@pytest.mark.parametrize("case", ["missing", "file", "link-to-nowhere", "below-a-file"])
def test_39_output_directory_that_is_none(tmp_path: Path, case: str) -> None:
    place = tmp_path / "place"
    if case == "file":
        place.touch()
    elif case == "link-to-nowhere":
        place.symlink_to(tmp_path / "nowhere")
    elif case == "below-a-file":
        place.touch()
        place = place / "inside"
    with pytest.raises(HandoverError) as caught, Store(place) as opened:
        opened.open("kernel")
    assert str(place) in caught.value.message and "\n" not in caught.value.message


def test_relative_directory_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store(Path("out")) as opened:
        assert opened.open("kernel").publish().is_absolute()


_KILLED = """
import os, sys, time
from pathlib import Path
from pypxeboot.host import output_files
from pypxeboot.host.output_files import Report, Store
output_files.RUN_DIRECTORY = Path(sys.argv[1])
report = Report(Path(sys.argv[1], "result"))
with Store(Path(sys.argv[1]) if sys.argv[2:] else None) as opened:
    os.write(opened.open("kernel").descriptor, b"x" * 100000)
    print("written", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("directory", [("given",), ()])
def test_39_kill_leaves_nothing(tmp_path: Path, directory: tuple[str, ...]) -> None:
    argv = [sys.executable, "-c", _KILLED, str(tmp_path), *directory]
    environment = tools.ENVIRONMENT
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert names(tmp_path) == []


def test_report_into_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"left by an earlier domain, and longer")
    path.chmod(0o640)
    report = Report(path)
    report.write(b"first version")
    report.write(b"second")
    report.close()
    assert path.read_bytes() == b"second" and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_39_report_into_a_new_file(tmp_path: Path, no_umask: None) -> None:
    path = tmp_path / "out"
    report = Report(path)
    report.write(b"result")
    report.close()
    assert path.read_bytes() == b"result" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_report_appears_when_it_is_written(tmp_path: Path) -> None:
    """Whatever ends the process before leaves nothing, and what another makes meanwhile is not replaced."""
    path = tmp_path / "out"
    report = Report(path)
    assert not path.exists()
    path.write_bytes(b"of somebody else")
    with pytest.raises(HandoverError, match="File exists"):
        report.write(b"result")
    report.discard()
    report.close()
    assert path.read_bytes() == b"of somebody else"


def test_discarded_report_is_as_it_was_found(tmp_path: Path) -> None:
    given, new = tmp_path / "given", tmp_path / "new"
    given.touch()
    for path in (given, new):
        report = Report(path)
        report.write(b"half a result")
        report.discard()
        report.close()
    assert given.read_bytes() == b"" and not new.exists()


def make_special(path: Path, case: str) -> None:
    if case == "link":
        (path.parent / "target").write_bytes(b"precious")
        path.symlink_to(path.parent / "target")
    elif case == "link-to-nowhere":
        path.symlink_to(path.parent / "target")
    elif case == "fifo":
        os.mkfifo(path)
    elif case == "directory":
        path.mkdir()
    elif case == "device":
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    elif case == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))


@pytest.mark.parametrize(
    "case", ["link", "link-to-nowhere", "fifo", "fifo-read", "directory", "device", "socket"]
)
def test_39_output_file_that_is_no_file(short_tmp: Path, case: str) -> None:
    if case == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    path = short_tmp / "out"
    make_special(path, case.partition("-read")[0])
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if case == "fifo-read" else -1
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(HandoverError) as caught:
        Report(path)
    assert str(path) in caught.value.message and caught.value.code == 9
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    if reader >= 0:
        os.close(reader)
    target = short_tmp / "target"
    assert target.read_bytes() == b"precious" if case == "link" else not target.exists()


def test_39_no_directory_for_the_output_file(tmp_path: Path) -> None:
    with pytest.raises(HandoverError):
        Report(tmp_path / "no" / "out")


def test_39_second_run_on_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    first = Report(path)
    first.write(b"of the first")
    with pytest.raises(HandoverError) as caught:
        Report(path)
    assert "another pypxeboot" in caught.value.message
    assert path.read_bytes() == b"of the first"
    first.close()
    again = Report(path)
    again.close()


def test_39_lock_is_seen_by_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "out"
    first = Report(path)
    code = "import sys, pathlib; from pypxeboot.host.output_files import Report\n"
    code += "Report(pathlib.Path(sys.argv[1]))"
    argv = [sys.executable, "-c", code, str(path)]
    environment = tools.ENVIRONMENT
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "another pypxeboot" in done.stderr
    first.close()
    assert subprocess.run(argv, env=environment).returncode == 0


def test_disk_full(tmp_path: Path) -> None:
    """The report of a boot that succeeded, and no room for it."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    code = (
        "from pathlib import Path; from pypxeboot.host.output_files import Report\n"
        "report = Report(Path('out')); report.write(b'x' * 200000)"
    )
    argv = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && cd "$0" && exec "$@"']
    argv += [str(tmp_path), sys.executable, "-c", code]
    environment = tools.ENVIRONMENT
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert "HandoverError: cannot write out: No space left on device" in done.stderr
