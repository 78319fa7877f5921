"""Trees of real sites' habits, and the five sites that the project comes from, on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground import BRIDGE, MAC, SECOND_SERVER, SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import asked, kernel_of, ramdisk_of
from tests.support.site_trees import SITES, tree


def serve(site: Site, files: dict[str, bytes], offer: Offer = Offer(), *extra: str) -> Path:  # noqa: B008
    """Serve ``files`` by TFTP and HTTP."""
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, root, offer, extra=extra)
    servers.nginx(site, root, addresses=[SERVER, SECOND_SERVER])
    return root


@pytest.mark.parametrize("name", SITES)
def test_listed_and_booted(site: Site, name: str) -> None:
    wanted = SITES[name]
    serve(site, dict(wanted.files))
    listed = site.boot("-l", *wanted.arguments).ok().result["entries"]
    for entry, (label, title, menu, boots) in zip(listed, wanted.listed):
        assert (entry["label"], entry["title"], tuple(entry["menu"])) == (label, title or label, menu)
        assert (entry["kernel"] or entry["meaning"] or entry["action"]) == boots
    assert len(listed) == len(wanted.listed)
    run = site.boot(*wanted.arguments)
    result = run.ok().result
    assert (result["action"], result["label"], result["reason"]) == (
        wanted.action,
        wanted.default,
        wanted.reason,
    )
    assert result["cmdline"].rstrip() == wanted.cmdline
    assert tuple(module["cmdline"] for module in result["modules"]) == wanted.modules
    for module in result["modules"]:
        data = Path(module["path"]).read_bytes()
        assert data in wanted.files.values() and len(data) == module["size"]
    for label, cmdline in wanted.labels.items():
        assert site.boot("--label", label).ok().result["cmdline"].rstrip() == cmdline


def test_a_table_for_a_person(site: Site) -> None:
    serve(site, dict(SITES["fedora"].files))
    run = site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, "-l")
    lines = run.stdout.decode().splitlines()
    assert lines[0].split() == ["#", "LABEL", "TITLE", "BOOTS"] and lines[1].startswith("* 1 linux")
    assert "Troubleshooting > Rescue a Fedora system" in lines[3]


def test_what_needs_a_bios_is_named(site: Site) -> None:
    serve(site, dict(SITES["nas"].files))
    run = site.boot("--label", "dos")
    assert (
        run.rc == 7
        and "'dos'" in run.result["error"]["message"]
        and "memdisk" in run.result["error"]["message"]
    )
    assert site.boot("--label", "off").ok().result["action"] == "poweroff"
    assert site.boot("--label", "more").ok().result["label"] == "deep"


# ---- the five sites


def test_the_tool_of_2007(site: Site) -> None:
    """One entry found by the address's digits, and LOCALBOOT at the next start."""
    config = "default linux\nlabel linux\nkernel vmlinuz-xen\nappend initrd=initrd-xen ks=http://s/ks.cfg\n"
    root = serve(site, tree({"pxelinux.cfg/0A4D00AD": config}, "vmlinuz-xen", "initrd-xen"))
    run = site.boot()
    assert run.ok().result["config"] == f"tftp://{SERVER}/pxelinux.cfg/0A4D00AD"
    assert f"getting cfg for IP {ADDRESS} (0A4D00AD) from server {SERVER}" in run.stderr
    (root / "pxelinux.cfg/0A4D00AD").write_text("default local\nlabel local\nlocalboot 0\n")
    assert site.boot().ok().result["action"] == "localboot"


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("default.armhf", ("--arch", "armhf", "--profile", "pxelinux")),
        ("default-arm64-mvebu-db", ("--arch", "arm64", "--board", "mvebu-db")),
        ("default-arm64-mvebu", ("--arch", "arm64", "--board", "mvebu-db")),
        ("01-52-54-00-ab-cd-ef", ()),
        ("0A4D", ()),
        ("default", ()),
    ],
)
def test_arm_servers_of_2012(site: Site, name: str, arguments: tuple[str, ...]) -> None:
    """The boot directory is the site's own, and the kind of machine chooses the configuration."""
    configs = {f"mybootdir/pxelinux.cfg/{name}": f"default {name}\nlabel {name}\nkernel Image\n"}
    if name != "default":
        configs["mybootdir/pxelinux.cfg/default"] = "default other\nlabel other\nkernel Image\n"
    serve(site, tree(configs, "mybootdir/Image"), Offer(filename="mybootdir/pxelinux.0"))
    if "armhf" in arguments:  # a processor without a PXE number of its own: no DHCP is asked by it
        arguments = (
            "--arch",
            "armhf",
            "--ip",
            f"{ADDRESS}/24",
            "--server",
            SERVER,
            "--bootfile",
            "mybootdir/x.0",
        )
    result = site.boot(*arguments, "--no-kernel-check").ok().result  # it is one of a PC
    assert result["label"] == name
    assert result["kernel"]["url"] == f"tftp://{SERVER}/mybootdir/Image"


