"""The pipeline, top to bottom, as it runs in the client process.

    Guest -> lease() -> Lease -> source() -> BootSource -> choose() -> Choice -> Artifacts

The host side (``host.py``) gives the place on the network, addresses and output files, and takes the
Artifacts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Protocol, TypeVar

from pypxeboot import ldlinux, pxe, uboot
from pypxeboot.artifacts import Artifacts, InitrdFile, LeaseReport, ListedEntry, Ramdisk, Seconds
from pypxeboot.attendance import Attendance, Person
from pypxeboot.config import NOTICE
from pypxeboot.deadline import Deadline
from pypxeboot.download import Downloads
from pypxeboot.effects import Effect, Fetch, Fetched, Load, Loaded, Log, Steps
from pypxeboot.errors import FetchError, NoBootSource, NotFound, Refused, ServerError
from pypxeboot.lease import Lease
from pypxeboot.menu import Action, Choice, Entry, Reason
from pypxeboot.plan import Plan
from pypxeboot.pxe import BootSource, Kind
from pypxeboot.text import printable

T = TypeVar("T")

log = logging.getLogger(__name__)


_WHY = {
    Reason.DEFAULT: "it is the default",
    Reason.TIMEOUT: "nobody chose within TIMEOUT, and it is the default",
    Reason.ONTIMEOUT: "ONTIMEOUT says so",
    Reason.LABEL: "it was asked for",
    Reason.CHOSEN: "it was chosen",
    Reason.WAITS_FOREVER: "the configuration waits for ever for somebody, and this is what Enter would boot",
    Reason.ONERROR: "ONERROR says so",
    Reason.SCRIPT: "the script says so",
}


class Host(Person, Protocol):
    """What the host side does for the pipeline."""

    def configure(self, lease: Lease) -> None:
        """Give the guest's interface its address, routes and MTU, and this process its name servers."""


