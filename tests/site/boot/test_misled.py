"""Boots that fail, or boot something else, for a reason that is easily mistaken: words that lead to it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, servers, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.net import SECOND_SERVER, command
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, serve, tree
from tests.support.peers.http import certificate


def doctor(site: Site, *args: str) -> Run:
    return site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, *args)


def said(run: Run) -> dict[str, Any]:
    """The error of a failed boot, which stands on both outputs."""
    error: dict[str, Any] = run.result["error"]
    assert run.rc == error["code"], str(run)
    assert f"error: {error['message']}" in run.stderr
    assert not error["hint"] or f"hint: {error['hint']}" in run.stderr
    return error


@pytest.mark.parametrize("line", ["APEND console=hvc0", "APPEND\u00a0console=hvc0"])
def test_words_that_are_lost(site: Site, line: str) -> None:
    """The boot stays as the real one's; the line that it skipped is named."""
    serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL vmlinuz\n{line}\n"))
    run = site.boot("-v").ok()
    assert run.result["cmdline"].strip() == "BOOT_IMAGE=vmlinuz"
    (text,) = run.result["warnings"]
    assert "pxelinux.cfg/default line 4: 'AP" in text and text in run.stderr
    examined = doctor(site).ok().stdout.decode()
    assert f"WARN  boot       {text}" in examined and examined.endswith("it boots, with 1 warning\n")


def test_words_that_u_boot_does_not_know(site: Site) -> None:
    serve(site, files=tree("LABEL a\nKERNEL vmlinuz\nAPEND console=hvc0\nUI menu.c32\n"))
    (text,) = site.boot("--dialect", "uboot").ok().result["warnings"]
    assert "pxelinux.cfg/default line 3: 'APEND console=hvc0' means nothing" in text


@pytest.mark.parametrize(
    "content, what",
    [
        ("<html><body>It works</body></html>", "an HTML page"),
        ("set timeout=5\nmenuentry x {\n linux /vmlinuz\n}\n", "a configuration of GRUB"),
        (SIMPLE.encode("utf-16"), "text in UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\3xxxx", "a file compressed with gzip"),
        ("#!ipxe\nkernel vmlinuz\nboot\n", "an iPXE script"),
        ('{"error": "no such host"}', "JSON"),
    ],
)
def test_a_configuration_without_an_entry(site: Site, content: Any, what: str) -> None:
    serve(site, files={**tree(), "pxelinux.cfg/default": content})
    error = said(site.boot())
    assert error["code"] == 5 and error["hint"]
    assert error["message"].endswith(f"pxelinux.cfg/default has no entry: it looks like {what}")


def test_a_configuration_without_a_byte(site: Site) -> None:
    serve(site, files={**tree(), "pxelinux.cfg/default": b""})
    error = said(site.boot())
    assert error["code"] == 4 and error["message"].endswith("pxelinux.cfg/default is empty")
    assert error["hint"].startswith("a file without a byte counts as not there")


def one_source(site: Site, topic: str, cause: str, hint: str, *args: str) -> None:
    """The boot says ``cause`` and ``hint`` (beginnings of them), and the doctor nothing else."""
    error = said(site.boot(*args))
    assert cause in error["message"] and error["hint"].startswith(hint), error
    run = doctor(site, *args)
    failed = re.search(r"FAIL  (\S+) +(.*)\n +-> (.*)\n", run.stdout.decode())
    assert run.rc == error["code"] and failed, str(run)
    assert failed[1] == topic and cause in failed[2] and failed[3].startswith(hint), str(run)


def test_a_certificate_and_an_error_of_the_web_server(site: Site, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, f"IP:{SERVER}")
    root = serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL https://{SERVER}/vmlinuz\n"))
    extra = f"listen {SERVER}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
    servers.nginx(site, root, f"{extra} location /vmlinuz {{ return 500; }}")
    one_source(
        site, "HTTPS", "TLS: self-signed certificate", "if the certificate is right, name the authority"
    )
    trusting = ("--tls-ca", str(cert))
    one_source(
        site, "HTTPS", "500 Internal Server Error", "the web server failed itself: its error", *trusting
    )


def test_a_name_that_no_dns_knows(site: Site) -> None:
    serve(site)
    asking = ("--path-prefix", "http://files.example/")
    one_source(
        site, "HTTP", "no address of files.example", "have DHCP send a name server (option 6)", *asking
    )


def test_no_web_server_and_no_tftp_server(site: Site) -> None:
    serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL http://{SERVER}/vmlinuz\n"))
    one_source(
        site, "HTTP", "Connection refused", f"{SERVER} is on, but does a web server listen on TCP port 80"
    )
    site.stop_servers()
    servers.dnsmasq(site, None)
    one_source(
        site, "TFTP", "Connection refused", f"{SERVER} is on, but does a TFTP server listen on UDP port 69"
    )