def test_a_testbed(site: Site) -> None:
    """The configuration by TFTP sends to HTTP; IPAPPEND 3 tells the initramfs interface and lease."""
    config = (
        f"DEFAULT orbit\nLABEL orbit\nKERNEL http://{SECOND_SERVER}/pxe/linux\nIPAPPEND 3\n"
        f"APPEND console=ttyS0 initrd=http://{SECOND_SERVER}/pxe/initramfs.gz\n"
    )
    files = tree({"pxelinux.cfg/default": config}, "pxe/linux", "pxe/initramfs.gz")
    serve(site, files, Offer(filename="lpxelinux.0"))
    run = site.boot()
    assert run.ok().result["cmdline"] == (
        f"BOOT_IMAGE=http://{SECOND_SERVER}/pxe/linux console=ttyS0 "
        f"initrd=http://{SECOND_SERVER}/pxe/initramfs.gz ip={ADDRESS}:{SERVER}:{SERVER}:255.255.255.0 "
        "BOOTIF=01-52-54-00-ab-cd-ef"
    )
    assert kernel_of(run) == dummy("pxe/linux") and ramdisk_of(run) == b"pxe/initramfs.gz\n"


def test_without_dhcp_from_a_web_server(site: Site) -> None:
    config = "UI menu.c32\nTIMEOUT 10\nLABEL a\nKERNEL /boot/linux\nINITRD initrd\n"
    files = tree(
        {"boot/pxelinux.cfg/default": config}, "boot//boot/linux".replace("//boot", "/boot"), "boot/initrd"
    )
    serve(site, files)
    given = ("--ip", f"{ADDRESS}/24", "--gateway", SERVER)
    result = site.boot(*given, "--config", f"http://{SERVER}/boot/pxelinux.cfg/default").ok().result
    assert result["lease"] is None and result["kernel"]["url"] == f"http://{SERVER}/boot//boot/linux"


MENU_PROGRAM = """
location = /menu.php { default_type text/plain; return 200 "LABEL from $arg_from\\nKERNEL real\\n"; }
location = /more { default_type text/plain; return 200 "DEFAULT x\\nLABEL x\\nKERNEL real\\n"; }
location = /script.php { default_type text/plain; return 200 "#!gpxe\\nkernel /web/real a=1\\nboot\\n"; }
"""


@pytest.mark.parametrize(
    "lines, config, label",
    [
        ("KERNEL http://{0}/vesamenu.c32\nAPPEND http://{0}/menu.php?from=kernel", "", "from"),
        ("COM32 menu.c32\nAPPEND http://{0}/menu.php?from=menu", "", "from"),
        ("CONFIG http://{0}/more", "http://{0}/more", "x"),
        ("KERNEL http://{0}/more", "http://{0}/more", "x"),
        ("KERNEL http://{0}/script.php", "", None),
        ("KERNEL config.c32\nAPPEND http://{0}/more", "http://{0}/more", "x"),
    ],
)
def test_menus_that_a_web_program_renders(site: Site, lines: str, config: str, label: Optional[str]) -> None:
    entry = lines.format(SERVER)
    files = tree({"web/pxelinux.cfg/default": f"DEFAULT go\nLABEL go\n{entry}\n"}, "web/real")
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, root, Offer(options={210: f"http://{SERVER}/web/"}))
    servers.nginx(site, root, MENU_PROGRAM)
    result = site.boot().ok().result
    assert result["label"] == label and result["kernel"]["url"] == f"http://{SERVER}/web/real"
    assert not config or result["config"] == config.format(SERVER)


def test_a_mirror_booted_straight_by_options_209_and_210(site: Site) -> None:
    """A distribution's own configuration works from any mirror."""
    config = (
        "path debian-installer/amd64/boot-screens/\n"
        "include debian-installer/amd64/boot-screens/menu.cfg\n"
        "default debian-installer/amd64/boot-screens/vesamenu.c32\nprompt 0\ntimeout 0\n"
    )
    menu = (
        "menu title Installer boot menu\nlabel install\n  menu label ^Install\n"
        "  kernel debian-installer/amd64/linux\n"
        "  append vga=788 initrd=debian-installer/amd64/initrd.gz --- quiet\n"
    )
    base = "debian/dists/stable/main/installer-amd64/current/images/netboot/"
    files = tree(
        {
            base + "pxelinux.cfg/default": config,
            base + "debian-installer/amd64/boot-screens/menu.cfg": menu,
        },
        base + "debian-installer/amd64/linux",
        base + "debian-installer/amd64/initrd.gz",
    )
    options = {209: "pxelinux.cfg/default", 210: f"http://{SERVER}/{base}"}
    serve(site, files, Offer(options=options))
    run = site.boot()
    result = run.ok().result
    assert (result["label"], result["reason"]) == ("install", "waits-forever")
    assert result["kernel"]["url"] == f"http://{SERVER}/{base}debian-installer/amd64/linux"
    assert all(url.startswith("http://") for url, answer in asked(run) if answer == "ok")
