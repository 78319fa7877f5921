"""IPv6 at a Site: addresses of its server, and servers that speak it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from tests.support.ground import servers
from tests.support.ground.net import MAC, Server, Site, wait_until
from tests.support.ground.servers import Tree
from tests.support.ground.simple import tree

PREFIX6 = "2001:db8:77::/64"
SERVER6, ROUTER6 = "2001:db8:77::1", "fe80::1"
ADDRESS6 = "2001:db8:77::173"
OWN6 = "2001:db8:77:0:5054:ff:feab:cdef"
"""The address that the guest makes itself in PREFIX6."""
BASE6 = f"tftp://[{SERVER6}]/"


def join(site: Site, *addresses: str, link: str = "", namespace: str = "") -> None:
    """Give the server (or a link elsewhere) IPv6 addresses: SERVER6 and, on the link, ROUTER6."""
    given = addresses or (f"{SERVER6}/64", f"{ROUTER6}/64")
    link = link or site.server_link
    # The kernel's own address of the link is tried out for a second or two, which nothing here needs.
    lines = (f"addr flush dev {link} scope link", *(f"addr add {one} dev {link} nodad" for one in given))
    site.ip(*lines, namespace=namespace or site.srv)


def plant(site: Site, files: Optional[Tree] = None) -> Path:
    """The files of a site."""
    return servers.plant(site.directory / "root", tree() if files is None else files)


def tftp(site: Site, root: Path, *extra: str) -> Server:
    """TFTP alone, by dnsmasq."""
    return servers.dnsmasq(site, root, None, extra=extra)


def tftpd_hpa(site: Site, root: Path) -> Server:
    """The TFTP server that answers on the link, too, which dnsmasq's does not."""
    argv = ["in.tftpd", "-L", "-a", "[::]:69", "-u", "root", "-v", "-v", "-s", str(root)]
    server = site.spawn(argv, "tftpd.log")
    wait_until(lambda: servers.is_listening(site, 69), 30, "in.tftpd listens")
    return server


def dnsmasq(
    site: Site,
    root: Optional[Path],
    url: str = f"{BASE6}pxelinux.0",
    *,
    range6: str = "2001:db8:77::100,2001:db8:77::1ff,64,1h",
    host: str = f"{MAC},id:00:03:00:01:{MAC},[{ADDRESS6}]",
    routers: bool = True,
    extra: Sequence[str] = (),
) -> Server:
    """DHCPv6, router advertisements and TFTP; the guest known by its DUID and MAC has ADDRESS6.

    dnsmasq gives the kernel half a second to learn the MAC behind a request, which a busy machine may need.
    """
    own = [f"--dhcp-range={range6}", *([f"--dhcp-host={host}"] if host else [])]
    own += ["--enable-ra", f"--ra-param={site.server_link},5"] if routers else []
    own += [f"--dhcp-option=option6:bootfile-url,{url}"] if url else []
    server = servers.dnsmasq(site, root, None, extra=[*own, *extra])
    return server.wait_for("started")


def kea(site: Site, subnet: dict[str, Any], link: str = "", namespace: str = "", **more: Any) -> Server:
    """Kea's DHCPv6 server with this subnet, leases in memory; ``more`` stands beside the subnet."""
    log = {"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout", "flush": True}]}
    config = {
        "interfaces-config": {"interfaces": [link or site.server_link]},
        "lease-database": {"type": "memfile", "persist": False},
        "valid-lifetime": 600,
        "loggers": [log],
        "subnet6": [{"id": 1, "subnet": PREFIX6, "interface": "" if link else site.server_link, **subnet}],
        **more,
    }
    state = site.fresh("kea6")
    state.mkdir()
    config["server-id"] = {"type": "LL", "persist": False}
    (state / "kea.json").write_text(json.dumps({"Dhcp6": config}))
    env = dict.fromkeys(("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR"), str(state))
    env["KEA_LOGGER_DESTINATION"] = "stdout"
    argv = ["kea-dhcp6", "-c", str(state / "kea.json")]
    return site.spawn(argv, "kea6.log", namespace=namespace, env=env).wait_for("DHCP6_STARTED")


def radvd(site: Site, *lines: str, prefix: str = PREFIX6) -> Server:
    """Router advertisements by radvd, with these lines of its interface's section."""
    state = site.fresh("radvd")
    state.mkdir()
    own = "AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;"
    (state / "conf").write_text(
        f"interface {site.server_link} {{ {own} {' '.join(lines)}\n prefix {prefix} {{ }};\n}};\n"
    )
    argv = ["radvd", "-n", "-d", "3", "-m", "stderr", "-C", str(state / "conf"), "-p", str(state / "pid")]
    return site.spawn(argv, "radvd.log").wait_for("sending RA|config file syntax ok|version .* started")
