"""iPXE scripts through the command line, against real servers: how a boot comes to one, what it leaves."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import signal
from pathlib import Path
from typing import Union

import pytest

from tests.support.ground import MAC, SERVER, UUID, Run, Site, servers, tools, wait_until
from tests.support.ground.kernels import dummy, multiboot_elf
from tests.support.ground.servers import Offer
from tests.support.ground.simple import asked, kernel_of, ramdisk_of

BY_USER_CLASS = ("--dhcp-userclass=set:ipxe,iPXE",)
SCRIPT = "#!ipxe\nkernel vmlinuz a=1\ninitrd i1\ninitrd i2\nboot\n"
JOINED = b"INITRD-ONE\n".ljust(4096, b"\0") + b"INITRD-TWO-22\n"
"""Each padded to a page, as iPXE does."""


def tree(**more: Union[str, bytes]) -> dict[str, Union[str, bytes]]:
    """Kernel, initrds and a script; other files by name, in which ``__`` is a dot."""
    files: dict[str, Union[str, bytes]] = {
        "vmlinuz": dummy("vmlinuz"),
        "i1": b"INITRD-ONE\n",
        "i2": b"INITRD-TWO-22\n",
        "boot.ipxe": SCRIPT,
        "undionly.kpxe": b"a program for the firmware",
        "pxelinux.cfg/default": "DEFAULT x\nLABEL x\n KERNEL vmlinuz\n APPEND by=pxelinux\n",
    }
    return {**files, **{name.replace("__", "."): data for name, data in more.items()}}


def serve(site: Site, filename: str, *extra: str, **more: Union[str, bytes]) -> servers.Server:
    """Serve the tree by TFTP; the DHCP server names ``filename``."""
    root = servers.plant(site.directory / "root", tree(**more))
    return servers.dnsmasq(site, root, Offer(filename=filename), extra=extra)


def to_ipxe(bootfile: str) -> tuple[str, ...]:
    """Arguments of a dnsmasq that names ``bootfile`` to an iPXE."""
    return (*BY_USER_CLASS, f"--dhcp-boot=tag:ipxe,{bootfile},,{SERVER}")


def check_script(site: Site, run: Run) -> None:
    """That SCRIPT booted, and left its two files only."""
    result = run.ok().result
    assert (result["loader"], result["action"], result["reason"]) == ("ipxe", "boot", "script")
    assert (result["cmdline"], kernel_of(run), ramdisk_of(run)) == ("a=1", dummy("vmlinuz"), JOINED)
    initrds = [(i["url"].rpartition("/")[2], i["size"], i["sha256"]) for i in result["initrds"]]
    assert initrds == [
        (name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in (("i1", b"INITRD-ONE\n"), ("i2", b"INITRD-TWO-22\n"))
    ]
    site.assert_nothing_left([Path(result[name]["path"]).name for name in ("kernel", "ramdisk")])


@pytest.mark.parametrize("program", ["undionly.kpxe", "ipxe.pxe", "snponly.efi", "netboot.xyz.kpxe"])
def test_an_ipxe_program_leads_to_dhcp_as_ipxe(site: Site, program: str) -> None:
    dhcp = serve(site, program, *to_ipxe("boot.ipxe"))
    check_script(site, site.boot())
    discovers = dhcp.text().count("DHCPDISCOVER(")
    assert discovers == 2 and "user class: iPXE" in dhcp.text()


def test_the_chain_of_isc_dhcpd_and_its_feature_test(site: Site) -> None:
    """As ipxe.org has it: the script only for an iPXE that says what it can do."""
    root = servers.plant(site.directory / "root", tree())
    servers.tftpd_hpa(site, root)
    test = (
        "option space ipxe; option ipxe-encap-opts code 175 = encapsulate ipxe;"
        " option ipxe.http code 19 = unsigned integer 8; option ipxe.menu code 39 = unsigned integer 8;"
        " option ipxe.pxe code 33 = unsigned integer 8; option ipxe.bzimage code 24 = unsigned integer 8;"
        " option ipxe.elf code 34 = unsigned integer 8;"
        ' if exists user-class and option user-class = "iPXE" and exists ipxe.http and exists ipxe.menu'
        " and exists ipxe.pxe and exists ipxe.bzimage and exists ipxe.elf"
        ' { filename "boot.ipxe"; } else { filename "undionly.kpxe"; }'
    )
    servers.dhcpd(site, Offer(filename=""), extra=test)
    check_script(site, site.boot())


def test_the_chain_that_has_no_end_is_told(site: Site) -> None:
    serve(site, "undionly.kpxe")
    run = site.boot()
    error = run.result["error"]
    assert (run.rc, error["kind"]) == (4, "NoBootSource")
    assert "for ever" in error["message"] and "user class iPXE" in error["hint"]
    site.assert_nothing_left()


def test_profile_ipxe_starts_as_one(site: Site) -> None:
    dhcp = serve(site, "undionly.kpxe", *to_ipxe("boot.ipxe"))
    check_script(site, site.boot("--profile", "ipxe"))
    assert dhcp.text().count("DHCPDISCOVER(") == 1


def test_another_exchange_with_frames_on_the_hosts_own_link(tmp_path: Path, clean_machine: None) -> None:
    with Site(tmp_path, host_address=True) as site:
        serve(site, "undionly.kpxe", *to_ipxe("boot.ipxe"))
        check_script(site, site.boot("--link", "host"))


def test_option_209_is_for_pxelinux_only(site: Site) -> None:
    """Sites force it on every client; an iPXE does not read it, but the PXELINUX that it chains does."""
    root = servers.plant(
        site.directory / "root", tree(two__ipxe="#!ipxe\nchain pxelinux.0\n", pxelinux__0="nbp")
    )
    config = "DEFAULT y\nLABEL y\n KERNEL vmlinuz\n APPEND by=209\n"
    (root / "special.cfg").write_text(config)
    offer = Offer(filename="undionly.kpxe", options={209: "special.cfg"})
    server = servers.dnsmasq(site, root, offer, extra=to_ipxe("boot.ipxe"))
    check_script(site, site.boot())
    server.stop()
    shutil.rmtree(site.out)
    servers.dnsmasq(site, root, offer, extra=to_ipxe("two.ipxe"))
    assert site.boot().ok().result["cmdline"].split()[-1] == "by=209"


def test_the_second_answer_may_be_pxelinux(site: Site) -> None:
    serve(site, "undionly.kpxe", *to_ipxe("pxelinux.0"))
    run = site.boot()
    assert (run.ok().result["loader"], run.result["cmdline"].split()[-1]) == ("pxelinux", "by=pxelinux")


def test_no_second_answer(site: Site) -> None:
    serve(site, "undionly.kpxe", *BY_USER_CLASS, "--dhcp-ignore=tag:ipxe")
    run = site.boot("--timeout", "8")
    assert (run.rc, run.result["error"]["kind"]) == (3, "NoLease")
    site.assert_nothing_left()


def test_without_dhcp_there_is_no_second_answer(site: Site) -> None:
    serve(site, "x")
    run = site.boot("--ip", "10.77.0.173/24", "--server", SERVER, "--bootfile", "undionly.kpxe")
    assert (run.rc, run.result["error"]["kind"]) == (3, "NoLease")
    assert "--ip" in run.result["error"]["message"]


def test_udhcpc_asks_once(site: Site) -> None:
    serve(site, "undionly.kpxe")
    udhcpc = site.directory / "udhcpc"
    udhcpc.symlink_to(tools.need("busybox"))
    run = site.boot("--udhcpc", str(udhcpc))
    assert (run.rc, run.result["error"]["kind"]) == (3, "NoLease")
    assert "once" in run.result["error"]["message"]
    site.assert_nothing_left()


@pytest.mark.parametrize("name", ["autoexec", "boot.php", "menu.cfg", "x/script"])
def test_a_script_is_known_by_its_content(site: Site, name: str) -> None:
    serve(site, name, **{name.replace(".", "__"): SCRIPT.replace(" v", " /v").replace(" i", " /i")})
    run = site.boot()
    check_script(site, run)
    assert [url for url, _ in asked(run)].count(f"tftp://{SERVER}/{name}") == 1


@pytest.mark.parametrize(
    "name", ["pxelinux-menu", "pxelinux.0", "undionly.kpxe", "ipxe.efi", "grubx64.efi", "x.0"]
)
def test_a_script_with_the_name_of_a_program(site: Site, name: str) -> None:
    """It is asked for once, and the script runs from there."""
    serve(site, name, **{name.replace(".", "__"): SCRIPT})
    run = site.boot("--profile", "ipxe")
    check_script(site, run)
    assert asked(run)[0][0] == f"tftp://{SERVER}/{name}" and len(asked(run)) == 4


@pytest.mark.parametrize(
    ("name", "loader"), [("pxelinux.0", "pxelinux"), ("grubx64.efi", "grub"), ("core.0", "grub")]
)
def test_a_program_that_is_not_there_is_what_its_name_says(site: Site, name: str, loader: str) -> None:
    grub = {"grub__cfg": "menuentry x {\nlinux /vmlinuz by=grub\n}\n"}
    serve(site, name, **grub)
    result = site.boot().ok().result
    assert (result["loader"], result["cmdline"].rpartition("by=")[2]) == (loader, loader)


def test_a_log_server_of_dhcp(site: Site) -> None:
    """Option 7, which servers send only to who asks for it."""
    script = "#!ipxe\nkernel vmlinuz ${7:ipv4} ${syslog} ${net0.dhcp/syslog:hex}\nboot\n"
    serve(site, "boot.ipxe", "--dhcp-option=7,10.9.8.7", boot__ipxe=script)
    assert site.boot("--profile", "ipxe").ok().result["cmdline"] == "10.9.8.7 10.9.8.7 0a:09:08:07"


def test_multiboot_kernels_with_modules(site: Site) -> None:
    """An ELF file with a multiboot header, as Xen's: URI and arguments, and each module with its own."""
    xen = multiboot_elf()
    script = "#!ipxe\nkernel mb dom0_mem=1G\nmodule vmlinuz root=x\nmodule i1\nboot\n"
    root = servers.plant(site.directory / "root", tree(**{"mb": xen, "boot__ipxe": script}))
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/boot.ipxe"))
    servers.nginx(site, root)
    run = site.boot("--profile", "ipxe")
    result = run.ok().result
    assert result["cmdline"] == f"http://{SERVER}/mb dom0_mem=1G" and kernel_of(run) == xen
    assert [module["cmdline"] for module in result["modules"]] == [
        f"http://{SERVER}/vmlinuz root=x",
        f"http://{SERVER}/i1",
    ]
    assert not result["initrds"] and result["ramdisk"] is None


