"""Boot as the host side: with privileges, and without ever parsing what a server sent.

The host side forks the client, joins it to the guest's network, answers its few requests after checking
them, checks its result against the closed schema, and leaves nothing behind.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Optional

from pypxeboot.entry import Action
from pypxeboot.errors import KINDS, FetchError, NoLease, PxeBootError, UsageError, joined_hints
from pypxeboot.host import spawn
from pypxeboot.host.interface import ClientInterface
from pypxeboot.host.output_files import Store
from pypxeboot.host.received_files import HandedOver, ReceivedFiles, broken_contract, plan_files
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE, Deadline
from pypxeboot.links.link import Attached, AttachRequest, Link
from pypxeboot.links.select import link_for
from pypxeboot.plan import BootPolicy, HostPlan, Order, Plan
from pypxeboot.privsep import logs, sandbox
from pypxeboot.privsep.channel import MAX_MESSAGE, Closed
from pypxeboot.privsep.messages import (
    MAX_LISTED,
    ClientResult,
    ConfigureInterface,
    Done,
    DropImage,
    Entries,
    FoundTerminal,
    MarkInitrd,
    OpenImage,
    OpenOutput,
    Placed,
    SetVlan,
    UseImage,
)
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult, EntryList, Failure, Seconds
from pypxeboot.schema import MAX_ITEMS, SchemaError, unpack
from pypxeboot.text import printable

if TYPE_CHECKING:
    from pypxeboot.host.capture import Capture
    from pypxeboot.host.terminal import TerminalService

log = logging.getLogger(__name__)

_CHECK_SECONDS = 0.25  # between looks at how large the client's files are
# What a request came to that a firewall may have kept from its server, or the answer from us.
_SILENCE = re.compile(
    r"no answer|silent|not (done|finished) in time|cannot connect|refused|unreachable|[Nn]o route"
)
_GRACE = 5.0  # seconds that the client may take past the deadline to say what it waited for, on a busy host


def boot(
    plan: Plan,
    process: Optional[ClientProcess],
    *,
    mode: str,
    mac_wait: float,
    ids: tuple[int, int],
    files: ReceivedFiles,
    entries: Optional[EntryList] = None,
    policy: Optional[BootPolicy] = None,
    capture: Optional[Capture] = None,
    hear: Optional[Callable[[object], None]] = None,
    beat: Optional[Callable[[], object]] = None,
) -> BootResult:
    """Boot as ``plan`` says, and return the result, whose ``files`` have names then.

    ``process`` is the client if it runs already, ``mode`` is that of ``--link``, ``ids`` are uid and gid of
    the client, ``mac_wait`` is in seconds, ``policy`` what verified boot allows. ``entries`` is the list
    that those of the menu are told in. ``hear`` takes (and checks) each finding of an examination; ``beat``
    is called several times a second.
    Raises PxeBootError, and BootFailed for what the client reports.
    """
    started = time.monotonic()
    if plan.does_dhcp:
        log.log(NOTICE, "requesting info for MAC address %s", plan.guest.mac)
    deadline = Deadline(started + plan.limits.timeout)
    process = process or spawn.start()
    with ExitStack() as undo:
        if capture is not None:
            undo.callback(capture.stop)
        undo.callback(process.stop)
        session = _Session(plan, process, files, deadline, entries, hear, beat)
        undo.callback(session.leave)
        undo.callback(session.leave_terminal)
        session.order(ids, own_network=mode != "host")
        attached = session.join(mode, mac_wait)
        if capture is not None:
            undo.callback(capture.stop)  # before its network goes
            own = attached.mode == "host"  # all the traffic of the host passes there, not just the guest's
            mac = plan.guest.mac_bytes if own else b""
            session.logs.append(capture.start(process.pid, attached.name, mac))
        try:
            return session.run(attached, started, policy, ids)
        except BootFailed as why:
            _add_firewall_hint(why, attached)
            raise


def _add_firewall_hint(failed: BootFailed, attached: Attached) -> None:
    """Put the host's firewall into the hint of a boot that nobody answered, if it may be the cause."""
    # Whoever says no, or speaks TLS, is in reach.
    answered = any(_SILENCE.search(one.result) is None for one in failed.failure.requests)
    if answered or attached.mode != "veth" or not isinstance(failed.error, (NoLease, FetchError)):
        return
    from pypxeboot.links import checks

    found = checks.firewall_warning(attached.where)
    if found is not None:
        own = f"this host's own firewall may be why: {found}; --link host is out of its reach"
        failed.error.hint = joined_hints(own, failed.error.hint)