def test_a_file_that_the_web_server_has_not(site: Site) -> None:
    """The hint of the cause comes first, that of the entry behind it."""
    root = serve(site, files=tree(f"DEFAULT a\nLABEL a\nKERNEL http://{SERVER}/Vmlinuz\n"))
    servers.nginx(site, root)
    error = said(site.boot())
    assert "label 'a': " in error["message"] and "404 Not Found" in error["message"]
    cause, entry = error["hint"].split("; ")
    assert "case counts" in cause and entry == f"the configuration is tftp://{SERVER}/pxelinux.cfg/default"


@pytest.mark.parametrize("name, option", [("vmlinuz", "--max-kernel"), ("i1", "--max-ramdisk")])
@pytest.mark.parametrize("base", ["", f"http://{SERVER}/", f"ftp://{SERVER}/"])
def test_a_limit_names_its_option(site: Site, base: str, name: str, option: str) -> None:
    config = SIMPLE.replace("vmlinuz", f"{base}vmlinuz").replace("i1,i2", f"{base}i1,i2")
    root = serve(site, files={**tree(config), name: dummy(name) + bytes(100_000)})
    servers.nginx(site, root)
    if base.startswith("ftp"):
        servers.vsftpd(site, root)
    error = said(site.boot(option, "90K"))
    assert error["code"] == 7 and f"{name}: " in error["message"] and "limit of 90.0 KiB" in error["message"]
    assert error["hint"].startswith(f"{option} SIZE allows more; the configuration is ")


@pytest.mark.parametrize("base", ["", f"http://{SERVER}/"])
def test_a_ramdisk_that_does_not_fit_into_the_guest(site: Site, base: str) -> None:
    """Nothing of it is downloaded, as the servers say how large it is (dnsmasq up to 4 GiB)."""
    root = serve(site, files=tree(SIMPLE.replace("i1,i2", f"{base}i1")))
    with (root / "i1").open("ab") as file:
        file.truncate((9 if base else 3) << 29)
    servers.nginx(site, root)
    run = site.boot("--max-ramdisk", "8G", "-m", "1024")
    failure = said(run)
    assert failure["code"] == 7 and "limit of 1.0 GiB" in failure["message"]
    assert failure["hint"].startswith("the guest has 1.0 GiB of memory, and kernel and ramdisk have to fit")
    assert max(request["bytes"] for request in run.result["requests"]) < 1 << 20


def scripted(site: Site, *, siaddr: str = "0.0.0.0", **names: bytes) -> None:
    """DHCP alone, with exactly these boot servers: ``o66`` is option 66, ``sname`` the field."""
    words = [f"{name}={value.hex()}" for name, value in names.items()]
    program = [
        sys.executable,
        "-m",
        "tests.support.ground.odd_dhcp",
        site.server_link,
        SERVER,
        siaddr,
        *words,
    ]
    site.spawn(program, "dhcp.log").wait_for("ready")


def beyond(site: Site) -> None:
    """The files are on another machine, OTHER."""
    namespace, link = servers.beside(site, OTHER)
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, None, namespace=namespace, link=link)


OTHER = "10.77.0.4"


def test_option_66_says_another_server(site: Site) -> None:
    """siaddr counts, as for the real one; what 66 says is told once, and in the hint of what comes of it."""
    beyond(site)
    scripted(site, siaddr=SERVER, o66=OTHER.encode())
    run = site.boot()
    error, told = said(run), f"siaddr (next-server) says {SERVER}, which counts; option 66 says {OTHER}"
    assert error["message"].endswith("Connection refused") and f"option 66 says {OTHER}" in error["hint"]
    assert error["hint"].startswith(f"{SERVER} is on, but"), "the cause comes first"
    assert run.stderr.count(told) == 1
    assert f"WARN  DHCP       {SERVER}: boot servers differ: {told}" in doctor(site).stdout.decode()
    site.boot("--server", OTHER).ok()


def test_a_name_in_option_66_is_compared_with_siaddr(site: Site) -> None:
    """The name is looked up where a boot has failed, and by the doctor; one that is the same is not told."""
    servers.dnsmasq(site, None, None, names={"boot.lab": OTHER, "here.lab": SERVER})
    scripted(site, siaddr=SERVER, o66=b"boot.lab", o6=bytes((10, 77, 0, 1)))
    told = f"option 66 says boot.lab, which is {OTHER}"
    hint = said(site.boot())["hint"]
    assert hint.endswith(f"DHCP names other boot servers, too: {told}; --server ADDR asks one of them")
    counts = f"boot servers differ: siaddr (next-server) says {SERVER}, which counts; {told}"
    assert doctor(site).stdout.decode().count(counts) == 1


def test_the_dhcp_server_is_not_the_boot_server(site: Site) -> None:
    """On many sites that has to be so: it is told where nobody had the files, and not before."""
    scripted(site, siaddr=OTHER)
    assert said(site.boot("--timeout", "8"))["code"] == 6
    servers.beside(site, OTHER)
    told = f"DHCP names other boot servers, too: the DHCP server itself (option 54) is {SERVER}; --server"
    assert said(site.boot())["hint"].count(told) == 1


