"""Boot the guest, from the first DISCOVER to the last byte, in the client process.

    Guest -> _obtain_lease() -> Lease -> _find_source() -> BootSource -> choose() -> Choice -> BootResult

The host side (``host/session.py``) gives the place on the network, addresses and output files, and takes the
BootResult.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Optional, Protocol, TypeVar, Union

from pypxeboot import bootsource
from pypxeboot.bootsource import BootRequest, BootSource, Kind
from pypxeboot.client import loaders
from pypxeboot.client.driver import Driver
from pypxeboot.client.entry_files import Downloads
from pypxeboot.client.network import GuestNet, Interfaces
from pypxeboot.client.script_files import PROGRAM_SAMPLE, SAMPLE, HostFiles, ScriptFiles
from pypxeboot.client.terminal import HostTerminal
from pypxeboot.client.time_spent import DHCP, JOINING
from pypxeboot.dataclass import replace
from pypxeboot.dhcp import boot_info, identity, pxe_options
from pypxeboot.effects import Load, RunIpxe, RunIpxeScript
from pypxeboot.entry import WHY, Action, BootMenu, Choice, Entry, Reason
from pypxeboot.errors import (
    Aborted,
    ConfigError,
    FetchError,
    NoBootSource,
    NoConfiguration,
    NoLease,
    NotFound,
    PxeBootError,
    Refused,
    ServerError,
    joined_hints,
)
from pypxeboot.lease import Lease
from pypxeboot.limits import NOTICE
from pypxeboot.net.exchange import Dhcp
from pypxeboot.plan import Plan
from pypxeboot.privsep.messages import ClientResult, Entries, KernelReport, ModuleReport
from pypxeboot.result import (
    BootResult,
    InitrdFile,
    LeaseReport,
    Ramdisk,
    ScriptFailure,
    Seconds,
)
from pypxeboot.text import printable
from pypxeboot.url import Location

log = logging.getLogger(__name__)

T = TypeVar("T")

# What a boot file with the name of a program may be all the same. An ipxe.lkrn is made as a Linux kernel is.
_SCRIPTS = frozenset({Kind.IPXE})
_BELIES = {Kind.PXELINUX: frozenset({Kind.IPXE, Kind.KERNEL, Kind.CONFIG})}

_PIECE = 500  # entries of a list: the host side reads some while the next are described

_IPXE_AGENT = f"iPXE/{identity.IPXE_VERSION}"


class HostServices(HostTerminal, Interfaces, HostFiles, Protocol):
    """What the host side does for a boot."""

    def list_entries(self, pieces: Iterable[Entries]) -> None:
        """Take the entries of the list. Raises Refused where they are too many."""


class Pipeline:
    """One boot, step by step: a lease, a boot source, a choice, and its files."""

    def __init__(self, plan: Plan, host: HostServices, downloads: Downloads, dhcp: Dhcp) -> None:
        self.plan, self.downloads, self._host = plan, downloads, host
        self.joined = time.monotonic()  # when there was a network; who knows better says so
        self._is_ipxe = plan.profile == "ipxe"
        deadline = downloads.fetcher.deadline
        self.script_files = ScriptFiles(downloads, host, download_all=plan.download)
        self.network = GuestNet(plan, host, dhcp, deadline)
        self.driver = Driver(plan, host, downloads, self.script_files, self.network, self._start_loader)

    @property
    def warnings(self) -> list[str]:
        """The warnings so far, which also stand in the result."""
        return self.driver.warnings

    def run(self) -> BootResult:
        """Boot the guest. Raises PxeBootError."""
        try:
            return self._run()
        except PxeBootError as why:
            deadline = self.downloads.fetcher.deadline
            if time.monotonic() >= deadline.at and not isinstance(why, (Refused, Aborted)):
                raise self._time_over(why) from None
            if not isinstance(why, (FetchError, NoBootSource)):
                raise
            why.hint = joined_hints(self._hint_of_place(why), why.hint, self._hint_of_search(why))
            if self.plan.server is None and not any(
                one.result == "ok" for one in self.downloads.fetcher.requests
            ):
                why.hint = joined_hints(why.hint, self.network.hint_of_servers())
            raise

    def _hint_of_place(self, why: PxeBootError) -> Optional[str]:
        """Return where a configuration has to be, where none was found beside the boot file."""
        if not isinstance(why, NoConfiguration) or self.source.bootfile is None:
            return None
        place = str(self.source.bootfile)
        asked = {one.url: one.result for one in self.downloads.fetcher.requests}
        folder = place.rpartition("/")[0] + "/"
        if not any(url.startswith(folder) and url != place for url in asked):
            return None  # a path prefix has led elsewhere
        if asked.get(place) == "ok":
            return (
                f"the boot file is there; its configuration has to lie beside it, in {printable(folder)}, "
                "or a path prefix (option 210, --path-prefix) names another directory"
            )
        if asked.get(place) != "not-found":
            return None
        return (
            f"the boot file {printable(place)} is not there, either: is that the right server, and does "
            "it count paths from a directory of its own (tftpd-hpa --secure, dnsmasq tftp-root)?"
        )

    def _hint_of_search(self, why: PxeBootError) -> Optional[str]:
        """Return what to do where a server was silent about the first names of a configuration."""
        requests = self.downloads.fetcher.requests
        silent = isinstance(why, FetchError) and why.cause == "timeout"
        if not silent or self.plan.config is not None or any(one.result != why.message for one in requests):
            return None
        return "some servers are silent about names that they do not have: --config NAME asks for one alone"

    def _time_over(self, why: PxeBootError) -> PxeBootError:
        """Return the error that the time of the boot is over; ``why`` came of that."""
        fetcher, limit, spent = self.downloads.fetcher, self.plan.limits.timeout, self.driver.spent
        started = fetcher.deadline.at - fetcher.deadline.waited - limit
        hint = "a bridge with STP lets nobody through for twice its forward_delay"
        spent.add(JOINING, self.joined - started, "STP, or a MAC that was alive elsewhere", hint)
        spent.add(DHCP, self.network.seconds)
        spent.add_requests(fetcher.requests, fetcher.failures)
        return spent.error(why, limit)

    def _run(self) -> BootResult:
        self.lease = self._choose_boot_server(self._obtain_lease())
        self.source = self._find_source(self.lease)
        if self.source.kind is Kind.IPXE_BINARY and self.source.bootfile is not None:
            self.become_ipxe(self.source.bootfile)
        choice = self.choose(self.plan.label)
        if choice.reason is Reason.SCRIPT_FAILED and not self.plan.boots_after_failed_script:
            raise ConfigError(choice.failure, hint=choice.hint)
        if not self.plan.list_entries:
            what = "the boot file" if choice.entry.label is None else f"entry {printable(choice.entry.label)}"
            log.info("%s: %s, because %s", what, choice.entry.action.value, WHY[choice.reason])
            if self.plan.signatures and choice.entry.action is Action.BOOT:
                self.downloads.load_signatures()
        if self.network.overdue:
            self.driver.warn(self.network.overdue)
        return self.result(choice)

    def _obtain_lease(self) -> Lease:
        """Get the first address: by DHCP; by hand, where that was asked for, or DHCP gives none."""
        plan = self.plan
        try:
            if not plan.by_hand:
                return self.network.begin()
            refused = NoLease("no address was given", hint="--ip ask needs somebody at a terminal")
        except NoLease as why:
            if not plan.interactive:
                raise
            refused = why
        from pypxeboot.client import by_hand

        lease = self.driver.run(by_hand.lease("" if plan.by_hand else refused.message))
        if lease is None:
            raise refused
        self.plan = replace(plan, static=lease)
        return self.network.take_address(lease)

    def _find_source(self, lease: Lease) -> BootSource:
        """Find what there is to boot; somebody at the terminal may say it where nobody else does."""
        try:
            return self.source_of(lease, self.plan.bootfile)
        except NoBootSource as why:
            if not (self.plan.interactive or self.plan.by_hand):
                raise
            from pypxeboot.client import by_hand

            plan = self.driver.run(by_hand.boot_file(why.message, self.plan))
            if plan is None:
                raise
            self.plan = plan
            return self.source_of(lease, plan.bootfile)

    def _choose_boot_server(self, lease: Lease) -> Lease:
        """Have a boot server chosen from the menu of a PXE server, if ``lease`` has one."""
        services = pxe_options.of(lease.options)
        if self.plan.says_what_to_boot or services is None or not services.counts(lease.bootfile):
            return lease
        from pypxeboot.client import pxe_menu  # a boot without such a menu need not wait for it

        label = self.plan.label
        item = self.driver.run(
            pxe_menu.choose(services, label, self.plan.patience, listing=self.plan.list_entries)
        )
        if item.text == label:  # in the menus to come, it has no meaning
            self.plan = replace(self.plan, label=None)
        return self.network.boot_server(lease, services, item.kind)

    def source_of(self, lease: Lease, bootfile: Optional[str]) -> BootSource:
        """Find what the lease, or the administrator, says about booting."""
        plan, server, path_prefix = self.plan, self.plan.server, self.plan.path_prefix
        leads = plan.static is None and (lease.address.version == 4 or lease.next_server is not None)
        if not leads and plan.config is not None and bootfile is None:
            implied_server, implied_prefix = bootsource.server_and_prefix(plan.config)
            server, path_prefix = server or implied_server, path_prefix or implied_prefix
        source = boot_info.boot_source(
            lease, server=server, bootfile=bootfile, config=plan.config, path_prefix=path_prefix
        )
        if plan.config_directory is not None:
            source = replace(source, config_directory=plan.config_directory.rstrip("/"))
        if plan.dialect == "uboot" and source.kind is not Kind.LOCAL:
            from pypxeboot.uboot.boot import uboot_source

            return uboot_source(source, path_prefix)
        if plan.dialect == "grub" and source.kind is not Kind.LOCAL:
            return replace(source, kind=Kind.GRUB, config_file=plan.config)
        return self._as_grub(self._identify_boot_file(source))

    def _as_grub(self, source: BootSource) -> BootSource:
        """Return ``source`` as GRUB sees it, if it is one: it knows no option 209, but a boot file."""
        if source.kind is Kind.GRUB:
            place = source.bootfile
            named = place is not None and place.name.startswith("grub.cfg")
            return replace(source, config_file=str(place) if named else None)
        config = source.config_file
        if self.plan.config is not None and bootsource.kind_of_name(self.plan.config) is Kind.GRUB:
            return replace(source, kind=Kind.GRUB, config_file=config)
        return source

    def _identify_boot_file(self, source: BootSource) -> BootSource:
        """Identify a boot file by what is in it: a script may be called pxelinux-menu, or undionly.kpxe.

        Where an option, or the administrator, names PXELINUX's configuration, that is what counts.
        """
        if source.bootfile is None or source.config_file is not None:
            return source
        if source.kind in (Kind.LOCAL, Kind.KERNEL):
            return source
        told = self.plan.path_prefix is not None or self.plan.config_directory is not None
        if source.kind is Kind.PXELINUX and told:
            return source  # whoever says where its files are knows that it is PXELINUX
        shown, fetcher = printable(str(source.bootfile)), self.downloads.fetcher
        named = source.kind in (Kind.PXELINUX, Kind.IPXE_BINARY, Kind.GRUB)
        before, fetcher.agent = fetcher.agent, _IPXE_AGENT  # a server may have scripts for an iPXE only
        try:
            head = self.script_files.sample(source.bootfile, PROGRAM_SAMPLE if named else SAMPLE)
        except FetchError as why:
            if source.kind is Kind.IPXE or not (named or isinstance(why, (NotFound, ServerError))):
                raise
            # No such file, or none to be had: PXELINUX's configuration may be there all the same.
            self.driver.note(source.bootfile, why)
            head = b""
        kind = bootsource.kind_of_content(head)
        fetcher.agent = _IPXE_AGENT if kind is Kind.IPXE else before
        if source.kind is Kind.IPXE and kind is not Kind.KERNEL:
            return source  # what is not a script is told as such
        if named and kind not in _BELIES.get(source.kind, _SCRIPTS):
            return source
        if kind is not source.kind:
            log.info("boot file %s: taken for %s by what is in it", shown, kind.value)
        if kind is Kind.CONFIG:
            return replace(source, kind=Kind.PXELINUX, config_file=str(source.bootfile))
        return replace(source, kind=kind)

    def become_ipxe(self, program: Location) -> None:
        """Do what ``program``, an iPXE, would do: ask DHCP for more, and follow that answer."""
        first = printable(str(program))
        told = "that would go on for ever"
        hint = "have DHCP name a script for clients of user class iPXE (option 77)"
        if self._is_ipxe:
            raise NoBootSource(f"an iPXE is led to the iPXE program {first}: {told}", hint=hint)
        log.info("%s is an iPXE program: DHCP once more, as iPXE", first)
        self._is_ipxe = True
        self.lease = self._choose_boot_server(self.network.as_ipxe())
        self.downloads.fetcher.agent = _IPXE_AGENT
        self.source = self.source_of(self.lease, None)
        if self.source.kind is Kind.IPXE_BINARY:
            second = printable(str(self.source.bootfile))
            raise NoBootSource(f"DHCP offers {first}, and to the iPXE in it {second}: {told}", hint=hint)

    def _start_loader(self, effect: Union[RunIpxeScript, RunIpxe]) -> Choice:
        """Start what a loader has asked for in its place."""
        if isinstance(effect, RunIpxeScript):
            return self._boot_by("ipxe", replace(self.source, bootfile=effect.location), None)
        self.become_ipxe(effect.program)
        return self.choose()

    def choose(self, label: Optional[str] = None) -> Choice:
        """Have the files loaded of the entry that boots, or of the one of ``label``."""
        source = self.source
        if source.kind is Kind.LOCAL:
            return Choice(Entry(None, Action.LOCALBOOT), Reason.DEFAULT, None)
        if source.kind is Kind.KERNEL and source.bootfile is not None:
            words = (*self.lease.parameters, self.plan.append)
            entry = Entry(None, Action.BOOT, kernel=source.bootfile, cmdline=" ".join(filter(None, words)))
            return self._boot_file(entry)
        if source.kind is not Kind.PXELINUX:
            return self._boot_by(source.kind.value, source, label)
        lease, server = self.lease, printable(source.server or "nowhere")
        digits = f" ({int(lease.address):08X})" if lease.address.version == 4 else ""
        log.log(NOTICE, "getting cfg for IP %s%s from server %s", lease.address, digits, server)
        return self._boot_by(self.plan.dialect, source, label)

    def _boot_file(self, entry: Entry) -> Choice:
        """Load a boot file that is a kernel itself."""
        loaded = self.driver.load(Load(entry))
        if loaded.script and entry.kernel is not None:
            self.source = replace(self.source, kind=Kind.IPXE, bootfile=entry.kernel)
            return self._boot_by("ipxe", self.source, self.plan.label)
        if not loaded.ok:
            raise loaded.kind(loaded.error, hint=loaded.hint)
        return Choice(entry, Reason.DEFAULT, None)

    def _boot_by(self, name: str, source: BootSource, label: Optional[str]) -> Choice:
        """Have the loader of that name boot ``source``, or list what it could."""
        if name == "ipxe":
            self.downloads.fetcher.agent = _IPXE_AGENT
        plan, loader = self.plan, loaders.load(name)
        request = BootRequest(
            source,
            plan.guest,
            self.network.lease or self.lease,
            arch=plan.guest.arch if plan.arch_given else None,
            append=plan.append,
            label=label,
            patience=plan.patience,
            interactive=plan.interactive,
        )
        if plan.list_entries:
            config, menu = self.driver.run(loader.entries(request))
            self._host.list_entries(_columns(menu, at) for at in range(0, len(menu.entries), _PIECE))
            return Choice(Entry(None, Action.LOCALBOOT), Reason.DEFAULT, config)
        return self.driver.run(loader.boot(request))

    def result(self, choice: Choice) -> BootResult:
        """Return the result of the boot as this process sees it."""
        entry, files = choice.entry, self.downloads.files
        boots = entry.action is Action.BOOT and not self.plan.list_entries
        planned = tuple(InitrdFile(url) for url in _parts(entry))
        return BootResult(
            action=entry.action,
            lease=None if self.network.lease is None else _lease_report(self.network.lease),
            loader="pxelinux" if self.source.kind is Kind.LOCAL else self.source.kind.value,
            config=None if choice.config is None else str(choice.config),
            label=entry.label,
            reason=choice.reason,
            kernel=(files.kernel or self.downloads.kernel_plan(entry)) if boots else None,
            initrds=(files.initrds or planned) if boots else (),
            ramdisk=(files.ramdisk or (Ramdisk() if planned else None)) if boots else None,
            modules=(files.modules or self.downloads.module_plans(entry)) if boots else (),
            cmdline=(entry.cmdline if files.cmdline is None else files.cmdline) if boots else "",
            requests=tuple(self.downloads.fetcher.requests),
            seconds=Seconds(),
            warnings=tuple(self.warnings),
            dtb=(files.dtb or self.downloads.dtb_plan(entry)) if boots else None,
            failure=ScriptFailure(choice.failure, choice.hint) if choice.failure else None,
        )


def report(result: BootResult) -> ClientResult:
    """Return of a result what the host side cannot know by itself."""
    kernel, dtb = result.kernel, result.dtb
    return ClientResult(
        **result.outcome(),
        kernel=None if kernel is None else KernelReport(kernel.url, kernel.format, kernel.boots),
        initrds=tuple(initrd.url for initrd in result.initrds),
        modules=tuple(ModuleReport(module.url, module.cmdline) for module in result.modules),
        dtb=None if dtb is None else dtb.url,
    )


def _lease_report(lease: Lease) -> LeaseReport:
    default = next((gateway for network, gateway in lease.routes if network.prefixlen == 0), None)
    gateway = default or (lease.routers[0] if lease.routers else None)
    return LeaseReport(
        address=str(lease.address),
        netmask=lease.netmask,
        gateway=str(gateway or ""),
        dns=tuple(str(server) for server in lease.dns),
        domain=lease.domain,
        server_id=str(lease.server_id or ""),
        next_server=lease.next_server or "",
        bootfile=lease.bootfile,
        seconds=lease.seconds,
    )


def _parts(entry: Entry) -> tuple[str, ...]:
    """List the URLs of what the ramdisk is made of."""
    if not entry.packed:  # as in most lists of ten thousand
        return tuple(map(str, entry.initrds))
    packed = [item.location for item in entry.packed if item.location is not None]
    return tuple(map(str, (*entry.initrds, *packed)))


def _columns(menu: BootMenu, at: int) -> Entries:
    """Return the next entries of ``menu``, the first of which has number ``at``."""
    entries = menu.entries[at : at + _PIECE]
    return Entries(
        label=tuple([entry.label or "" for entry in entries]),
        title=tuple([entry.title for entry in entries]),
        action=tuple([entry.action for entry in entries]),
        kernel=tuple([None if entry.kernel is None else str(entry.kernel) for entry in entries]),
        initrds=tuple([_parts(entry) for entry in entries]),
        cmdline=tuple([entry.cmdline for entry in entries]),
        default=tuple([entry.label is not None and entry.label == menu.default for entry in entries]),
        modules=_unless_empty([_module_reports(entry) if entry.modules else () for entry in entries]),
        dtb=_unless_empty([None if entry.dtb is None else str(entry.dtb) for entry in entries]),
        menu=_unless_empty([entry.menu for entry in entries]),
        meaning=_unless_empty([printable(entry.meaning) if entry.meaning else "" for entry in entries]),
    )


def _unless_empty(column: list[T]) -> tuple[T, ...]:
    """Return a column, which need not be sent if there is nothing in it."""
    return tuple(column) if any(column) else ()


def _module_reports(entry: Entry) -> tuple[str, ...]:
    return tuple(f"{module.location} {module.cmdline.partition(' ')[2]}".rstrip() for module in entry.modules)
