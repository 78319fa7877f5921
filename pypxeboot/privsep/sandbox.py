"""Lock a process up before it sees a byte of the network.

Layers, each of its own: another uid, namespaces with nothing in them, no_new_privs, resource limits,
Landlock, a filter of system calls. Standard library and ctypes only, since this runs at every start. What a
host lacks is named by :func:`lock_up`, and the other layers hold without it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import site
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.privsep import mounts, seccomp
from pypxeboot.privsep.libc import LIBC as _LIBC
from pypxeboot.privsep.libc import check

_CLONE_NEWNET = 0x40000000
_CLONE_NEWIPC = 0x08000000
_KEYCTL_JOIN_SESSION_KEYRING = 1
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4

# linux/landlock.h; the three system calls have the same numbers on every architecture but alpha.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_SCOPES = 1 | 2  # abstract UNIX sockets, and signals, of nobody outside (version 6)
# Rights that each ABI knows, from execute (bit 0) on: 13 in ABI 1, refer in 2, truncate in 3, ioctl_dev in 5.
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}

# pygrub allows its child 256 MiB; OpenSSL and a second thread's arenas want address space that is never
# touched.
ADDRESS_SPACE = 768 << 20
OPEN_FILES = 128
_NO_ID = 2**32 - 1  # setresuid(2): -1 leaves an id as it is


_QUIET_IPV6 = (
    ("default/addr_gen_mode", "1"),  # none
    ("default/accept_ra", "0"),
    ("default/autoconf", "0"),
    ("default/dad_transmits", "0"),
    ("default/disable_ipv6", "0"),
    ("all/disable_ipv6", "0"),
)


def new_network() -> None:
    """Move this process into a network namespace of its own. Raises OSError."""
    check(_LIBC.unshare(_CLONE_NEWNET))
    # The guest's own kernel will speak IPv6 later; until then, nothing goes out in its name but what is asked
    # for: no address of the kernel's own making, no solicitations, no heed to what routers advertise.
    for name, value in _QUIET_IPV6:
        with suppress(OSError):  # of a kernel without IPv6, or without that switch
            Path("/proc/sys/net/ipv6/conf", name).write_text(value)
    # Scripts may ping: here every group may have sockets for that (icmp(7)).
    with suppress(OSError):  # in a user namespace not all groups exist; pings fail then
        Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")


def enter_network(pid: int) -> None:
    """Move this process into the network namespace of process ``pid``. Raises OSError."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        check(_LIBC.setns(namespace, _CLONE_NEWNET))
    finally:
        os.close(namespace)


def _die_with(parent: int) -> None:
    """Have this process killed when process ``parent`` ends, or now if it has ended already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def python_folders() -> tuple[str, ...]:
    """List the folders that imports on first use read: standard library, installed packages, this one."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, site.getusersitepackages()}
    inside = [
        path
        for path in sys.path
        if path and any(Path(prefix) in Path(path).parents or path == prefix for prefix in prefixes)
    ]
    return (*inside, str(Path(__file__).parents[1]))


def certificate_files() -> tuple[str, ...]:
    """Where OpenSSL looks for its configuration and for certificate authorities."""
    import _ssl

    paths = [path for path in _ssl.get_default_verify_paths() if path.startswith("/")]
    return (
        *paths,
        "/etc/ssl/openssl.cnf",
        "/etc/pki",
        "/etc/crypto-policies",
        "/usr/share/ca-certificates",
    )


def shared_libraries() -> tuple[str, ...]:
    """Return what extension modules are linked with, and where the dynamic linker looks that up.

    Decompressors have their own; those that are built for older systems name the parts of libc that were
    libraries of their own before glibc 2.34.
    """
    triplet = getattr(sys.implementation, "_multiarch", "")  # Debian's folders
    folders = ("/usr/lib64", "/lib64", f"/usr/lib/{triplet}", f"/lib/{triplet}")
    codecs = ("libz.so.1", "libbz2.so.1.0", "libbz2.so.1", "liblzma.so.5", "libzstd.so.1", "liblz4.so.1")
    libc = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6")
    names = (*codecs, *libc, "libgcc_s.so.1", "libstdc++.so.6")
    return ("/etc/ld.so.cache", *(f"{folder}/{name}" for folder in folders for name in names))