@pytest.mark.parametrize("names", [{"o66": bytes((10, 77, 0, 4))}, {"sname": bytes((10, 77, 0, 4))}])
def test_four_raw_bytes_are_an_address(site: Site, names: dict[str, bytes]) -> None:
    beyond(site)
    scripted(site, **names)
    run = site.boot().ok()
    assert run.result["lease"]["next_server"] == OTHER and "four bytes of an address" in run.stderr
    assert "WARN  DHCP" in doctor(site).ok().stdout.decode()


def test_quotes_around_the_server(site: Site) -> None:
    beyond(site)
    scripted(site, o66=f'"{OTHER}"'.encode(), o67=b'"pxelinux.0"')
    run = site.boot().ok()
    assert run.stderr.count("has quotes around it") == 2


@pytest.mark.parametrize("name", [{"o66": b"0.0.0.0"}, {"sname": b"10.77.0.300"}])
def test_a_server_that_is_nobody(site: Site, name: dict[str, bytes]) -> None:
    """It is not used: the DHCP server itself is asked, as where none is named."""
    servers.tftpd_hpa(site, servers.plant(site.directory / "root", tree()))
    scripted(site, **name)
    run = site.boot().ok()
    assert run.result["lease"]["next_server"] == SERVER and "which is no address of a host" in run.stderr


FAILING = "#!ipxe\nkernel nosuch\nboot\n"


def test_a_script_that_failed(site: Site) -> None:
    """The local disk is right, as with the real ROM, but nobody is told that it boots."""
    serve(site, files={**tree(), "boot.ipxe": FAILING}, offer=Offer(filename="boot.ipxe"))
    run = site.boot("-v").ok()
    result = run.result
    assert (result["action"], result["reason"]) == ("localboot", "script-failed")
    failure = result["failure"]
    assert "boot.ipxe, line 2: nosuch: " in failure["message"] and "case counts" in failure["hint"]
    assert failure["message"] in run.stderr and f"hint: {failure['hint']}" in run.stderr
    examined = doctor(site)
    *_, finding, hint, verdict = examined.stdout.decode().splitlines()
    assert examined.rc == 5 and finding.startswith("FAIL  script     the iPXE script failed")
    assert failure["hint"] in hint and verdict.startswith("it fails at script: the iPXE script failed")
    error = said(site.boot("--on-script-failure", "error"))
    assert (error["code"], error["message"], error["hint"]) == (5, failure["message"], failure["hint"])
    configured = site.fresh("conf")
    configured.write_text("[defaults]\non-script-failure = error\n")
    assert site.boot("--config-file", str(configured)).rc == 5
    site.assert_nothing_left()


def time_over(site: Site, *args: str, seconds: int = 12) -> str:
    """What the one error says, which is that the time is over.

    A busy machine has some of it: the start takes seconds there.
    """
    run = site.boot("--timeout", str(seconds), *args)
    error = said(run)
    assert error["code"] == 6 and run.stderr.count("error: ") == 1, str(run)
    assert error["hint"].endswith("--timeout SECONDS gives it longer") and run.seconds < seconds + 60
    match = re.match(rf"not done after {seconds} s; ([0-9.]+) s of it went to (.*)", error["message"])
    assert match and float(match[1]) > seconds / 4, error
    return match[2]


def test_the_time_went_to_a_server_that_says_nothing_usable(site: Site) -> None:
    """Not the healthy one is blamed that had no time left."""
    config = f"DEFAULT a\nONERROR b\nLABEL a\nKERNEL {SECOND_SERVER}::vmlinuz\nLABEL b\nKERNEL vmlinuz\n"
    serve(site, "dhcpd+hpa", tree(config))  # which answers at SERVER alone
    command("ip", "netns", "exec", site.srv, tools.need("iptables"), "-A", "INPUT", "-d", SECOND_SERVER,
            "-j", "DROP")  # fmt: skip
    assert time_over(site).startswith(f"{SECOND_SERVER} (no answer from TFTP server {SECOND_SERVER}")


def test_the_time_went_to_a_ping(site: Site) -> None:
    """What is left of the script does not fail into a boot from the local disk."""
    script = "#!ipxe\nping --count 30 10.77.0.99 || echo none\nkernel vmlinuz\nboot\n"
    serve(site, files={**tree(), "boot.ipxe": script}, offer=Offer(filename="boot.ipxe"))
    assert time_over(site).startswith("the script's ping of 10.77.0.99")


def test_the_time_went_to_a_loop(site: Site) -> None:
    script = "#!ipxe\n:again\nsleep 1\ndhcp || goto again\ngoto again\n"
    serve(site, files={**tree(), "boot.ipxe": script}, offer=Offer(filename="boot.ipxe"))
    run = site.boot("--timeout", "8")
    assert run.rc == 6 and re.search("a sleep of (1 s|the script)", run.result["error"]["message"]), str(run)