class _Session:
    """One boot as the host side goes through it."""

    def __init__(
        self,
        plan: Plan,
        process: ClientProcess,
        files: ReceivedFiles,
        deadline: Deadline,
        entries: Optional[EntryList],
        hear: Optional[Callable[[object], None]],
        beat: Optional[Callable[[], object]],
    ) -> None:
        self._plan, self._process, self._pid = plan, process, process.pid
        self._channel = process.channel
        self.logs = [process.log_pipe]
        self._hear, self._beat = hear, beat
        self._terminal: Optional[TerminalService] = None
        self._files, self._deadline = files, deadline
        self._link: Optional[Link] = None
        self._interface: Optional[ClientInterface] = None
        self._entries = entries
        self._listed = self._listed_size = 0  # entries, bytes

    def order(self, ids: tuple[int, int], *, own_network: bool) -> None:
        """Send the client its order: the plan, and uid and gid to run as."""
        level = logging.getLogger("pypxeboot").level
        order = Order(self._plan, *ids, self._deadline.at, level, own_network, logs.shows_progress())
        try:
            self._channel.send_order(order)
        except Closed:
            raise self._no_result() from None

    def join(self, mode: str, mac_wait: float) -> Attached:
        """Join the client to the guest's network. Raises PxeBootError, BootFailed."""
        request = AttachRequest(self._plan.guest, mac_wait, lambda line: log.log(NOTICE, "%s", line))
        self._link = link = link_for(request, mode)
        link.await_guest_gone(self._deadline.at)  # while the client imports its part
        kind, value = self._receive()  # its namespace is there
        if kind == "Failure":
            self._raise_failure(value)
        try:
            attached = link.join(self._pid, self._deadline.at)
        except PxeBootError:
            self._raise_reported_failure()
            raise
        self._interface = ClientInterface(link, attached, self._pid, self._deadline.at)
        what = f"{attached.where} ({attached.mode}), MTU {attached.mtu}"
        log.info("MAC %s on %s", self._plan.guest.mac, what)
        return attached

    def _raise_reported_failure(self) -> None:
        """Raise the failure that an ended client has sent, if any: it is why its network is gone."""
        self._channel.settimeout(0.1)
        with suppress(socket.timeout, Closed):
            kind, value, _ = self._channel.receive()
            if kind == "Failure":
                self._raise_failure(value)

    def leave(self) -> None:
        """Remove the client's link."""
        if self._link is not None:
            self._link.leave()

    def run(
        self, attached: Attached, started: float, policy: Optional[BootPolicy], ids: tuple[int, int]
    ) -> BootResult:
        """Let the client boot, and return its result; ``started`` is the monotonic time of the start."""
        linked = time.monotonic() - started
        gc.freeze()  # what was imported is not looked through again
        gc.enable()
        with self._run_udhcpc(attached) as output:
            try:
                self._channel.send(Placed(attached.name, attached.mode, attached.where), output)
            except Closed:
                self._raise_reported_failure()
                raise self._no_result() from None
            placed = time.monotonic()
            told = self._serve()
        if self._entries is None:  # a list has no files, and its client may end while the link is removed
            self._process.stop()  # from here on its files are nobody's but the host side's
        self.leave_terminal()  # and Ctrl-C is a signal
        self._files.reclaim()
        if policy is not None:
            from pypxeboot.host.verified_boot import VerifiedBoot

            told = VerifiedBoot(policy, self._plan, ids).apply(told, self._files, self._interface)
        return self._result(told, started, linked, placed)

    def _result(self, told: ClientResult, started: float, linked: float, placed: float) -> BootResult:
        """Return the result: what the client told, with the files and times of this side."""
        kernel, handed = told.kernel, HandedOver()
        boots = told.action is Action.BOOT and not self._plan.list_entries
        if boots and kernel is None:
            raise broken_contract("a boot without a kernel")
        if boots and self._plan.download:
            handed = self._files.hand_over(told, self._deadline.at + _GRACE)
        elif boots and kernel is not None:
            handed = plan_files(told, kernel)
        ended = time.monotonic()
        interface = self._interface
        leased = (interface.configured if interface is not None else None) or placed
        begun = handed.begun or ended
        seconds = Seconds(
            total=round(ended - started, 3),
            link=round(linked, 3),
            dhcp=round(leased - placed, 3),
            config=round(max(begun - leased - self._deadline.waited, 0), 3),
            download=round(ended - begun, 3),
        )
        return BootResult(
            **told.outcome(),
            kernel=handed.kernel,
            initrds=handed.initrds,
            ramdisk=handed.ramdisk,
            modules=handed.modules,
            dtb=handed.dtb,
            seconds=seconds,
        )

    @contextmanager
    def _run_udhcpc(self, attached: Attached) -> Iterator[Optional[int]]:
        """Run udhcpc, if it was asked for; yield the descriptor of its output, which the client reads."""
        program = self._plan.udhcpc
        if program is None or not self._plan.does_dhcp:
            yield None
            return
        from pypxeboot.dhcp import identity, udhcpc
        from pypxeboot.links import iproute

        foreign = self._plan.guest.mac if attached.mode == "host" else None
        script = str(Path(__file__).parents[1] / "udhcpc-script")
        argv = udhcpc.argv(program, script, attached.name, foreign, identity.identity_of(self._plan))
        log.info("running %s", " ".join(argv))
        inside = [] if attached.mode == "host" else ["nsenter", f"--net=/proc/{self._pid}/ns/net"]
        process = iproute.popen(["setpriv", "--pdeathsig", "KILL", *inside, *argv])
        try:
            assert process.stdout is not None
            yield process.stdout.fileno()
        finally:
            process.kill()
            process.wait()

    def _receive(self) -> tuple[str, object]:
        """Return the next message of the client, which has the limits of the boot. Raises PxeBootError."""
        try:
            while True:
                left = self._deadline.at + _GRACE - time.monotonic()
                if left <= 0:  # whatever else the client has queued
                    raise self._timeout()
                self._files.check_limits()
                if self._beat is not None:
                    self._beat()
                if self._terminal is not None:
                    self._terminal.heed_interrupts()
                waited_for = [self._channel, *(pipe for pipe in self.logs if pipe.fileno() >= 0)]
                ready = select.select(waited_for, [], [], min(left, _CHECK_SECONDS))[0]
                self._drain_logs()
                if self._channel in ready:
                    break
            self._channel.settimeout(left)
            kind, value, descriptor = self._channel.receive()
            self._drain_logs()  # what was logged before that message stands before what comes of it
            if descriptor is not None:  # nobody asked for one
                os.close(descriptor)
            return kind, value
        except socket.timeout:
            raise self._timeout() from None
        except Closed:
            raise self._no_result() from None

    def _drain_logs(self) -> None:
        for pipe in self.logs:
            pipe.drain()

    def _timeout(self) -> PxeBootError:
        return FetchError(f"not done after {self._plan.limits.timeout:.0f} s", hint=self._plan.limits.longer)

    @staticmethod
    def _no_result() -> PxeBootError:
        return PxeBootError("the client process ended without a result", hint="-vv says where")

    def _serve(self) -> ClientResult:
        """Answer the client until it has a result. Raises PxeBootError and BootFailed."""
        try:
            while True:
                kind, value = self._receive()
                if kind == "ClientResult":
                    return unpack(ClientResult, value)
                if kind == "Failure":
                    self._raise_failure(value)
                self._answer(kind, value)
        except Closed:
            raise self._no_result() from None
        except socket.timeout:  # it does not read its answers
            raise self._timeout() from None
        except (SchemaError, ValueError, KeyError) as why:
            raise broken_contract(printable(str(why), 400)) from None

    def _answer(self, kind: str, value: object) -> None:
        """Do what one request of the client asks for. Raises ValueError, KeyError for a bad request."""
        interface = self._interface
        assert interface is not None
        if kind == "ConfigureInterface":
            self._channel.send(interface.configure(unpack(ConfigureInterface, value)))
        elif kind == "SetVlan":
            self._channel.send(interface.set_vlan(unpack(SetVlan, value)))
        elif kind == "OpenOutput":
            self._channel.send(Done(), self._files.open(unpack(OpenOutput, value).kind))
        elif kind == "MarkInitrd":
            unpack(MarkInitrd, value)
            self._files.mark_initrd()
            self._channel.send(Done())
        elif kind == "OpenImage":
            self._channel.send(Done(), self._files.open_image(unpack(OpenImage, value).number))
        elif kind == "DropImage":
            self._files.drop_image(unpack(DropImage, value).number)
            self._channel.send(Done())
        elif kind == "UseImage":
            request = unpack(UseImage, value)
            self._files.use_image(request.number, request.kind, request.offset)
            self._channel.send(Done())
        elif kind == "Entries" and self._entries is not None:
            self._list(self._entries, unpack(Entries, value))
        elif kind == "Finding" and self._hear is not None:
            self._hear(value)
        elif kind == "FindTerminal" and not os.isatty(0):
            self._channel.send(FoundTerminal(None))  # nothing that draws is imported for that
        elif not self._find_terminal().answer(kind, value):
            raise SchemaError(f"the request {printable(kind, 40)}")

    def _list(self, entries: EntryList, piece: Entries) -> None:
        """Take the next entries of the list. Raises SchemaError where the client may not send as many."""
        self._listed_size += self._channel.length
        self._listed += len(piece.label)
        if self._listed_size > MAX_LISTED + MAX_MESSAGE or self._listed > MAX_ITEMS:
            raise SchemaError("more entries than may be listed")
        entries.add(piece.rows())

    def _find_terminal(self) -> TerminalService:
        """Return the terminal, which most boots do without."""
        if self._terminal is None:
            from pypxeboot.host.terminal import TerminalService

            self._terminal = TerminalService(
                self._plan, self._channel, self._deadline, self._files.check_limits
            )
        return self._terminal

    def leave_terminal(self) -> None:
        """Leave the terminal as it was found, if the client asked for it."""
        if self._terminal is not None:
            self._terminal.close()

    @staticmethod
    def _raise_failure(value: object) -> NoReturn:
        """Raise BootFailed for the failure that the client sent."""
        try:
            failure = unpack(Failure, value)
        except SchemaError as why:
            raise broken_contract(printable(str(why), 400)) from None
        error = KINDS.get(failure.kind, PxeBootError)
        hint = None if failure.hint is None else printable(failure.hint, 2000)
        raise BootFailed(error(printable(failure.message, 2000), hint=hint), failure)


