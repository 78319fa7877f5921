"""A web proxy: only the one that the administrator names; by a real one (tinyproxy), and unfriendly ones."""

from __future__ import annotations

from pathlib import Path

from tests.support.ground import BRIDGE, MAC, SECOND_SERVER, SERVER, Run, Site, servers, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.net import Server
from tests.support.ground.servers import Offer
from tests.support.ground.simple import check_stderr, kernel_of, tree
from tests.support.peers.http import certificate

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
    wait_until(lambda: servers.is_listening(site, PORT, "-lnt"), 30, "tinyproxy listens")
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


def test_password_of_the_proxy(site: Site) -> None:
    root = serve(site, f"http://{SERVER}/vmlinuz")
    servers.nginx(site, root)
    tinyproxy(site, "BasicAuth me secret")
    run = site.boot("-v", "--http-proxy", f"http://me:secret@{SERVER}:{PORT}")
    assert kernel_of(run) == dummy("vmlinuz")
    assert "secret" not in run.stderr and b"secret" not in run.stdout
    assert failed(site.boot("--http-proxy", f"http://{SERVER}:{PORT}"))


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
