"""What the two processes of a boot import: by name and number, for time differs from machine to machine."""

from __future__ import annotations

import re

from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.simple import kernel_of, serve, tree

UNUSED = (
    "scapy",
    "dns",
    "lupa",
    "passlib",
    "cryptography",
    "asn1crypto",
    "zstandard",
    "lz4",
    "xml",
    "ftplib",
)


HEAVY = {"dataclasses", "inspect", "subprocess", "shutil", "bz2", "lzma", "uuid", "platform"}
"""What parts of the standard library take with them is more than all that a boot needs of them."""


def imported(site: Site, *args: str, form: str = "json") -> tuple[Run, set[str], set[str]]:
    """A boot, and the modules that the host side and the client process tell of."""
    base = (
        f"--output-format={form}",
        "--mac",
        "52:54:00:ab:cd:ef",
        "--bridge",
        "br0",
        "--output-directory",
        str(site.out),
    )
    run = site.pypxeboot(*base, *args, env={"PYTHONPROFILEIMPORTTIME": "1"})
    lines = re.findall(r"^(pypxeboot: )?import time: .*\| *(\S+)$", run.stderr, re.M)
    host = {name for prefix, name in lines if not prefix}
    return run.ok(), host, {name for prefix, name in lines if prefix}


def test_a_boot_over_tftp(site: Site) -> None:
    serve(site)
    run, host, client = imported(site)
    assert kernel_of(run) == tree()["vmlinuz"]
    for names in (host, client):
        assert not [
            name for name in names if name.partition(".")[0] in (*UNUSED, "requests", "urllib3", "ssl")
        ]
        assert names & HEAVY == set()
    # What both use is imported once, before the fork.
    assert not [name for name in host & client if name.startswith("pypxeboot.")]
    assert not client & {"tftpy.TftpClient", "importlib.metadata", "email"}, "more of tftpy than its packets"
    assert len(host) < 180 and len(client) < 122


def test_a_boot_of_a_xen_domain(site: Site) -> None:
    """Its result has no digests, and OpenSSL is half of what the host side takes beside Python."""
    serve(site)
    output = site.directory / "result"
    _, host, _ = imported(site, f"--output={output}", form="sxp")
    assert output.read_bytes().startswith(b"linux (kernel ")
    assert not host & {"hashlib", "_hashlib", "pypxeboot.output.json_report"}
    assert len(host) < 172


def test_the_discover_goes_out_first(site: Site) -> None:
    """What it does without is imported when it is out, while the server thinks."""
    serve(site)
    run, _, client = imported(site, "-v")
    assert "pypxeboot.client.pipeline" in client
    before, _, after = run.stderr.partition("DHCPDISCOVER, try 1")
    for name in (
        "client.pipeline",
        "client.entry_files",
        "fetch.fetcher",
        "syslinux.loader.execute",
        "effects",
    ):
        assert f"pypxeboot.{name}\n" in after and f"pypxeboot.{name}\n" not in before, name


def test_a_boot_over_http(site: Site) -> None:
    files = {**tree(), "menu": f"DEFAULT a\nLABEL a\n KERNEL http://{SERVER}/vmlinuz\n"}
    servers.nginx(site, servers.plant(site.directory / "web", files))
    servers.dnsmasq(site, None)
    run, host, client = imported(site, "--config", f"http://{SERVER}/menu")
    assert kernel_of(run) == tree()["vmlinuz"]
    for names in (host, client):
        assert not [name for name in names if name.partition(".")[0] in (*UNUSED, "tftpy")]
    assert "requests" in client - host
    assert len(host) < 180 and len(client) < 260