def test_a_data_uri_is_no_request(site: Site) -> None:
    script = "#!ipxe\nkernel vmlinuz\ninitrd --name f data:text/plain;base64,aGVsbG8K /f\nboot\n"
    serve(site, "boot.ipxe", boot__ipxe=script)
    run = site.boot("--profile", "ipxe")
    assert run.ok().result["initrds"][0]["url"] == "data:text/plain;base64,aGVsbG8K"
    assert ramdisk_of(run).endswith(b"/f\0\0\0\0hello\n") and len(asked(run)) == 2


def test_a_script_on_a_web_server(site: Site) -> None:
    root = servers.plant(site.directory / "root", {f"web/{name}": data for name, data in tree().items()})
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/web/boot.ipxe"))
    servers.nginx(site, root)
    run = site.boot()
    check_script(site, run)
    names = ("boot.ipxe", "vmlinuz", "i1", "i2")
    assert asked(run) == [(f"http://{SERVER}/web/{name}", "ok") for name in names]


def test_a_script_of_gpxe(site: Site) -> None:
    serve(site, "boot.gpxe", boot__gpxe=SCRIPT.replace("ipxe", "gpxe"))
    check_script(site, site.boot())


def test_a_name_that_promises_a_script(site: Site) -> None:
    serve(site, "boot.ipxe", boot__ipxe="<html>404, politely</html>\n")
    run = site.boot()
    assert run.rc == 4 and "not an iPXE script" in run.result["error"]["message"]
    site.assert_nothing_left()


