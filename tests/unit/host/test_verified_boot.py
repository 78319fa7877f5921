"""The command line under verified boot: the administrator's words, and of the guest's what is allowed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.entry import Action, Reason
from pypxeboot.guest import Guest
from pypxeboot.host.interface import ClientInterface
from pypxeboot.host.output_files import Store
from pypxeboot.host.received_files import ReceivedFiles
from pypxeboot.host.verified_boot import VerifiedBoot
from pypxeboot.limits import Limits
from pypxeboot.links.link import Attached, AttachRequest, FoundLink, Link
from pypxeboot.plan import BootPolicy, Plan
from pypxeboot.privsep.messages import ClientResult, ConfigureInterface, KernelReport, ModuleReport, Route

GUEST = Guest("52:54:00:ab:cd:ef", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b")
TOLD = ClientResult(
    action=Action.BOOT,
    lease=None,
    loader="pxelinux",
    config=None,
    label="a",
    reason=Reason.DEFAULT,
    kernel=KernelReport("tftp://x/k"),
    initrds=(),
    modules=(),
    dtb=None,
    cmdline="root=/dev/vda init=/bin/sh",
    requests=(),
    warnings=(),
    failure=None,
)
WORDS = {
    "ip": "ip=10.77.0.9::10.77.0.1:255.255.255.0",
    "BOOTIF": "BOOTIF=01-52-54-00-ab-cd-ef",
    "SYSUUID": "SYSUUID=2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b",
}


def verified(*words: str, append: str = "root=/dev/vda", guest: Guest = GUEST) -> VerifiedBoot:
    """The policy of a boot that downloads nothing, and so judges nothing."""
    plan = Plan(guest, append=append, download=False)
    return VerifiedBoot(BootPolicy((), words), plan, (65534, 65534))


def apply(
    boot: VerifiedBoot,
    directory: Path,
    told: ClientResult = TOLD,
    interface: Optional[ClientInterface] = None,
) -> ClientResult:
    with Store(directory) as store:
        return boot.apply(told, ReceivedFiles(store, Limits(), digests=False), interface)


def configured(*requests: tuple[str, int, Optional[str]]) -> ClientInterface:
    """An interface that was given addresses, each with its prefix length and gateway."""
    link = Link(FoundLink(Link, "eth0", None), AttachRequest(GUEST, 0, print))
    interface = ClientInterface(link, Attached("host", "eth0", 1500, "eth0"), 1, 0)
    for address, prefix_length, gateway in requests:
        routes = [Route("fd01::/64" if ":" in address else "10.0.0.0/8", None)]
        routes += [] if gateway is None else [Route("::/0" if ":" in address else "0.0.0.0/0", gateway)]
        interface.configure(ConfigureInterface(address, prefix_length, tuple(routes), None))
    return interface


@pytest.mark.parametrize(
    "allowed", [choice for count in range(4) for choice in itertools.combinations(WORDS, count)], ids=str
)
def test_words_of_the_guest_are_added_where_they_are_allowed(
    tmp_path: Path, allowed: tuple[str, ...]
) -> None:
    boot = verified(*reversed(allowed))
    # For the one of IPv6 the kernel has no ip=.
    interface = configured(
        ("10.77.0.7", 16, None), ("10.77.0.9", 24, "10.77.0.1"), ("fd00::9", 64, "fe80::1")
    )
    expected = " ".join(["root=/dev/vda", *(WORDS[name] for name in allowed)])
    assert apply(boot, tmp_path, interface=interface).cmdline == expected


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    guest = replace(GUEST, uuid=None)
    assert apply(verified("ip", "SYSUUID", guest=guest), tmp_path).cmdline == "root=/dev/vda"
    assert apply(verified(append=""), tmp_path).cmdline == ""
    interface = configured(("10.77.0.9", 16, None))
    assert (
        apply(verified("ip"), tmp_path, interface=interface).cmdline
        == "root=/dev/vda ip=10.77.0.9:::255.255.0.0"
    )


@pytest.mark.parametrize("action", [Action.LOCALBOOT, Action.REBOOT, Action.POWEROFF])
def test_the_local_disk_has_no_words_of_the_network(tmp_path: Path, action: Action) -> None:
    told = apply(verified("BOOTIF"), tmp_path, replace(TOLD, action=action, kernel=None))
    assert (told.action, told.cmdline) == (action, "")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://x/a/m.gz?init=/bin/sh", "m.gz"),
        ("tftp://x/m init=1", "module"),
        ("tftp://x/", "module"),
        ("tftp://x/-v", "module"),
        ("m\n", "module"),
        ("x" * 200, "module"),
    ],
)
def test_a_module_has_its_name_alone(tmp_path: Path, url: str, name: str) -> None:
    told = replace(TOLD, modules=(ModuleReport(url, "m init=/bin/sh"),))
    assert apply(verified(), tmp_path, told).modules == (ModuleReport(url, name),)
