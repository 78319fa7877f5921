"""A web proxy: only the one that the administrator names; by a real one (tinyproxy), and unfriendly ones."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ground import BRIDGE, MAC, SECOND_SERVER, SERVER, Run, Site, servers, wait_until
from ground.kernels import dummy
from ground.net import Server
from ground.servers import Offer
from ground.simple import check_stderr, kernel_of, tree
from http_peers import certificate

from pypxeboot.errors import FetchError, UsageError
from pypxeboot.fetch.http import client, message
from pypxeboot.fetch.http import proxy as httpproxy

PORT = 3128


def tinyproxy(site: Site, *lines: str) -> Server:
    """A proxy on the first address of the server."""
    state = site.fresh("tinyproxy")
    own = [
        f"Port {PORT}",
        f"Listen {SERVER}",
        "Timeout 20",
        "MaxClients 20",
        "LogLevel Connect",
        "ConnectPort 443",
    ]
    state.write_text("\n".join([*own, *lines, ""]))
    server = site.spawn(["tinyproxy", "-d", "-c", str(state)], "tinyproxy.log")
    wait_until(lambda: servers.is_listening(site, PORT, "-lnt"), 5, "tinyproxy listens")
    return server


def serve(site: Site, url: str) -> Path:
    """DHCP and TFTP, and the kernel at ``url``; the web server is nobody's but the proxy's to reach."""
    files = {**tree(), "boot.ipxe": f"#!ipxe\nkernel {url} x=1\nboot\n"}
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, root, Offer(filename="boot.ipxe"))
    return root


def failed(run: Run) -> bool:
    """Whether the kernel of the script could not be had: it ends, and what is left is the disk."""
    return bool(run.ok().result["action"] == "localboot")


@pytest.mark.netns
def test_http_by_a_proxy(site: Site) -> None:
    """It also resolves the names: the guest's network has no name server."""
    root = serve(site, "http://localhost:80/vmlinuz")
    servers.nginx(site, root, addresses=["127.0.0.1"])
    proxy = tinyproxy(site)
    run = site.boot("--http-proxy", f"http://{SERVER}:{PORT}")
    assert kernel_of(run) == dummy("vmlinuz"), proxy.text()
    assert run.result["kernel"]["url"] == "http://localhost:80/vmlinuz"
    check_stderr(run)
    assert failed(site.boot("--timeout", "10")), "not without it"


@pytest.mark.netns
def test_https_through_a_tunnel(site: Site) -> None:
    cert, key = certificate(site.directory, f"IP:{SECOND_SERVER}")
    root = serve(site, f"https://{SECOND_SERVER}/vmlinuz")
    servers.nginx(
        site, root, f"ssl_certificate {cert}; ssl_certificate_key {key}; listen {SECOND_SERVER}:443 ssl;"
    )
    proxy = tinyproxy(site)
    run = site.boot("--http-proxy", f"http://{SERVER}:{PORT}/", "--tls-ca", str(cert))
    assert kernel_of(run) == dummy("vmlinuz"), proxy.text()
    assert f"CONNECT {SECOND_SERVER}:443" in proxy.text()
    run = site.boot("--http-proxy", f"http://{SERVER}:{PORT}/")
    assert failed(run) and "self" in run.stderr, "by the authorities of the system it is nobody's"


@pytest.mark.netns
def test_password_of_the_proxy(site: Site) -> None:
    root = serve(site, f"http://{SERVER}/vmlinuz")
    servers.nginx(site, root)
    tinyproxy(site, "BasicAuth me secret")
    run = site.boot("-v", "--http-proxy", f"http://me:secret@{SERVER}:{PORT}")
    assert kernel_of(run) == dummy("vmlinuz")
    assert "secret" not in run.stderr and b"secret" not in run.stdout
    assert failed(site.boot("--http-proxy", f"http://{SERVER}:{PORT}"))


@pytest.mark.netns
def test_from_the_configuration_file_and_never_from_the_environment(site: Site) -> None:
    root = serve(site, "http://localhost/vmlinuz")
    servers.nginx(site, root, addresses=["127.0.0.1"])
    tinyproxy(site)
    env = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), f"http://{SERVER}:{PORT}")
    argv = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    assert failed(site.pypxeboot(*argv, "--timeout", "10", env=env))
    config = site.directory / "own.conf"
    config.write_text(f"[defaults]\nhttp-proxy = http://{SERVER}:{PORT}\n")
    assert kernel_of(site.boot(f"--config-file={config}")) == dummy("vmlinuz")


@contextmanager
def unfriendly(reply: bytes, trickle: float = 0.0) -> Iterator[int]:
    """A proxy on loopback that answers each request by ``reply``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        try:
            conn, _ = listener.accept()
            with conn:
                conn.recv(4096)
                for at in range(len(reply)):
                    conn.sendall(reply[at : at + 1])
                    time.sleep(trickle)
        except OSError:
            return

    threading.Thread(target=answer, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


REPLIES = {
    "refused": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
    "password": (b"HTTP/1.1 407 \x1b[2J\r\n\r\n", "407 Proxy Authentication Required"),
    "no-http": (b"SSH-2.0\r\n\r\n", "no proper HTTP answer"),
    "nothing": (b"", "no proper HTTP answer"),
    "without-end": (b"HTTP/1.1 403 no\r\n" + b"x" * 10000, "403 Forbidden"),
    "no-tls-behind": (b"HTTP/1.1 200 ok\r\n\r\n" + b"no TLS at all" * 100, "TLS|closed"),
}


@pytest.mark.parametrize("case", REPLIES)
def test_tunnels_that_are_none(case: str) -> None:
    reply, said = REPLIES[case]
    with unfriendly(reply) as port, pytest.raises(FetchError) as caught:
        get("https://boot.example/x", port, 5)
    assert re.search(said, caught.value.message) and caught.value.message.isprintable()


def get(url: str, port: int, seconds: float) -> None:
    proxy = httpproxy.address(f"http://127.0.0.1:{port}")
    client.get(url, lambda piece: None, limit=1000, deadline=time.monotonic() + seconds, proxy=proxy)


def test_answer_that_trickles() -> None:
    begin = time.monotonic()
    with unfriendly(b"HTTP/1.1 200 " + b"x" * 1000, trickle=0.2) as port, pytest.raises(FetchError):
        get("https://boot.example/x", port, 1)
    assert time.monotonic() - begin < 10


def test_proxy_that_is_not_there() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError) as caught:
            get("http://boot.example/x", deaf.getsockname()[1], 5)
    assert "web proxy" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["socks5://h:1", "https://h:1", "h:3128", "http://h:1/path", "http://h:99999", ""]
)
def test_urls_of_no_proxy(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        httpproxy.address(url)
    assert caught.value.message.startswith("--http-proxy")


def test_what_is_asked() -> None:
    proxy = httpproxy.address("http://me:pw@p:3128")
    wanted = message.parse("https://[2001:db8::1]/x y")
    asked = b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"
    assert httpproxy.connect(wanted, proxy) == asked + b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    assert httpproxy.target(message.parse("http://h:81/x y?a")) == "http://h:81/x%20y?a"
