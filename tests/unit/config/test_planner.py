"""The command line: its forms, and what is said of wrong ones."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from pypxeboot.config import planner
from pypxeboot.config.options import parse
from pypxeboot.errors import UsageError
from pypxeboot.plan import BootPolicy, HostPlan, Plan
from tests.support.samples.plans import LIBXL_END, LIBXL_OUT, MAC, ONE, plan


@pytest.mark.parametrize(
    ("text", "bridge", "vlan"),
    [
        (f"mac={MAC}", None, None),
        (f"mac={MAC},", None, None),
        (f"mac={MAC},bridge=xenbr0,", "xenbr0", None),
        (f"mac={MAC}, bridge=xenbr0 , vlan=20", "xenbr0", 20),
        (f"bridge=xenbr0,mac={MAC}", "xenbr0", None),
        (f"MAC={MAC.upper()},Bridge=xenbr0", "xenbr0", None),
        (f"ip=10.0.0.5,script=vif-bridge,model=e1000,mac={MAC},bridge=br-lan,rate=10Mb/s", "br-lan", None),
    ],
)
def test_vif_strings(text: str, bridge: Any, vlan: Any) -> None:
    guest = plan(text).guest
    assert (guest.mac, guest.bridge, guest.vlan) == (MAC, bridge, vlan)
    assert parse([text, "disk.img"]).disk == "disk.img"


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("00:16:3E:01:02:03", MAC),
        ("00-16-3e-01-02-03", MAC),
        ("0016.3e01.0203", MAC),
        ("00163e010203", MAC),
        ("0:16:3e:1:2:3", MAC),
        (" 00:16:3e:01:02:03 ", MAC),
        ("02:00:00:00:00:00", "02:00:00:00:00:00"),
    ],
)
def test_mac_notations(text: str, mac: str) -> None:
    assert plan("--mac", text).guest.mac == mac


BAD_MACS = ["", "00:16:3e:01:02", "00:16:3e:01:02:03:04", "01:16:3e:01:02:03", "ff:ff:ff:ff:ff:ff"]
BAD_MACS += [
    "00:00:00:00:00:00",
    "00:16:3e:01:02:0g",
    "00:16:3e:01:02:003",
    "٠٠163e010203",
    "00 16 3e 01 02 03",
]
BAD_MACS += ["00:16:3e:01:02:03\n00", "-", "::::::", "00163e01020"]


@pytest.mark.parametrize("text", BAD_MACS)
def test_bad_macs(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(f"--mac={text}", "--bridge", "br0")
    assert caught.value.message


def test_hypervisor_is_told_or_taken_from_the_caller() -> None:
    assert plan(f"mac={MAC}").guest.hypervisor == "kvm"
    assert plan("--hypervisor=xen", f"mac={MAC}").guest.hypervisor == "xen"
    assert plan("--hypervisor=kvm", *LIBXL_OUT, *LIBXL_END).guest.hypervisor == "kvm"


def test_words_of_both_kinds_are_joined() -> None:
    assert plan("--args=a  b", "--append", "c", f"mac={MAC}").append == "a  b c"


@pytest.mark.parametrize(
    ("argv", "address", "prefix"),
    [
        (["--ip=10.0.0.5/24"], "10.0.0.5", 24),
        (["--ip=10.0.0.5/255.255.254.0"], "10.0.0.5", 23),
        (["--ip=10.0.0.5", "--netmask=255.255.255.0"], "10.0.0.5", 24),
        (["--ip=10.0.0.5/32"], "10.0.0.5", 32),
    ],
)
def test_addresses_by_hand(argv: list[str], address: str, prefix: int) -> None:
    lease = plan(*argv, "--gateway=10.0.0.1", "--dns=10.0.0.2", "--dns=10.0.0.3", f"mac={MAC}").static
    assert lease is not None
    assert (str(lease.address), lease.prefix_length) == (address, prefix)
    assert lease.routers == (IPv4Address("10.0.0.1"),) and [str(network) for network, _ in lease.routes] == [
        "0.0.0.0/0"
    ]
    assert [str(server) for server in lease.dns] == ["10.0.0.2", "10.0.0.3"]
    assert plan(f"mac={MAC}").static is None


BAD: list[list[str]] = [
    [],
    ["--no-such-option", ONE],
    ["--output-format=xml", ONE],
    ["--hypervisor=vmware", ONE],
    ["--link=tunnel", ONE],
    ["--profile=mac", ONE],
    ["--uuid=12", ONE],
    ["--bridge=a/b", ONE],
    ["--bridge=..", ONE],
    ["--bridge=" + "a" * 16, ONE],
    ["--interface=a b", ONE],
    ["--vlan=0", ONE],
    ["--vlan=4095", ONE],
    ["--vlan=abc", ONE],
    [f"mac={MAC},vlan=x"],
    [f"mac={MAC},vlan=²"],
    [f"mac={MAC},bridge"],
    ["--timeout=0", ONE],
    ["--timeout=-1", ONE],
    ["--timeout=nan", ONE],
    ["--timeout=inf", ONE],
    ["--timeout=1e99", ONE],
    ["--timeout=abc", ONE],
    ["--mac-wait=nan", ONE],
    ["--mac-wait=-1", ONE],
    ["--menu-timeout=nan", ONE],
    ["-i", "-q", ONE],
    [ONE, "disk1", "disk2"],
    ["--ip=10.0.0.5", ONE],
    ["--ip=10.0.0.300/24", ONE],
    ["--ip=10.0.0.5/33", ONE],
    ["--ip=10.0.0.5", "--netmask=255.0.255.0", ONE],
    ["--ip=::1/64", ONE],
    ["--ip=0.0.0.0/24", ONE],
    ["--ip=127.0.0.1/8", ONE],
    ["--ip=224.0.0.1/24", ONE],
    ["--ip=255.255.255.255/32", ONE],
    ["--ip=10.0.0.5/0", ONE],
    ["--ip=10.0.0.5/24", "--gateway=router", ONE],
    ["--ip=10.0.0.5/24", "--dns=::1", ONE],
    ["--gateway=router", ONE],
    ["--dns=nameserver", ONE],
    ["--smbios=vendor=x", ONE],
    ["--smbios=type=9,vendor=x", ONE],
    ["--output", ONE],
]


@pytest.mark.parametrize("argv", BAD, ids=lambda argv: " ".join(argv)[:50] or "nothing")
def test_bad_values(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        plan(*argv)
    assert caught.value.code == 2 and "\n" not in caught.value.message


def test_smbios_as_the_guest_will_find_it() -> None:
    """Machines without SMBIOS say nothing; what is given counts everywhere."""

    def vendor(*words: str) -> str:
        return plan(f"mac={MAC}", *words).guest.smbios.get("SYSVENDOR", "")

    x86 = ("--arch", "x86_64")
    assert [vendor(*x86, "--output-format", form) for form in ("json", "qemu", "libvirt")] == ["QEMU"] * 3
    assert vendor(*x86, "--output-format=cloud-hypervisor") == "Cloud Hypervisor"
    for words in (
        ("firecracker", "x86_64"),
        ("qemu-microvm", "amd64"),
        ("qemu", "arm64"),
        ("json", "aarch64"),
    ):
        assert vendor("--output-format", words[0], "--arch", words[1]) == ""
        given = "type=1,manufacturer=ACME"
        assert vendor("--output-format", words[0], "--arch", words[1], "--smbios", given) == "ACME"
    assert vendor(*x86, "--hypervisor=xen") == "Xen"


@pytest.mark.parametrize(("arch", "name"), [("aarch64", "arm64"), ("amd64", "x86_64"), ("i686", "i386")])
def test_architectures_by_other_names(arch: str, name: str) -> None:
    made = plan(f"mac={MAC}", "--output-format=qemu", "--arch", arch)
    assert made.guest.arch == arch and made.target is not None and made.target.arch == name
    with pytest.raises(UsageError, match="has no guests of vax"):
        plan(f"mac={MAC}", "--output-format=qemu", "--arch=vax")


def test_what_verified_boot_demands(tmp_path: Path) -> None:
    trust = tmp_path / "root.pem"
    trust.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")

    def planned(*argv: str) -> tuple[Plan, HostPlan]:
        settings = parse([ONE, *argv])
        return planner.plan(settings), planner.host_plan(settings)

    plain, host = planned("--trust", str(trust), "--sha256", "a" * 64)
    assert host.policy is None and not plain.signatures
    assert planned("--verify=off")[1].policy is None
    verified, host = planned(
        "--verify=required", f"--trust={trust}", f"--sha256={'A' * 64}", "--cmdline-allow=ip"
    )
    assert host.policy == BootPolicy(("a" * 64,), ("ip",)) and verified.signatures
    assert not planned("--verify=required", f"--sha256={'0' * 64}")[0].signatures, "there is nobody to trust"
    for word in ("-n", "-l"):
        listed, host = planned("--verify=required", f"--trust={trust}", word)
        assert host.policy is not None and not listed.signatures


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--verify=required"], "--verify required has nothing to verify by"),
        (["--verify=maybe"], "invalid choice: 'maybe'"),
        (["--sha256=abc"], "invalid SHA-256 (64 hexadecimal digits) value: 'abc'"),
        (["--sha256", "g" * 64], "invalid SHA-256"),
        (["--cmdline-allow=init"], "invalid choice: 'init'"),
        (["--verify=required", "--trust=/nosuch"], "--trust /nosuch: No such file"),
    ],
)
def test_demands_that_make_no_sense(argv: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(ONE, *argv)
    assert says in caught.value.message
