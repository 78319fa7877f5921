"""proxyDHCP, boot menus and boot servers: one real server gives addresses, another what to boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import terminal
from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, check_simple, check_stderr, tree

PROXY, FARTHER = "10.77.0.4", "10.77.0.5"
NO_BOOT_FILE = Offer(filename="", next_server=SERVER)


@pytest.fixture
def root(site: Site) -> Path:
    return servers.plant(site.directory / "root", {**tree(), **tree(SIMPLE.replace("x=1", "x=2"), "sub/")})


def check_proxied(site: Site, run: Run, base: str = f"tftp://{PROXY}/") -> None:
    """That the address is of one server and everything else of the other."""
    check_simple(site, run, base)
    assert run.result["lease"]["server_id"] == SERVER
    check_stderr(run)


@pytest.mark.parametrize("kind", ["dhcpd", "kea", "dnsmasq"])
def test_one_server_for_addresses_and_one_to_boot_from(site: Site, root: Path, kind: str) -> None:
    if kind == "dnsmasq":
        servers.dnsmasq(site, None, NO_BOOT_FILE)
    else:
        (servers.dhcpd if kind == "dhcpd" else servers.kea)(site, NO_BOOT_FILE)
    proxy = servers.proxy_dhcp(site, PROXY, "--pxe-service=x86PC,Linux,pxelinux", root=root)
    run = site.boot("-v")
    check_proxied(site, run)
    assert (run.result["lease"]["next_server"], run.result["lease"]["bootfile"]) == (PROXY, "pxelinux.0")
    assert run.result["seconds"]["dhcp"] < 2, "nothing was waited for in vain"
    assert "asking 10.77.0.4, port 4011" in run.stderr, proxy.text()


ARCHS = {
    "efi-x86-64": (("--profile", "efi"), "x86-64_EFI"),
    "efi-i386": (("--profile", "efi", "--arch", "i386"), "IA32_EFI"),
    "efi-arm64": (("--profile", "efi", "--arch", "arm64"), "ARM64_EFI"),
    "efi-bc": (("--client-arch", "9"), "BC_EFI"),
    "bios-i386": (("--arch", "i386"), "X86PC"),
}


@pytest.mark.parametrize("case", ARCHS)
def test_every_architecture_has_its_service(site: Site, root: Path, case: str) -> None:
    words, name = ARCHS[case]
    (root / "syslinux.efi").write_bytes(b"MZ a program for the firmware")
    servers.dhcpd(site, NO_BOOT_FILE)
    others = {"x86-64_EFI", "IA32_EFI", "ARM64_EFI", "BC_EFI", "X86PC"} - {name}
    wrong = [f"--pxe-service={other},wrong,nowhere.efi" for other in sorted(others)]
    servers.proxy_dhcp(site, PROXY, f"--pxe-service={name},right,syslinux.efi", *wrong, root=root)
    run = site.boot("-n", *words)
    assert run.ok().result["lease"]["bootfile"] == "syslinux.efi"
    assert run.result["config"] == f"tftp://{PROXY}/pxelinux.cfg/default"
    check_stderr(run)


def test_boot_file_in_the_offer_itself(site: Site, root: Path) -> None:
    """dnsmasq answers an iPXE like that: nothing is asked at port 4011."""
    (root / "boot.ipxe").write_text(
        "#!ipxe\nset n ${proxydhcp/next-server}\nkernel vmlinuz x=${n} f=${filename}\nboot\n"
    )
    servers.dhcpd(site, NO_BOOT_FILE)
    extra = ["--dhcp-match=set:ipxe,175", "--dhcp-boot=tag:ipxe,boot.ipxe"]
    servers.proxy_dhcp(site, PROXY, *extra, "--pxe-service=tag:!ipxe,x86PC,Linux,undionly.kpxe", root=root)
    run = site.boot("-v")
    assert run.ok().result["cmdline"] == f"x={PROXY} f=boot.ipxe", str(run)
    assert run.result["kernel"]["url"] == f"tftp://{PROXY}/vmlinuz"
    assert run.stderr.count("port 4011") == 1, "asked as a ROM, for undionly.kpxe"


def test_proxy_beside_a_boot_file_of_dhcp(site: Site, root: Path) -> None:
    """Firmware follows the proxy; so does this, where the proxy's offer is there in time."""
    servers.proxy_dhcp(site, PROXY, "--pxe-service=x86PC,Linux,pxelinux", root=root)
    servers.dnsmasq(site, None, Offer(filename="router.0"), extra=["--dhcp-reply-delay=1"])
    check_proxied(site, site.boot())


MENU = (
    "--pxe-service=x86PC,Linux,pxelinux",
    "--pxe-service=x86PC,Other,sub/pxelinux",
    "--pxe-service=x86PC,Disk,0",
)


@pytest.mark.parametrize("prompt", ["Press F8,5", "Press F8,0", "Choose", ""])
def test_nobody_chooses_from_the_menu(site: Site, root: Path, prompt: str) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, *MENU, *([f"--pxe-prompt={prompt}"] if prompt else []), root=root)
    run = site.boot("-v")
    check_proxied(site, run)
    assert run.seconds < 10 and "PXE boot menu ('Linux', 'Other', 'Disk'): 'Linux' is taken" in run.stderr