def resolve(
    host: HostPlan,
    plan: Plan,
    process: Optional[ClientProcess],
    store: Store,
    entries: Optional[EntryList] = None,
    hear: Optional[Callable[[object], None]] = None,
    beat: Optional[Callable[[], object]] = None,
) -> BootResult:
    """Boot as ``plan`` says, now; ``host`` says what the host side itself does: link, capture, user.

    The files are in ``store``, entries that are listed in ``entries``. ``hear`` takes each finding of a
    client that examines, ``beat`` is called several times a second. Raises PxeBootError.
    """
    if os.geteuid() != 0:
        raise UsageError("only root can join a guest's network", hint="run it by sudo, or from xl or libvirt")
    try:
        ids = sandbox.user_ids(host.run_as)
    except KeyError:
        raise UsageError(f"--runas {host.run_as}: there is no such user") from None
    except ValueError as why:
        raise UsageError(f"--runas {host.run_as}: {why}") from None
    capture = None
    tell = log.isEnabledFor(logging.DEBUG)
    if host.capture_file is not None or tell:
        from pypxeboot.host.capture import Capture

        capture = Capture(None if host.capture_file is None else Path(host.capture_file), ids, tell=tell)
    return boot(
        plan,
        process,
        mode=host.link,
        mac_wait=host.mac_wait,
        ids=ids,
        files=ReceivedFiles(store, plan.limits, digests=host.digests, signatures=plan.signatures),
        entries=entries,
        policy=host.policy,
        capture=capture,
        hear=hear,
        beat=beat,
    )
