"""The last line of a failed boot is its cause: proxies, certificates, pages for files, odd answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import serve, tree
from tests.support.peers.http import certificate

PAGE = "<!DOCTYPE html><html><body>Log in, please</body></html>"
AT_THE_WEB = f"DEFAULT a\nLABEL a\nKERNEL http://{SERVER}/vmlinuz\n"


def said(run: Run) -> dict[str, Any]:
    """The error of a failed boot, whose hint is the last line of the log."""
    error: dict[str, Any] = run.result["error"]
    assert run.stderr.splitlines()[-1] == f"pypxeboot: hint: {error['hint']}", str(run)
    return error


@pytest.mark.parametrize(
    ("name", "expired", "cause", "hint"),
    [
        ("DNS:other.lab", False, "certificate is not valid for", "the certificate is for another name"),
        (f"IP:{SERVER}", True, "certificate has expired", "is the clock of this host right"),
    ],
)
def test_a_certificate(site: Site, tmp_path: Path, name: str, expired: bool, cause: str, hint: str) -> None:
    """Who signed it is not the question."""
    cert, key = certificate(tmp_path, name, expired=expired)
    root = serve(site, files=tree(AT_THE_WEB.replace("http:", "https:")))
    servers.nginx(site, root, f"listen {SERVER}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key};")
    error = said(site.boot("--tls-ca", str(cert)))
    assert cause in error["message"] and error["hint"].startswith(hint)


def test_a_server_that_does_not_speak_tls(site: Site) -> None:
    root = serve(site, files=tree(AT_THE_WEB.replace(f"http://{SERVER}", f"https://{SERVER}:80")))
    servers.nginx(site, root)
    error = said(site.boot())
    assert "TLS: " in error["message"] and error["hint"].startswith("does it speak TLS on that port?")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("403", "is it the proxy that says so?"),
        ("407", "name user and password in the URL of --http-proxy"),
        ("502", "is it the proxy that says so?"),
    ],
)
def test_a_proxy_that_says_no(site: Site, status: str, hint: str) -> None:
    root = serve(site, files=tree("DEFAULT a\nLABEL a\nKERNEL http://10.77.0.99/vmlinuz\n"))
    servers.nginx(site, root, f"location /vmlinuz {{ return {status}; }}")
    error = said(site.boot("--http-proxy", f"http://{SERVER}:80"))
    assert f"(by way of the proxy http://{SERVER})" in error["message"], error
    assert error["hint"].startswith(hint)


def test_a_page_in_place_of_the_kernel(site: Site) -> None:
    serve(site, files={**tree(), "vmlinuz": PAGE.encode()})
    error = said(site.boot())
    assert "looks like an HTML page" in error["message"]
    assert error["hint"].startswith("is that a page of the web server, a proxy or a portal")


def test_a_page_in_place_of_an_initrd_is_a_warning(site: Site) -> None:
    """The real one boots it, and the guest panics."""
    serve(site, files={**tree(), "i2": PAGE.encode()})
    result = site.boot().ok().result
    (warning,) = result["warnings"]
    assert warning.startswith(f"initrd tftp://{SERVER}/i2 looks like an HTML page")


def test_a_server_that_fails_for_every_name(site: Site) -> None:
    """That is another cause than that no configuration is there."""
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, None, Offer(filename=f"http://{SERVER}/pxelinux.0"))
    servers.nginx(site, root, "location /pxelinux.cfg/ { return 500; }")
    error = said(site.boot())
    assert error["message"].endswith("pxelinux.cfg/default: 500 Internal Server Error")
    assert error["hint"].startswith("can the server read its files?")


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (PAGE.encode(), "an HTML page", "is that a page of the web server"),
        (b"\xef\xbb\xbf#!ipxe\nboot k\n", "text with a byte order mark", "save it without one"),
        ("#!ipxe\nboot k\n".encode("utf-16"), "text in UTF-16", "save it as UTF-8"),
        (b"# ipxe\nboot k\n", "text", "its first line has to be #!ipxe"),
    ],
)
def test_what_should_be_a_script(site: Site, content: bytes, what: str, hint: str) -> None:
    serve(site, files={**tree(), "boot.ipxe": content}, offer=Offer(filename="boot.ipxe"))
    error = said(site.boot())
    assert error["message"].endswith(f"is not an iPXE script: it looks like {what}")
    assert error["hint"].startswith(hint)


def test_a_host_that_the_dns_does_not_know(site: Site) -> None:
    """The boot server is asked in its place, as by the real one; the cause comes first all the same."""
    serve(site, files=tree(AT_THE_WEB.replace(SERVER, "files.lab")))
    error = said(site.boot())
    assert error["hint"].startswith("files.lab has no address (")
    assert "and so the boot server was asked" in error["hint"]


_DIES = """
import socket
listener = socket.create_server(("10.77.0.1", 80))
print("ready", flush=True)
sock = listener.accept()[0]
sock.recv(4096)
sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9000000\\r\\n\\r\\n" + bytes(300000))
"""


def test_a_server_that_ends_in_the_middle(site: Site) -> None:
    serve(site, files={**tree(AT_THE_WEB), "vmlinuz": dummy("vmlinuz")})
    site.spawn([sys.executable, "-c", _DIES], "dies.log").wait_for("ready")
    error = said(site.boot())
    assert "300000 of 9000000 bytes" in error["message"] or "293.0 KiB received" in error["message"], error
    assert error["hint"].startswith("the server ended the connection in the middle")