def test_a_label_names_an_item_of_the_menu(site: Site, root: Path) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, *MENU, root=root)
    run = site.boot("--label", "Other")
    assert run.ok().result["kernel"]["url"] == f"tftp://{PROXY}/sub/vmlinuz"
    assert site.boot("--label", "Disk").ok().result["action"] == "localboot"
    assert site.boot("--label", "b").ok().result["kernel"]["url"] == f"tftp://{PROXY}/other"


def test_dhcp_server_with_a_menu_of_its_own(site: Site, root: Path) -> None:
    servers.dnsmasq(site, root, NO_BOOT_FILE, extra=MENU)
    check_simple(site, site.boot())
    run = site.boot("--label", "Other")
    assert run.ok().result["kernel"]["url"] == f"tftp://{SERVER}/sub/vmlinuz"


def test_boot_server_on_a_third_machine(site: Site, root: Path) -> None:
    """One for addresses, one with the menu, and the one that the item leads to."""
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, f"--pxe-service=x86PC,There,pxelinux,{FARTHER}")
    namespace, link = servers.beside(site, FARTHER)
    servers.dnsmasq(site, root, None, namespace=namespace, link=link)
    check_proxied(site, site.boot(), f"tftp://{FARTHER}/")


def test_item_whose_boot_server_is_silent(site: Site, root: Path) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, f"--pxe-service=x86PC,WDS,1,{FARTHER}")
    run = site.boot()
    assert run.rc == 4 and "boot server of type 1" in run.result["error"]["message"], str(run)
    assert run.seconds < 20
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.parametrize("filename", ["pxelinux.0", ""])
def test_option_60_without_anything_behind_it(site: Site, root: Path, filename: str) -> None:
    """Left over from a Windows server: firmware hangs at port 4011."""
    servers.tftpd_hpa(site, root)
    servers.dhcpd(site, Offer(filename=filename), extra='option vendor-class-identifier "PXEClient";')
    run = site.boot()
    if filename:
        check_simple(site, run)
        assert run.result["seconds"]["dhcp"] < 2
    else:
        assert run.rc == 4 and run.seconds < 15, str(run)
        assert "PXE server 10.77.0.1 does not answer at port 4011" in run.stderr


def test_option_43_of_another_vendor(site: Site, root: Path) -> None:
    """Bytes that would be a menu of PXE, if the server were one."""
    servers.tftpd_hpa(site, root)
    menu = "06:01:03:09:08:80:00:05:4c:69:6e:75:78"
    servers.dhcpd(site, extra=f"option vendor-encapsulated-options {menu};")
    run = site.boot("-v")
    check_simple(site, run)
    assert "boot menu" not in run.stderr


def test_items_stand_in_the_list(site: Site, root: Path) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, *MENU, root=root)
    run = site.boot("--list-entries")
    assert run.rc == 0 and "--label takes 'Linux', 'Other', 'Disk'" in run.stderr, str(run)


def test_only_a_proxy_answers(site: Site) -> None:
    servers.proxy_dhcp(site, PROXY, "--pxe-service=x86PC,Linux,pxelinux")
    run = site.boot("--timeout", "3")
    assert run.rc == 3 and "only PXE servers answer" in run.result["error"]["message"], str(run)


def test_what_to_boot_was_said_already(site: Site, root: Path) -> None:
    """No PXE server is asked, nor waited for."""
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.tftpd_hpa(site, root)
    servers.proxy_dhcp(site, PROXY, *MENU, "--pxe-prompt=Choose")
    run = site.boot("--bootfile", "pxelinux.0", "--server", SERVER)
    check_simple(site, run)
    assert "4011" not in run.stderr


XTERM = {"term": "xterm-256color", "size": (80, 24), "raw": False}


def test_prompt_and_menu_on_the_terminal(site: Site, root: Path) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, *MENU, "--pxe-prompt=Press F8 for the menu,60", root=root)
    with terminal.run(site, **XTERM) as screen:
        screen.wait_for("Press F8 for the menu (5")
        screen.press("f8")
        screen.wait_for("Disk")
        screen.press("down", "enter")
        result = screen.finish().ok().result
    assert result["kernel"]["url"] == f"tftp://{PROXY}/sub/vmlinuz"


def test_menu_at_once_on_libxls_terminal(site: Site, root: Path) -> None:
    servers.dhcpd(site, NO_BOOT_FILE)
    servers.proxy_dhcp(site, PROXY, *MENU, "--pxe-prompt=Choose one", root=root)
    with terminal.run(site, "-i") as screen:
        screen.wait_for("Choose one")
        screen.wait_for("Disk")
        screen.press("end", "enter")
        assert screen.finish().ok().result["action"] == "localboot"
    with terminal.run(site, "-i") as screen:
        screen.wait_for("Disk")
        screen.press("escape")
        assert screen.finish().rc == 8
    with terminal.run(site, "--menu-timeout", "1") as screen:
        assert screen.finish().ok().result["kernel"]["url"] == f"tftp://{PROXY}/vmlinuz"


def test_port_4011_from_the_hosts_own_address(tmp_path: Path, clean_machine: None) -> None:
    """With --link host the guest's address is nobody's yet: the host asks, and is answered."""
    with Site(tmp_path, host_address=True) as site:
        root = servers.plant(site.directory / "root", tree())
        servers.dhcpd(site, NO_BOOT_FILE)
        servers.proxy_dhcp(site, PROXY, *MENU, root=root)
        run = site.boot("--link", "host")
        assert run.ok().result["kernel"]["url"] == f"tftp://{PROXY}/vmlinuz"
        assert run.result["lease"]["address"] == "10.77.0.173"