def test_a_script_that_is_not_there(site: Site) -> None:
    serve(site, "gone.ipxe")
    run = site.boot()
    assert (run.rc, run.result["error"]["kind"]) == (6, "FetchError")


def test_a_kernel_under_the_name_of_a_script(site: Site) -> None:
    serve(site, "boot.ipxe", boot__ipxe=dummy("odd"))
    run = site.boot("--append", "x=1")
    assert (run.ok().result["loader"], kernel_of(run)) == ("kernel", dummy("odd"))


def test_a_configuration_as_boot_file(site: Site) -> None:
    root = servers.plant(
        site.directory / "root",
        {"web/menu.cfg": "DEFAULT x\nLABEL x\n KERNEL vmlinuz\n", "web/vmlinuz": dummy("vmlinuz")},
    )
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/web/menu.cfg"))
    servers.nginx(site, root)
    run = site.boot()
    assert (run.ok().result["loader"], kernel_of(run)) == ("pxelinux", dummy("vmlinuz"))
    assert run.result["config"] == f"http://{SERVER}/web/menu.cfg"


def test_an_entry_of_pxelinux_that_is_a_script(site: Site) -> None:
    config = "DEFAULT s\nLABEL s\n KERNEL boot.ipxe\n INITRD i1\n"
    serve(site, "pxelinux.0", **{"pxelinux__cfg/default": config})
    run = site.boot()
    assert (run.ok().result["cmdline"], kernel_of(run), ramdisk_of(run)) == ("a=1", dummy("vmlinuz"), JOINED)
    site.assert_nothing_left([Path(run.result[name]["path"]).name for name in ("kernel", "ramdisk")])


