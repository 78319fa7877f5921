"""libvirt: its domains and networks, and what happens to them. Every call of libvirt-python is here.

Source: libvirt's API reference (libvirt-domain, libvirt-event), and what a real libvirtd was seen to do.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union
from urllib.parse import urlsplit

from pypxeboot.errors import HandoverError, PxeBootError, UsageError
from pypxeboot.text import printable

try:
    import libvirt
    import libvirt_qemu
except ImportError:  # an extra
    libvirt = libvirt_qemu = None

# How often a dead connection is noticed by itself: after seconds without an answer, so many times.
_KEEPALIVE = (5, 3)
_END_OF_LOG = 64 << 10  # bytes; a start has some 3 KiB there
_STOPPED = ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot")
_SHUT_OFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot")


@dataclass(frozen=True)
class Started:
    """A domain runs. ``fresh``: from its beginning, not restored or migrated."""

    uuid: str
    fresh: bool


@dataclass(frozen=True)
class Ended:
    """The machine of a domain came to its end, by what QEMU calls ``guest-reset``, ``guest-shutdown``..."""

    uuid: str
    reason: str


@dataclass(frozen=True)
class Stopped:
    """A domain runs no more; ``why`` is one of ``shutdown``, ``destroyed``, ``crashed``, ``failed``..."""

    uuid: str
    why: str


@dataclass(frozen=True)
class Lost:
    """The connection to libvirt broke."""


Event = Union[Started, Ended, Stopped, Lost]


def _need() -> None:
    if libvirt is None:
        raise HandoverError(
            "libvirt-python is not installed",
            hint="install python3-libvirt, or pip install 'pypxeboot[libvirt]'",
        )


def _message_of(why: Exception) -> str:
    return printable(" ".join(str(why).split()), 1000)


class DomainHandle:
    """One domain. Every method raises HandoverError where libvirt fails."""

    def __init__(self, domain: Any) -> None:
        self._domain = domain
        self.name, self.uuid = str(domain.name()), str(domain.UUIDString())

    def _do(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except libvirt.libvirtError as why:
            raise HandoverError(f"cannot {what} domain {printable(self.name)}: {_message_of(why)}") from None

    def is_active(self) -> bool:
        """Whether it runs, or is paused."""
        return bool(self._do("ask about", self._domain.isActive))

    def is_persistent(self) -> bool:
        """Whether it has a definition that outlives its run."""
        return bool(self._do("ask about", self._domain.isPersistent))

    def has_saved_state(self) -> bool:
        """Whether its next start goes on where ``virsh managedsave`` saved it."""
        return bool(self._do("ask about", lambda: self._domain.hasManagedSaveImage(0)))

    def stored_xml(self) -> str:
        """Return the definition that it will have when it starts anew, passwords included."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return str(self._do("read", lambda: self._domain.XMLDesc(flags)))

    def live_xml(self) -> str:
        """Return the definition that it runs by, or else that it is stored with."""
        return str(self._do("read", lambda: self._domain.XMLDesc(0)))

    def texts(self) -> list[str]:
        """Return every XML that libvirt keeps of it: what may name files.

        These are the definition, that of this run, of a saved state, of snapshots and checkpoints.
        """

        def read() -> list[str]:
            domain = self._domain
            found = [domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), domain.XMLDesc(0)]
            if domain.hasManagedSaveImage(0):
                found.append(domain.managedSaveGetXMLDesc(0))
            found += [snapshot.getXMLDesc(0) for snapshot in domain.listAllSnapshots(0)]
            return found + [checkpoint.getXMLDesc(0) for checkpoint in domain.listAllCheckpoints(0)]

        return list(map(str, self._do("read", read)))

    def is_in_a_file(self) -> bool:
        """Whether it is off because ``virsh save`` wrote it to a file, of which libvirt keeps no track."""
        why = self.why_stopped()
        if why == "unknown" and not self.is_active():  # libvirt was restarted; but it keeps a log
            with suppress(OSError), Path(f"/var/log/libvirt/qemu/{self.name}.log").open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _END_OF_LOG))
                ends = re.findall(rb"(starting up|shutting down, reason=saved|shutting down)", log.read())
                why = "saved" if ends[-1:] == [b"shutting down, reason=saved"] else why
        return why == "saved" and not self.has_saved_state()

    def is_gone(self) -> bool:
        """Whether libvirt knows it no more."""
        try:
            self._domain.isActive()
        except libvirt.libvirtError as why:
            return bool(why.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)
        return False

    def suspend(self) -> None:
        """Let it not go on."""
        self._do("suspend", self._domain.suspend)

    def destroy(self) -> None:
        """End it at once."""
        self._do("end", self._domain.destroy)

    def end_at_reboot(self) -> None:
        """Have its next reboot end it, in this run."""
        args = (libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY)
        self._do("change", lambda: self._domain.setLifecycleAction(*args, libvirt.VIR_DOMAIN_AFFECT_LIVE))

    def age(self) -> Optional[float]:
        """Seconds since its QEMU was started; None where that is not known."""
        try:
            pid = int(Path("/run/libvirt/qemu", f"{self.name}.pid").read_text())
            # proc(5): the 22nd field is the start, in ticks after the host's; the second may hold blanks.
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
            now = float(Path("/proc/uptime").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return now - ticks / os.sysconf("SC_CLK_TCK")

    def why_stopped(self) -> str:
        """Why it is off: ``unknown`` after a restart of libvirtd, else as in :class:`Stopped`."""
        state, reason = self._do("ask about", lambda: self._domain.state())
        if state != libvirt.VIR_DOMAIN_SHUTOFF or reason >= len(_SHUT_OFF):
            return "unknown"
        return _SHUT_OFF[int(reason)]


class Connection:
    """A connection to libvirt on this host; ``uri`` None is its default."""

    def __init__(self, uri: Optional[str]) -> None:
        _need()
        libvirt.registerErrorHandler(lambda *_: None, None)  # what it prints itself is in the exceptions
        try:
            self._connection = libvirt.open(uri)
            self.uri, kind = str(self._connection.getURI()), str(self._connection.getType())
        except libvirt.libvirtError as why:
            raise HandoverError(
                f"cannot connect to libvirt: {_message_of(why)}",
                hint="does libvirtd (or virtqemud) run here?",
            ) from None
        if kind != "QEMU":
            raise UsageError(
                f"{printable(self.uri)} has no QEMU domains",
                hint="a Xen domain boots by <bootloader>/usr/bin/pypxeboot</bootloader>",
            )
        if urlsplit(self.uri).hostname:
            raise UsageError(
                f"{printable(self.uri)} is on another host",
                hint="run pypxeboot-virt there: it boots on the networks of the host that it runs on",
            )

    def _do(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except libvirt.libvirtError as why:
            raise HandoverError(f"cannot {what}: {_message_of(why)}") from None

    def is_alive(self) -> bool:
        """Ask whether libvirt still answers."""
        try:
            self._connection.getLibVersion()
        except libvirt.libvirtError:
            return False
        return True

    def target(self, name: str) -> DomainHandle:
        """Return the domain of a name or UUID. Raises UsageError where there is none."""
        for lookup in (self._connection.lookupByName, self._connection.lookupByUUIDString):
            with suppress(libvirt.libvirtError):
                return DomainHandle(lookup(name))
        if not self.is_alive():
            raise HandoverError("libvirt is gone")
        raise UsageError(f"libvirt has no domain {printable(name)}", hint="virsh list --all names them")

    def targets(self) -> list[DomainHandle]:
        """List all domains of the host."""
        return [DomainHandle(domain) for domain in self._do("list domains", self._connection.listAllDomains)]

    def network_xml(self, name: str) -> str:
        """Return the XML of a network that runs. Raises HandoverError."""

        def read() -> tuple[bool, str]:
            network = self._connection.networkLookupByName(name)
            return bool(network.isActive()), str(network.XMLDesc(0))

        active, xml = self._do(f"read network {printable(name)}", read)
        if not active:
            shown = printable(name)
            raise HandoverError(f"network {shown} is not active", hint=f"virsh net-start {shown}")
        return str(xml)

    def host_smbios(self) -> str:
        """Return the ``<sysinfo>`` of the host, as XML."""
        return str(self._do("read the host's SMBIOS", lambda: self._connection.getSysinfo(0)))

    def create(self, xml: str) -> DomainHandle:
        """Start a domain by ``xml``; the stored definition of one that has the same UUID stays."""
        return DomainHandle(self._do("start the domain", lambda: self._connection.createXML(xml, 0)))

    def close(self) -> None:
        """Close the connection to libvirt."""
        with suppress(libvirt.libvirtError):
            self._connection.close()

    def watch(self, tell: Callable[[Event], None]) -> None:
        """Have ``tell`` called with every event, from :meth:`Events.wait`."""

        def lifecycle(_c: Any, domain: Any, event: int, detail: int, _o: Any) -> None:
            if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
                tell(Started(str(domain.UUIDString()), detail == libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED))
            elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
                why = _STOPPED[detail] if detail < len(_STOPPED) else "failed"
                tell(Stopped(str(domain.UUIDString()), why))

        def shutdown(*words: Any) -> None:
            # (connection, domain, event, seconds, microseconds, details, opaque)
            tell(Ended(str(words[1].UUIDString()), _reason(str(words[5]))))

        def watch() -> None:
            connection = self._connection
            connection.setKeepAlive(*_KEEPALIVE)
            connection.registerCloseCallback(lambda *_: tell(Lost()), None)
            kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
            connection.domainEventRegisterAny(None, kind, lifecycle, None)
            # libvirt's own events do not say whether a guest reboots or powers off.
            libvirt_qemu.qemuMonitorEventRegister(connection, None, "SHUTDOWN", shutdown, None)

        self._do("watch domains", watch)


def _reason(details: str) -> str:
    """Return the reason in what QEMU says: ``{"guest": true, "reason": "guest-reset"}``."""
    import json

    try:
        found = json.loads(details)
    except ValueError:
        return ""
    return str(found.get("reason", "")) if isinstance(found, dict) else ""


class Events:
    """libvirt's event loop, which also wakes up for signals. Made before the first connection."""

    def __init__(self) -> None:
        _need()
        libvirt.virEventRegisterDefaultImpl()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        # libvirt's loop goes on over EINTR, so that no handler of Python's would ever run.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._file = libvirt.virEventAddHandle(
            self._woken.fileno(), libvirt.VIR_EVENT_HANDLE_READABLE, self._drain, None
        )
        self._timer = libvirt.virEventAddTimeout(-1, lambda *_: None, None)

    def _drain(self, *_: Any) -> None:
        with suppress(BlockingIOError):
            while os.read(self._woken.fileno(), 4096):
                pass

    def wait(self, seconds: Optional[float]) -> None:
        """Return after one event, after a signal, or after ``seconds``."""
        libvirt.virEventUpdateTimeout(self._timer, -1 if seconds is None else int(seconds * 1000) + 1)
        if libvirt.virEventRunDefaultImpl() < 0:
            raise PxeBootError("libvirt's event loop fails")
