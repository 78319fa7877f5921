"""A filter for the system calls of a locked-up process, by libseccomp.

It is a list of what is blocked, not of what is allowed, and nothing is killed: libraries change the calls
that they make from one version to the next. What is blocked fails with EPERM, and what is younger than this
list with ENOSYS, for which every library has another way. Source: seccomp(2), seccomp_rule_add(3), and the
block-lists of flatpak (flatpak-run.c, setup_seccomp()) and systemd (seccomp-util.c).
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Optional

from pypxeboot.privsep.libc import LIBC

_LIBRARY = "libseccomp.so.2"
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_TSYNC = 4  # SCMP_FLTATR_CTL_TSYNC: every thread of the process
_OPTIMIZE = 8  # SCMP_FLTATR_CTL_OPTIMIZE: as a binary tree, which each call of the process passes
_NE, _LT, _EQ, _GT, _MASKED_EQ = 1, 2, 4, 6, 7  # enum scmp_compare
_INT = 0xFFFFFFFF  # of an argument that is an int, the kernel looks at no more than these bits

BLOCKED = """
    unshare setns
    mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
    keyctl add_key request_key
    kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal pidfd_getfd
    shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl ipc
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    memfd_create memfd_secret
    io_uring_setup io_uring_enter io_uring_register
    io_setup io_submit fallocate
    bpf userfaultfd perf_event_open
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open kcmp
    sync syncfs
    execve execveat fork vfork socketpair
    name_to_handle_at open_by_handle_at fanotify_init fanotify_mark
    swapon swapoff reboot kexec_load kexec_file_load init_module finit_module delete_module acct quotactl
    settimeofday clock_settime clock_adjtime adjtimex stime sethostname setdomainname
    iopl ioperm modify_ldt syslog vhangup personality
    setpriority ioprio_set migrate_pages move_pages
""".split()
"""System calls that fail with EPERM, whatever their arguments are."""

_OTHER_PROCESS = "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr".split()
"""Calls whose first argument is a process: 0 is the caller, and any other is refused."""

_FAMILIES = (2, 10)  # AF_INET and AF_INET6: all that a boot has sockets of
_PROTOCOLS_ABOVE = 58  # ICMPv6; beyond are SCTP, UDP-Lite, MPTCP
_DCCP = 33
_NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_CLONE_THREAD = 0x10000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_SIGNALS_TO_OTHERS = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # it ends with the host side, and cannot say otherwise
# Numbers of calls that are younger than this list. clone3 is one of them in effect: it takes its flags in
# memory, where no filter can look.
_YOUNGEST, _BEYOND = 466, 500
# linux/seccomp.h and linux/filter.h: an instruction has 8 bytes, and a program 4096 of them at most.
_SET_MODE_FILTER, _EVERY_THREAD, _INSTRUCTION, _LARGEST = 1, 1, 8, 8 * 4096


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """The filter, made now and put in force by :meth:`install`. Raises OSError.

    The library is opened here: Landlock would hide it later.
    """

    def __init__(self) -> None:
        self._program = b""
        self._library = library = ctypes.CDLL(_LIBRARY)
        library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ALLOW)))
        if not self._context:
            raise OSError(errno.ENOMEM, "libseccomp makes no filter")
        library.seccomp_attr_set(self._context, _TSYNC, 1)
        library.seccomp_attr_set(self._context, _OPTIMIZE, 2)  # not known before 2.5, and no matter
        for name in BLOCKED:
            self._block(name)
        for name in _OTHER_PROCESS:
            self._block(name, (0, _NE, 0, 0))
        self._block("clone", (0, _MASKED_EQ, _CLONE_THREAD, 0))  # a process, and not a thread
        for flag in _NAMESPACES:
            self._block("clone", (0, _MASKED_EQ, flag, flag))
        self._block("socket", (0, _LT, min(_FAMILIES), 0))
        for family in range(min(_FAMILIES) + 1, max(_FAMILIES)):
            self._block("socket", (0, _EQ, family, 0))
        self._block("socket", (0, _GT, max(_FAMILIES), 0))
        self._block("socket", (2, _EQ, _DCCP, 0))
        self._block("socket", (2, _GT, _PROTOCOLS_ABOVE, 0))
        for request in (_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP):
            self._block("ioctl", (1, _MASKED_EQ, _INT, request))
        for request in _SIGNALS_TO_OTHERS:
            self._block("fcntl", (1, _MASKED_EQ, _INT, request))
        for option in (_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE):
            self._block("prctl", (0, _MASKED_EQ, _INT, option))
        self._add(self.number("clone3"), errno.ENOSYS)
        for number in range(_YOUNGEST + 1, _BEYOND):
            self._add(number, errno.ENOSYS)

    def number(self, name: str) -> int:
        """Return the number of a system call on this machine; negative for one that it does not have."""
        return int(self._library.seccomp_syscall_resolve_name(name.encode()))

    def compile(self) -> None:
        """Make now what :meth:`install` makes otherwise, for processes that are forked. Raises OSError."""
        file = os.memfd_create("filter", os.MFD_CLOEXEC)
        try:
            failure = self._library.seccomp_export_bpf(self._context, file)
            if failure:
                raise OSError(-failure, "libseccomp makes no program")
            self._program = os.pread(file, _LARGEST, 0)
        finally:
            os.close(file)

    def install(self) -> None:
        """Put the filter in force, for this process and all that it starts. Raises OSError."""
        if self._program:
            code = ctypes.create_string_buffer(self._program, len(self._program))
            program = _FilterProgram(len(self._program) // _INSTRUCTION, ctypes.addressof(code))
            number = self.number("seccomp")
            # Above 0 it is the number of a thread that does not take it.
            if LIBC.syscall(number, _SET_MODE_FILTER, _EVERY_THREAD, ctypes.byref(program)) != 0:
                raise OSError(ctypes.get_errno(), "the kernel does not take the filter")
            return
        failure = self._library.seccomp_load(self._context)
        self._library.seccomp_release(self._context)
        if failure:
            raise OSError(-failure, "the kernel does not take the filter")

    def _block(self, name: str, comparison: Optional[tuple[int, int, int, int]] = None) -> None:
        self._add(self.number(name), errno.EPERM, comparison)

    def _add(self, number: int, code: int, comparison: Optional[tuple[int, int, int, int]] = None) -> None:
        if number < 0:  # not of this machine
            return
        rules = (_Comparison * 1)(*(() if comparison is None else (_Comparison(*comparison),)))
        count = 0 if comparison is None else 1
        action = ctypes.c_uint32(_ERRNO | code)
        failure = self._library.seccomp_rule_add_array(self._context, action, number, count, rules)
        if failure:
            raise OSError(-failure, f"libseccomp takes no rule for system call {number}")