IPXE_ENTRIES = {
    "program": "KERNEL undionly.kpxe",
    "lkrn": "KERNEL ipxe.lkrn",
    "chained": "COM32 pxechn.c32\n APPEND undionly.kpxe",
    "lkrn with its script": "KERNEL ipxe.lkrn\n INITRD boot.ipxe",
}


@pytest.mark.parametrize("how", IPXE_ENTRIES)
def test_an_entry_of_pxelinux_that_is_an_ipxe(site: Site, how: str) -> None:
    config = f"DEFAULT s\nLABEL s\n {IPXE_ENTRIES[how]}\n"
    dhcp = serve(site, "pxelinux.0", *to_ipxe("boot.ipxe"), **{"pxelinux__cfg/default": config})
    run = site.boot("--label", "s")
    assert (run.ok().result["cmdline"], ramdisk_of(run)) == ("a=1", JOINED)
    assert dhcp.text().count("DHCPDISCOVER(") == (1 if "script" in how else 2)


def test_an_entry_that_is_an_ipxe_which_is_led_back(site: Site) -> None:
    serve(site, "pxelinux.0", **{"pxelinux__cfg/default": "DEFAULT s\nLABEL s\n KERNEL undionly.kpxe\n"})
    run = site.boot()
    assert (run.rc, run.result["error"]["kind"]) == (4, "NoBootSource")
    site.assert_nothing_left()


def test_scripts_and_configurations_that_lead_to_each_other(site: Site) -> None:
    config = "DEFAULT s\nLABEL s\n KERNEL loop.ipxe\n"
    loop = "#!ipxe\nset 209:string pxelinux.cfg/default\nchain pxelinux.0\n"
    serve(site, "pxelinux.0", **{"pxelinux__cfg/default": config, "loop__ipxe": loop, "pxelinux__0": "nbp"})
    run = site.boot()
    assert run.rc == 5 and "for ever" in run.result["error"]["message"]
    site.assert_nothing_left()


def test_a_script_behind_a_label(site: Site) -> None:
    config = "DEFAULT x\nLABEL x\n KERNEL vmlinuz\nLABEL s\n KERNEL boot.ipxe\n"
    serve(site, "pxelinux.0", **{"pxelinux__cfg/default": config})
    assert site.boot("--label", "s").ok().result["cmdline"] == "a=1"