def has_landlock() -> bool:
    """Whether this kernel has Landlock."""
    return bool(_LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION) >= 1)


def may_read(uid: int, gid: int, paths: Iterable[str]) -> bool:
    """Whether ``uid`` can reach all of ``paths`` that exist."""
    if os.geteuid() != 0:
        return True
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) or _is_absent(path) for path in paths)
    finally:
        os.seteuid(0)
        os.setegid(0)


def _is_absent(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


@dataclass(frozen=True)
class Layers:
    """The layers of a sandbox: those in force, and those that this host lacks, each with the reason."""

    in_force: tuple[str, ...]
    missing: tuple[str, ...]


class _Prepared:
    """What is done once of the sandbox of many processes that may read ``readable`` alone."""

    def __init__(self, readable: Sequence[str]) -> None:
        self.readable = list(readable)
        self.call_filter = seccomp.Filter()
        self.call_filter.compile()
        self.namespace = mounts.namespace_with_nothing_but(readable)


_prepared: Optional[_Prepared] = None


def prepare(readable: Iterable[str]) -> None:
    """Do now what :func:`lock_up` with that ``readable`` needs, in a process that forks many that call it.

    It is to have imported all that these may need. Only root's can be prepared.
    """
    global _prepared
    with suppress(OSError):
        _prepared = _Prepared([*python_folders(), *readable])


def prepared_files() -> tuple[int, ...]:
    """Return the descriptors that a process needs for what was prepared."""
    return () if _prepared is None or _prepared.namespace is None else (_prepared.namespace,)


class _Building:
    """Layers as they are put in force."""

    def __init__(self) -> None:
        self.in_force: list[str] = []
        self.missing: list[str] = []

    def add(self, layer: str, put_in_force: Callable[[], Optional[str]]) -> None:
        """Put a layer in force; the function returns what else is lost, and raises OSError without it."""
        try:
            lost = put_in_force()
        except OSError as why:
            self.missing.append(f"{layer}: {why.strerror or why}")
            return
        self.in_force.append(layer)
        if lost:
            self.missing.append(lost)


def lock_up(
    uid: int,
    gid: int,
    *,
    parent: int,
    file_size: int,
    readable: Iterable[str] = (),
    prepare: Callable[[], object] = lambda: None,
) -> Layers:
    """Become ``uid``, with no way back, seeing only Python's folders and ``readable`` of the file system.

    The process ends when ``parent``, the process that forked it, does. ``file_size`` (bytes) is the most that
    a file may grow to. ``prepare`` imports what would be imported on first use; it is called if that would
    fail later: Python may stand in root's home, or a chroot in place of everything. Raises OSError when the
    uid cannot be changed.
    """
    layers = _Building()
    readable = [*python_folders(), *readable]
    done = _prepared if _prepared is not None and _prepared.readable == readable else None
    namespace = None if done is None else done.namespace
    call_filter: Optional[seccomp.Filter] = None
    try:  # now: Landlock would hide the library
        call_filter = seccomp.Filter() if done is None else done.call_filter
    except OSError as why:
        layers.missing.append(f"seccomp: {why.strerror or why}")
    if os.geteuid() == 0:
        layers.add("IPC namespace", lambda: check(_LIBC.unshare(_CLONE_NEWIPC)))
        if call_filter is not None:
            keyctl = call_filter.number("keyctl")
            layers.add("session keyring", lambda: _join_new_keyring(keyctl))
        if namespace is None:
            layers.add("mount namespace", lambda: mounts.leave_nothing_but(readable))
        else:
            layers.add("mount namespace", lambda: mounts.enter(namespace))
    alone = not has_landlock() and "mount namespace" not in layers.in_force
    if alone or (done is None and not may_read(uid, gid, readable)):
        prepare()
    if os.geteuid() == 0:
        if alone:
            _chroot_to_nothing()
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
            raise PermissionError(f"uid {uid} and gid {gid} were not taken on")
    elif os.geteuid() != uid:
        raise PermissionError(f"not root, so uid {uid} cannot be taken on")
    layers.in_force.append(f"uid {uid}")
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    _die_with(parent)  # changing the uid would have cleared this
    layers.add("Landlock", lambda: _restrict_files(readable))
    if call_filter is not None:
        layers.add("seccomp", call_filter.install)
    return Layers(tuple(layers.in_force), tuple(layers.missing))


def _join_new_keyring(keyctl: int) -> None:
    """Leave the session keyring of whoever started this, for an empty one. Raises OSError."""
    check(_LIBC.syscall(keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None))


def _chroot_to_nothing() -> None:
    """Make an empty directory the root, as pygrub does for its child, where there is nothing better."""
    parent = os.open("/run", os.O_PATH | os.O_DIRECTORY)
    nothing = Path(f"/run/pypxeboot.{os.urandom(8).hex()}")
    nothing.mkdir(0o700)
    os.chroot(nothing)
    os.chdir("/")
    os.rmdir(nothing.name, dir_fd=parent)  # nobody can put anything in
    os.close(parent)


def no_more_processes() -> None:
    """Forbid new processes and threads; for when the last thread has been started."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _restrict_files(readable: Iterable[str]) -> Optional[str]:
    """Forbid this thread, and those it starts, every file but what lies below ``readable``.

    Kernels have been seen to refuse rights and scopes that their version promises: then fewer are asked for,
    and what is lost is returned in words. Raises OSError without Landlock.
    """
    if not has_landlock():
        raise OSError(errno.ENOSYS, f"kernel {os.uname().release} has none")
    abi = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    ruleset, lost = _make_ruleset(abi)
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        if _LIBC.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "the kernel does not take the ruleset")
    finally:
        os.close(ruleset)
    return lost


def _make_ruleset(abi: int) -> tuple[int, Optional[str]]:
    """Return a ruleset of as much as the kernel of ``abi`` takes, and what it refuses."""
    attempts = [
        (version, scoped)
        for version, scoped in ((6, _SCOPES), (5, 0), (3, 0), (2, 0), (1, 0))
        if version <= abi
    ]
    for attempt, (version, scoped) in enumerate(attempts):
        rights = _FS_RIGHTS[min(version, max(_FS_RIGHTS))]
        attributes = struct.pack("QQQ", rights, 0, scoped) if scoped else struct.pack("Q", rights)
        ruleset = _LIBC.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
        if ruleset >= 0:
            lost = (
                f"Landlock beyond version {version}: the kernel has {abi}, and refuses it"
                if attempt
                else None
            )
            return ruleset, lost
    raise OSError(ctypes.get_errno(), "the kernel takes no ruleset")


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        rights = _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0)  # noqa: PTH112
        # struct landlock_path_beneath_attr is packed: u64 rights, s32 descriptor.
        rule = struct.pack("=Qi", rights, descriptor)
        if _LIBC.syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"no Landlock rule for {path}")
    finally:
        os.close(descriptor)


def user_ids(name_or_uid: Optional[str]) -> tuple[int, int]:
    """Look up uid and gid of the client: of ``name_or_uid``, else of the user pypxeboot, else of nobody.

    Raises KeyError for an unknown name, ValueError for root.
    """
    import pwd

    if name_or_uid is None:
        for name in ("pypxeboot", "nobody"):
            try:
                entry = pwd.getpwnam(name)
                return entry.pw_uid, entry.pw_gid
            except KeyError:
                continue
        return 65534, 65534
    if name_or_uid.isdigit():
        uid = int(name_or_uid)
        try:
            gid = pwd.getpwuid(uid).pw_gid
        except KeyError:
            gid = uid  # a uid of a range that has no names, as Xen's xen-qemuuser-range-base
    else:
        entry = pwd.getpwnam(name_or_uid)
        uid, gid = entry.pw_uid, entry.pw_gid
    if not 0 < uid < _NO_ID:
        raise ValueError("the client process must not run as root" if uid == 0 else "there is no such uid")
    return uid, gid or 65534
