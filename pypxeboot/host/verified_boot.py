"""Verified boot: whatever boots is vouched for, and its command line is the host's own.

The client process may be lost by then. So nothing that it tells has a say: what is judged are the very files
that are handed over, by a process of their own, and the words are the administrator's. A lost client can only
make the boot fail, or pick among files that are all vouched for.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.entry import Action
from pypxeboot.errors import Refused
from pypxeboot.guest import wire_uuid
from pypxeboot.host.interface import ClientInterface
from pypxeboot.host.received_files import ReceivedFiles, Stretch, broken_contract
from pypxeboot.limits import NOTICE, Limits
from pypxeboot.plan import BootPolicy, Plan
from pypxeboot.privsep.messages import ClientResult
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import Failure
from pypxeboot.signing.judge import Exhibit, Judgement, Rules, Voucher, judge
from pypxeboot.text import printable, size_text
from pypxeboot.url import signature_of

log = logging.getLogger(__name__)

_MODULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_NOBODY_VOUCHES = "verified boot hands over nothing that nobody vouches for (--verify required)"


@dataclass(frozen=True)
class _File:
    """A file that boots: what it is, the URL that the client tells, and where its bytes are."""

    what: str
    url: str
    stretch: Stretch


class VerifiedBoot:
    """The policy of one boot: ``plan`` has the authorities and the words of the command line.

    ``ids`` are uid and gid of the process that judges.
    """

    def __init__(self, policy: BootPolicy, plan: Plan, ids: tuple[int, int]) -> None:
        self._policy, self._plan, self._ids = policy, plan, ids

    def apply(
        self, told: ClientResult, files: ReceivedFiles, interface: Optional[ClientInterface]
    ) -> ClientResult:
        """Return what the client told as the policy has it, once its files are judged.

        Raises BootFailed for what the policy refuses, and PxeBootError for what no boot has.
        """
        try:
            return self._apply(told, files, interface)
        except Refused as why:
            failure = Failure("Refused", why.message, why.hint, told.requests, told.warnings)
            raise BootFailed(why, failure) from None

    def _apply(
        self, told: ClientResult, files: ReceivedFiles, interface: Optional[ClientInterface]
    ) -> ClientResult:
        if told.action is not Action.BOOT or self._plan.list_entries:
            return replace(told, cmdline="")  # the local disk is the guest's own
        if self._plan.download:
            self._judge(told, files)
        words = self._command_line(interface)
        if told.cmdline != words:
            level = logging.INFO if words else NOTICE  # without any, somebody may wonder
            log.log(level, "verified boot: the command line is this host's, not %s", _quoted(told.cmdline))
        names = tuple(replace(module, cmdline=_module_name(module.url)) for module in told.modules)
        return replace(told, cmdline=words, modules=names)

    def _command_line(self, interface: Optional[ClientInterface]) -> str:
        """Return the words of the administrator, and those of the guest that the policy allows."""
        words = [self._plan.append] if self._plan.append else []
        guest = self._plan.guest
        if "ip" in self._policy.words and interface is not None and interface.ipv4 is not None:
            ipv4, gateway = interface.ipv4, "" if interface.gateway is None else interface.gateway
            # No server of the network's choice: it would be the one of an nfsroot= without any.
            words.append(f"ip={ipv4.ip}::{gateway}:{ipv4.netmask}")
        if "BOOTIF" in self._policy.words:
            words.append(f"BOOTIF=01-{guest.mac.replace(':', '-')}")
        if "SYSUUID" in self._policy.words and guest.uuid is not None:
            words.append(f"SYSUUID={wire_uuid(guest.uuid)}")
        return " ".join(words)

    def _judge(self, told: ClientResult, files: ReceivedFiles) -> None:
        """Raise Refused unless each file that boots is vouched for, and nothing is between them."""
        stretches = files.stretches(told)
        found = [_File("kernel", "" if told.kernel is None else told.kernel.url, stretches.kernel)]
        found += _files("initrd", told.initrds, stretches.initrds)
        found += _files("module", (module.url for module in told.modules), stretches.modules)
        found += _files("device tree", [] if told.dtb is None else [told.dtb], stretches.dtbs)
        _check_padding(stretches.ramdisk, stretches.initrds)
        signatures: Sequence[int] = stretches.signatures
        if self._plan.signatures and len(signatures) != len(found):
            raise broken_contract(f"it has {len(signatures)} signatures of {len(found)} files")
        for descriptor in signatures:
            if os.fstat(descriptor).st_size > Limits.signature:
                raise broken_contract("a signature has " + size_text(os.fstat(descriptor).st_size))
        exhibits = [
            Exhibit(
                *file.stretch,
                signature=signatures[number] if signatures else None,
                unpacked=None if number else stretches.unpacked,
                section=_section(file.url, found[0].url),
            )
            for number, file in enumerate(found)
        ]
        rules = Rules(self._plan.trust, self._policy.digests, self._plan.target)
        for file, verdict in zip(found, judge(exhibits, rules, self._ids)):
            self._pronounce(file, verdict, told)

    def _pronounce(self, file: _File, verdict: Judgement, told: ClientResult) -> None:
        """Log a verdict. Raises Refused for a file that nothing vouches for."""
        shown = f"{file.what} {printable(file.url, 400)}"
        if verdict.voucher is not Voucher.NOTHING:
            log.info("%s: vouched for by its %s", shown, verdict.voucher.value)
            return
        digest = verdict.sha256 if re.fullmatch("[0-9a-f]{64}", verdict.sha256) else "unknown"
        if self._plan.trust is None:
            raise Refused(
                f"{shown} is not vouched for: its SHA-256 {digest} is none of --sha256", hint=_NOBODY_VOUCHES
            )
        url = signature_of(file.url)
        results = [request.result for request in told.requests if request.url == url]
        answer = f" ({printable(results[-1], 200)})" if results and results[-1] != "ok" else ""
        why = f"{printable(verdict.why, 400)}; asked for {printable(url, 400)}{answer}"
        raise Refused(
            f"{shown} is not vouched for: {why}",
            hint=f"sign the file anew, or allow it by its SHA-256: {digest}",
        )


def _files(what: str, urls: Iterable[str], stretches: Sequence[Stretch]) -> list[_File]:
    """Return the files of one kind. Raises PxeBootError if the client told of more or less than there are."""
    named = list(urls)
    if len(named) != len(stretches):
        raise broken_contract(f"it tells of {len(named)} files ({what}), and there are {len(stretches)}")
    return [_File(what, url, stretch) for url, stretch in zip(named, stretches)]


def _check_padding(ramdisk: Optional[Stretch], initrds: Sequence[Stretch]) -> None:
    """Raise Refused unless a ramdisk is its initrds, in their order, with NULs between them at most."""
    if ramdisk is None:
        return
    descriptor, at, size = ramdisk
    for _, begin, end in (*initrds, (descriptor, size, size)):
        if not at <= begin <= end <= size:
            raise broken_contract("its initrds lie one in the other")
        gap = os.pread(descriptor, begin - at, at) if begin - at < ReceivedFiles.ALIGN else b"?"
        if len(gap) != begin - at or gap.strip(b"\0"):
            raise Refused(
                "the ramdisk has bytes beside its initrds that nobody vouches for",
                hint="files that a loader wraps into the ramdisk (cpio headers) do not boot verified: "
                "serve an initrd that has them",
            )
        at = end


def _section(url: str, kernel: str) -> str:
    """Return the section of the kernel's file that the client says to have taken a file out of, if any.

    That is no favour: the judge compares the two.
    """
    file, mark, section = url.rpartition("#")
    return section if mark and file == kernel else ""


def _module_name(url: str) -> str:
    """Return the name of a module, which is all of its command line: other words would be the network's."""
    name = url.partition("?")[0].rpartition("/")[2]
    return name if _MODULE_NAME.fullmatch(name) else "module"


def _quoted(text: str) -> str:
    return repr(printable(text, 1000))
