"""libvirt: its domains and networks, and what happens to them. Every call of libvirt-python is here.

Source: libvirt's API reference (libvirt-domain, libvirt-event), and what a real libvirtd was seen to do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.text import printable
from pypxeboot.virt import qemu_process
from pypxeboot.virt.events import Defined, Ended, Event, Events, LifecycleEvents, Lost

try:
    import libvirt
    import libvirt_qemu
except ImportError:  # an extra
    libvirt = libvirt_qemu = None

# How often a dead connection is noticed by itself: after seconds without an answer, so many times.
_KEEPALIVE = (5, 3)
_IDLE = 1000  # ms
_ACTIVE = 1  # VIR_CONNECT_LIST_DOMAINS_ACTIVE
_CLIENT_CONF = Path("/etc/libvirt/libvirt.conf")
_SHUT_OFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot")


def _need() -> None:
    if libvirt is None:
        raise HandoverError(
            "libvirt-python is not installed",
            hint="install python3-libvirt, or pip install 'pypxeboot[libvirt]'",
        )


def _message_of(why: Exception) -> str:
    return printable(" ".join(str(why).split()), 1000)


def _check_local(uri: str) -> None:
    """Raise UsageError for a URI of another host."""
    if urlsplit(uri).hostname:
        raise UsageError(
            f"{printable(uri)} is on another host",
            hint="run pypxeboot-virt there: it boots on the networks of the host that it runs on",
        )


def _default_uri() -> str:
    """Return what libvirt connects to where no URI is given, as far as it is told that."""
    told = os.environ.get("LIBVIRT_DEFAULT_URI", "")
    with suppress(OSError):
        found = re.search(r'^\s*uri_default\s*=\s*"([^"]*)"', _CLIENT_CONF.read_text("latin-1"), re.MULTILINE)
        told = told or (found[1] if found else "")
    return told


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

    def starts_with_host(self) -> bool:
        """Whether libvirt starts it when the host comes up."""
        return bool(self._do("ask about", self._domain.autostart))

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
            why = qemu_process.logged_end(self.name)
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

    def resume(self) -> None:
        """Let it go on."""
        self._do("resume", self._domain.resume)

    def is_paused(self) -> bool:
        """Whether it is suspended, by whomever."""
        return bool(self._do("ask about", self._domain.state)[0] == libvirt.VIR_DOMAIN_PAUSED)

    def number(self) -> int:
        """Return the number of this run, which libvirt gives no other one; -1: it is off."""
        return int(self._do("ask about", self._domain.ID))

    def destroy(self) -> None:
        """End it at once."""
        self._do("end", self._domain.destroy)

    def show(self, namespace: str, key: str, xml: str) -> None:
        """Have the metadata of its run hold an element, in place of that of the same namespace."""
        kind, live = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_LIVE
        self._do("change", lambda: self._domain.setMetadata(kind, xml, key, namespace, live))

    def set_on_reboot(self, *, restart: bool) -> None:
        """Have its next reboot be one, or else end it, in this run."""
        action = "VIR_DOMAIN_LIFECYCLE_ACTION_" + ("RESTART" if restart else "DESTROY")
        args = (libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, getattr(libvirt, action))
        self._do("change", lambda: self._domain.setLifecycleAction(*args, libvirt.VIR_DOMAIN_AFFECT_LIVE))

    def migratable_xml(self) -> str:
        """Return the XML of its run, as another host takes it."""
        flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
        return str(self._do("read", lambda: self._domain.XMLDesc(flags)))

    def migrate(self, remote: RemoteHost, xml: Optional[str], options: MigrationOptions) -> None:
        """Migrate it to another host, where it goes on by ``xml``."""
        flags = sum(getattr(libvirt, MIGRATION_FLAGS[word]) for word in options.words)
        parameters = {
            libvirt.VIR_MIGRATE_PARAM_URI: options.uri,
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: xml,
        }
        parameters = {name: value for name, value in parameters.items() if value is not None}
        self._do("migrate", lambda: self._domain.migrate3(remote.raw, parameters, flags))

    def age(self) -> Optional[float]:
        """Seconds since its QEMU was started; None where that is not known."""
        try:
            pid = qemu_process.process(self.name)
            # proc(5): the 22nd field is the start, in ticks after the host's; the second may hold blanks.
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
            now = float(Path("/proc/uptime").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return now - ticks / os.sysconf("SC_CLK_TCK")

    def goes_on(self) -> bool:
        """Whether it did not begin with its QEMU: it was restored, reverted to a snapshot, or has arrived."""
        with suppress(OSError, ValueError):
            return qemu_process.goes_on(qemu_process.process(self.name))
        return False

    def why_stopped(self) -> str:
        """Why it is off: ``unknown`` after a restart of libvirtd, else as in :class:`events.Stopped`."""
        state, reason = self._do("ask about", lambda: self._domain.state())
        if state != libvirt.VIR_DOMAIN_SHUTOFF or reason >= len(_SHUT_OFF):
            return "unknown"
        return _SHUT_OFF[int(reason)]


MIGRATION_FLAGS = {
    "live": "VIR_MIGRATE_LIVE",
    "persistent": "VIR_MIGRATE_PERSIST_DEST",
    "undefinesource": "VIR_MIGRATE_UNDEFINE_SOURCE",
    "offline": "VIR_MIGRATE_OFFLINE",
    "unsafe": "VIR_MIGRATE_UNSAFE",
    "copy-storage-all": "VIR_MIGRATE_NON_SHARED_DISK",
}
"""Words of ``virsh migrate``, and what they mean to libvirt."""


@dataclass(frozen=True)
class MigrationOptions:
    """How a domain migrates: ``words`` of :data:`MIGRATION_FLAGS`, and the ``uri`` of QEMU there."""

    words: frozenset[str]
    uri: Optional[str] = None


class RemoteHost:
    """A connection to the libvirt of another host: files can be sent there, and guests.

    Raises HandoverError, as every method does.
    """

    def __init__(self, uri: str) -> None:
        _need()
        self.raw = self._do(f"connect to {printable(uri)}", lambda: libvirt.open(uri))

    @staticmethod
    def _do(what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except libvirt.libvirtError as why:
            raise HandoverError(f"cannot {what}: {_message_of(why)}") from None

    def put(self, directory: Path, files: Sequence[Path]) -> None:
        """Send files into a directory that is made there. Files of these names are replaced."""
        name = f"pypxeboot-{directory.name}"
        xml = (
            f"<pool type='dir'><name>{name}</name><target><path>{directory}</path>"
            "<permissions><mode>0711</mode></permissions></target></pool>"
        )

        def send() -> None:
            pool = self.raw.storagePoolCreateXML(xml, libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
            try:
                for file in files:
                    self._put(pool, file)
            finally:
                pool.destroy()

        self._do(f"send files to {directory} of {printable(str(self.raw.getHostname()))}", send)

    def _put(self, pool: Any, path: Path) -> None:
        with suppress(libvirt.libvirtError):
            pool.storageVolLookupByName(path.name).delete(0)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            volume = pool.createXML(
                f"<volume><name>{path.name}</name><capacity>{size}</capacity><target><format type='raw'/>"
                "<permissions><mode>0644</mode></permissions></target></volume>",
                0,
            )
            stream = self.raw.newStream(0)
            volume.upload(stream, 0, size, 0)
            stream.sendAll(lambda _stream, count, source: source.read(count), file)
            stream.finish()


class Connection:
    """A connection to libvirt on this host; ``uri`` None is its default."""

    def __init__(self, uri: Optional[str]) -> None:
        _need()
        libvirt.registerErrorHandler(lambda *_: None, None)  # what it prints itself is in the exceptions
        _check_local(uri or _default_uri())  # before ssh asks for a password
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
        _check_local(self.uri)

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

    def create(self, xml: str, *, paused: bool) -> DomainHandle:
        """Start a domain by ``xml``; the stored definition of one that has the same UUID stays."""
        flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
        return DomainHandle(self._do("start the domain", lambda: self._connection.createXML(xml, flags)))

    def close(self) -> None:
        """Close the connection to libvirt."""
        with suppress(libvirt.libvirtError):
            self._connection.close()

    def watch(
        self, tell: Callable[[Event], None], holds: Callable[[str], bool], kills: Callable[[str], object]
    ) -> None:
        """Have ``tell`` called with every event, by the thread of :class:`Events`.

        ``holds``, called there too, says of a domain that begins to run whether it is to be suspended;
        ``kills``, by a thread, hears of one that is about to be ended instead.
        """
        lifecycle = LifecycleEvents(tell, holds, kills)

        def shutdown(*words: Any) -> None:
            # (connection, domain, event, seconds, microseconds, details, opaque)
            tell(Ended(str(words[1].UUIDString()), _reason(str(words[5]))))

        def watch() -> None:
            connection = self._connection
            connection.setKeepAlive(*_KEEPALIVE)
            connection.registerCloseCallback(lambda *_: tell(Lost()), None)
            kind, metadata = (
                libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
            )
            connection.domainEventRegisterAny(None, kind, lifecycle.hear, None)
            connection.domainEventRegisterAny(
                None, metadata, lambda _c, domain, *_: tell(Defined(str(domain.UUIDString()))), None
            )
            # libvirt's own events do not say whether a guest reboots or powers off.
            libvirt_qemu.qemuMonitorEventRegister(connection, None, "SHUTDOWN", shutdown, None)
            lifecycle.run(domain.UUIDString() for domain in connection.listAllDomains(_ACTIVE))

        self._do("watch domains", watch)


def _reason(details: str) -> str:
    """Return the reason in what QEMU says: ``{"guest": true, "reason": "guest-reset"}``."""
    import json

    try:
        found = json.loads(details)
    except ValueError:
        return ""
    return str(found.get("reason", "")) if isinstance(found, dict) else ""


def event_loop() -> Events:
    """Start libvirt's event loop; it has to run before the first connection. Raises HandoverError."""
    _need()
    libvirt.virEventRegisterDefaultImpl()
    libvirt.virEventAddTimeout(_IDLE, lambda *_: None, None)  # the loop is not left without anything
    return Events(libvirt.virEventRunDefaultImpl)