def test_label_names_an_item_of_the_scripts_menu(site: Site) -> None:
    script = "#!ipxe\nmenu\nitem a A\nitem b B\nchoose x\nkernel vmlinuz x=${x}\nboot\n"
    serve(site, "boot.ipxe", boot__ipxe=script)
    assert site.boot("--label", "b").ok().result["cmdline"] == "x=b"
    entries = site.boot("--list-entries").ok().result["entries"]
    assert [entry["label"] for entry in entries] == ["a", "b"]


def test_one_kernel_and_one_initrd_are_written_once(site: Site) -> None:
    """The file that a download went to is the output; nothing is copied."""
    serve(site, "boot.ipxe", boot__ipxe="#!ipxe\nkernel vmlinuz\ninitrd i1\nboot\n")
    run = site.boot("-v")
    assert (kernel_of(run), ramdisk_of(run)) == (dummy("vmlinuz"), b"INITRD-ONE\n")
    assert "joined" not in run.stderr
    site.assert_nothing_left([Path(run.result[name]["path"]).name for name in ("kernel", "ramdisk")])


def test_not_really(site: Site) -> None:
    big = dummy("big") + bytes(4 << 20)
    script = "#!ipxe\nkernel big\ninitrd i1\nsha256sum big\nboot\n"
    serve(site, "boot.ipxe", boot__ipxe=script.replace("sha256sum big\n", ""), big=big)
    run = site.boot("-n")
    result = run.ok().result
    assert (result["kernel"]["url"], result["kernel"]["size"]) == (f"tftp://{SERVER}/big", None)
    assert result["initrds"][0]["size"] is None and result["ramdisk"]["path"] is None
    got = {request["url"].rpartition("/")[2]: request["bytes"] for request in result["requests"]}
    assert got["big"] < 1 << 20
    site.assert_nothing_left()


def test_digests_and_archives(site: Site) -> None:
    content = b"INITRD-" * 500_000
    script = (
        "#!ipxe\nkernel vmlinuz\nimgfetch --name z i.gz\nimgextract --name plain z\n"
        "md5sum --set sum plain\nimgargs vmlinuz sum=${sum}\nboot\n"
    )
    serve(site, "boot.ipxe", boot__ipxe=script, i__gz=gzip.compress(content))
    run = site.boot("-v")
    assert run.ok().result["cmdline"] == f"sum={hashlib.md5(content).hexdigest()}"
    assert ramdisk_of(run) == content


def test_a_failed_script_leaves_nothing(site: Site) -> None:
    serve(site, "boot.ipxe", boot__ipxe="#!ipxe\nkernel vmlinuz\ninitrd i1\ninitrd i2\n:a\ngoto a\n")
    run = site.boot()
    assert run.rc == 5, str(run)
    site.assert_nothing_left()


def test_sleep_ends_with_the_deadline(site: Site) -> None:
    serve(site, "boot.ipxe", boot__ipxe="#!ipxe\nkernel vmlinuz\nsleep 99999\nboot\n")
    run = site.boot("--timeout", "20")
    assert run.rc == 6 and "--timeout" in run.result["error"]["hint"] and run.seconds < 15
    site.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_script_that_is_killed_leaves_nothing(site: Site, number: signal.Signals) -> None:
    script = "#!ipxe\nkernel vmlinuz\ninitrd i1\necho here\nsleep 50\nboot\n"
    serve(site, "boot.ipxe", boot__ipxe=script)
    log = site.directory / "log"
    with log.open("wb") as err:
        process = site.start(
            *("-v", "--mac", MAC, "--bridge", "br0", "--output-directory", str(site.out)), stderr=err
        )
        try:
            wait_until(lambda: b": here" in log.read_bytes(), 20, "the script sleeps")
            process.send_signal(number)
            process.wait(10)
        finally:
            process.kill()
    site.assert_nothing_left(within=5)


def test_what_the_guest_is_asked_about(site: Site) -> None:
    script = "#!ipxe\nkernel vmlinuz ${mac:hexhyp} ${ip} ${uuid} ${next-server} ${netX/mac}\nboot\n"
    serve(site, "boot.ipxe", boot__ipxe=script)
    run = site.boot("--uuid", UUID)
    assert run.ok().result["cmdline"] == f"52-54-00-ab-cd-ef 10.77.0.173 {UUID} {SERVER} {MAC}"