@dataclass
class Pipeline:
    """One boot; ``acquire`` does DHCP, and ``deadline`` is when it all has to be done."""

    plan: Plan
    host: Host
    downloads: Downloads
    acquire: Callable[[], Lease]
    deadline: Deadline
    warnings: list[str] = field(default_factory=list)
    _silent: dict[tuple[str, str, Optional[int]], FetchError] = field(default_factory=dict)

    def run(self) -> Artifacts:
        """The whole pipeline. Raises PxeBootError."""
        started = time.monotonic()
        lease = self.lease()
        leased = time.monotonic()
        source = self.source(lease)
        choice = self.choose(source, lease)
        if not self.plan.list_entries:
            what = "the boot file" if choice.entry.label is None else f"entry {printable(choice.entry.label)}"
            log.info("%s: %s, because %s", what, choice.entry.action.value, _WHY[choice.reason])
        took = time.monotonic() - leased - self.downloads.seconds
        seconds = Seconds(
            dhcp=round(leased - started, 3), config=round(took, 3), download=round(self.downloads.seconds, 3)
        )
        return self.artifacts(lease, source, choice, seconds)

    def warn(self, text: str) -> None:
        """A line for the log that also stands in the result."""
        log.warning("%s", text)
        self.warnings.append(text)

    def lease(self) -> Lease:
        """The address: given by hand, or by DHCP."""
        if self.plan.static is not None:
            lease = self.plan.static
            log.info("no DHCP: address %s/%d was given", lease.address, lease.prefix_length)
        else:
            lease = self.plan.amended(self.acquire())
        self.host.configure(lease)
        return lease

    def source(self, lease: Lease) -> BootSource:
        """What the lease, or the administrator, says about booting."""
        plan, server, path_prefix = self.plan, self.plan.server, self.plan.path_prefix
        if plan.static is not None and plan.config is not None and plan.bootfile is None:
            implied_server, implied_prefix = pxe.beside(plan.config)
            server, path_prefix = server or implied_server, path_prefix or implied_prefix
        source = pxe.boot_source(
            lease, server=server, bootfile=plan.bootfile, config=plan.config, path_prefix=path_prefix
        )
        if plan.config_directory is not None:
            source = replace(source, config_directory=plan.config_directory.rstrip("/"))
        if plan.dialect == "uboot" and source.kind is not Kind.LOCAL:
            return pxe.uboot_source(source, path_prefix)
        if source.kind is Kind.UNKNOWN and source.bootfile is not None:
            reply = self._fetch(Fetch(source.bootfile, pxe.JUDGE_BYTES, head=True))
            # No such file: PXELINUX's configuration may be there all the same.
            kind = pxe.judge(reply.data) if reply.data else Kind.PXELINUX
            log.info(
                "boot file %s: taken for %s by what is in it", printable(str(source.bootfile)), kind.value
            )
            source = replace(source, kind=kind)
        return source

    def choose(self, source: BootSource, lease: Lease) -> Choice:
        """The entry that boots, loaded."""
        if source.kind is Kind.LOCAL:
            return Choice(Entry(None, Action.LOCALBOOT), Reason.DEFAULT, None)
        if source.kind is Kind.KERNEL:
            assert source.bootfile is not None
            entry = Entry(None, Action.BOOT, kernel=source.bootfile, cmdline=self.plan.append)
            return self._boot_file(entry)
        if source.kind in (Kind.IPXE, Kind.IPXE_BINARY):
            what = "an iPXE script" if source.kind is Kind.IPXE else "an iPXE program"
            raise NoBootSource(
                f"boot file {printable(str(source.bootfile))} is {what}, which this version cannot follow",
                hint="have DHCP name pxelinux.0 for this guest, or give --config",
            )
        address = lease.address
        server = source.server or "nowhere"
        log.log(
            NOTICE, "getting cfg for IP %s (%08X) from server %s", address, int(address), printable(server)
        )
        arch = self.plan.guest.arch if self.plan.arch_given else None
        own = self.plan.dialect == "uboot"
        if self.plan.list_entries:
            entries = uboot.entries if own else ldlinux.entries
            config, menu = self._perform(entries(source, self.plan.guest, lease, arch=arch))
            return Choice(Entry(None, Action.LOCALBOOT), Reason.DEFAULT, config, menu)
        boot = uboot.boot if own else ldlinux.boot
        return self._perform(
            boot(
                source,
                self.plan.guest,
                lease,
                label=self.plan.label,
                arch=arch,
                interactive=self.plan.interactive,
                user_append=self.plan.append,
            )
        )

    def _boot_file(self, entry: Entry) -> Choice:
        """A boot file that is a kernel itself."""
        loaded = self._load(Load(entry))
        if not loaded.ok:
            raise loaded.kind(loaded.error, hint=loaded.hint)
        return Choice(entry, Reason.DEFAULT, None)

    def _perform(self, steps: Steps[T]) -> T:
        """Do what a loader asks for, until it has come to its result."""
        person = Attendance(self.plan, self.host, self.deadline, self.warn)
        handlers: dict[type, Callable[[Any], object]] = {
            Fetch: self._fetch,
            Load: self._load,
            Log: self._log,
            **person.handlers,
        }
        reply: object = None
        while True:
            try:
                effect: Effect = steps.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            person.before(effect)
            reply = handlers[type(effect)](effect)

    def _fetch(self, effect: Fetch) -> Fetched:
        location = effect.location
        server = (location.scheme, location.host, location.port)
        if server in self._silent:
            raise self._silent[server]
        try:
            return Fetched(self.downloads.fetcher.small(effect.location, effect.limit, head=effect.head))
        except NotFound:
            return Fetched(None, "not-found")
        except FetchError as why:
            # To PXELINUX a file that does not come is not there; but no server is waited for twice.
            if not isinstance(why, ServerError):
                self._silent[server] = why
            return Fetched(None, why.message.replace(f"{location}: ", "", 1))

    def _load(self, effect: Load) -> Loaded:
        if not self.plan.download:
            return Loaded(True)
        try:
            self.downloads.load(effect.entry)
        except (FetchError, Refused) as why:
            return Loaded(False, why.message, type(why), why.hint)
        return Loaded(True)

    def _log(self, effect: Log) -> None:
        if effect.warning:
            self.warn(effect.text)
        else:
            log.info("%s", effect.text)

    def artifacts(self, lease: Lease, source: BootSource, choice: Choice, seconds: Seconds) -> Artifacts:
        """What came of it, as the host side and the JSON result have it."""
        entry, files = choice.entry, self.downloads.files
        boots = entry.action is Action.BOOT and not self.plan.list_entries
        parts = (*entry.initrds, *(packed.location for packed in entry.packed))
        planned = tuple(InitrdFile(str(location)) for location in parts)
        return Artifacts(
            action=entry.action,
            lease=None if self.plan.static is not None else _lease_report(lease),
            loader="kernel" if source.kind is Kind.KERNEL else "pxelinux",
            config=None if choice.config is None else str(choice.config),
            label=entry.label,
            reason=choice.reason,
            kernel=(files.kernel or self.downloads.planned_kernel(entry)) if boots else None,
            initrds=(files.initrds or planned) if boots else (),
            ramdisk=(files.ramdisk or (Ramdisk() if planned else None)) if boots else None,
            modules=(files.modules or self.downloads.planned_modules(entry)) if boots else (),
            cmdline=entry.cmdline if boots else "",
            requests=tuple(self.downloads.fetcher.requests),
            seconds=seconds,
            warnings=tuple(self.warnings),
            entries=_listed(choice) if self.plan.list_entries else (),
            dtb=(files.dtb or self.downloads.planned_dtb(entry)) if boots else None,
        )


def _lease_report(lease: Lease) -> LeaseReport:
    default = next((gateway for network, gateway in lease.routes if network.prefixlen == 0), None)
    gateway = default or (lease.routers[0] if lease.routers else None)
    return LeaseReport(
        address=str(lease.address),
        netmask=str(lease.netmask),
        gateway=str(gateway or ""),
        dns=tuple(str(server) for server in lease.dns),
        domain=lease.domain,
        server_id=str(lease.server_id or ""),
        next_server=lease.next_server or "",
        bootfile=lease.bootfile,
        seconds=lease.seconds,
    )


def _listed(choice: Choice) -> tuple[ListedEntry, ...]:
    menu = choice.menu
    if menu is None:
        return ()
    return tuple(
        ListedEntry(
            label=entry.label or "",
            title=entry.title,
            action=entry.action,
            kernel=None if entry.kernel is None else str(entry.kernel),
            initrds=tuple(str(location) for location in entry.initrds),
            cmdline=entry.cmdline,
            default=entry.label is not None and entry.label == menu.default,
        )
        for entry in menu.entries
    )
