"""Real servers for a Site, started in its server namespace and bound to its server link."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Union

from tests.support.ground import tools
from tests.support.ground.net import BRIDGE, MAC, SERVER, Server, Site, command, wait_until

ADDRESS = "10.77.0.173"
"""The fixed address of the guest where nothing else is said; 0A4D00AD in file names."""

KINDS = ("dnsmasq", "dhcpd+hpa", "kea+atftpd")
"""The pairs of DHCP and TFTP server that :func:`start` knows."""

Tree = Mapping[str, Union[str, bytes]]


def plant(root: Path, tree: Tree) -> Path:
    """Write the files of ``tree`` below ``root`` (emptied first) and give it back.

    The directory itself stays: a server that has it as its root goes on.
    """
    root.mkdir(parents=True, exist_ok=True)
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, data in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


@dataclass(frozen=True)
class Offer:
    """What a DHCP server says to its clients.

    ``options`` (code -> text) are sent whether asked for or not; ``hosts`` gives fixed addresses by MAC.
    """

    filename: str = "pxelinux.0"
    next_server: str = SERVER
    options: Mapping[int, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=lambda: {MAC: ADDRESS})
    broadcast: bool = False


STANDARD = Offer()
"""What is said where a test asks for nothing else."""


def start(site: Site, kind: str, root: Path, offer: Offer = STANDARD) -> Server:
    """Start the DHCP and TFTP servers of ``kind`` over the tree ``root``; the DHCP server is given back."""
    if kind == "dnsmasq":
        return dnsmasq(site, root, offer)
    if kind == "dhcpd+hpa":
        tftpd_hpa(site, root)
        return dhcpd(site, offer)
    assert kind == "kea+atftpd", kind
    atftpd(site, root)
    return kea(site, offer)


def dnsmasq(
    site: Site,
    root: Optional[Path],
    offer: Optional[Offer] = STANDARD,
    *,
    ping: bool = False,
    pool: str = "10.77.0.100,10.77.0.200",
    names: Optional[Mapping[str, str]] = None,
    extra: Sequence[str] = (),
    namespace: str = "",
    link: str = "",
) -> Server:
    """DHCP (where there is an ``offer``), TFTP (a ``root``) and DNS (``names``)."""
    state = site.fresh("dnsmasq")
    argv = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--log-dhcp"]
    argv += ["--no-resolv", "--no-hosts", "--user=root", "--pid-file=", f"--dhcp-leasefile={state}.leases"]
    argv += [f"--interface={link or site.server_link}", "--bind-interfaces", f"--port={53 if names else 0}"]
    if offer:
        argv += [f"--dhcp-range={pool},255.255.255.0,1h", "--dhcp-authoritative"]
        argv += [f"--dhcp-host={mac},{address}" for mac, address in offer.hosts.items()]
        argv += [f"--dhcp-boot={offer.filename},,{offer.next_server}"] if offer.filename else []
        argv += [f"--dhcp-option-force={code},{text}" for code, text in offer.options.items()]
        argv += [] if ping else ["--no-ping"]
        argv += ["--dhcp-broadcast"] if offer.broadcast else []
    if root is not None:
        argv += ["--enable-tftp", f"--tftp-root={root}"]
    argv += [f"--address=/{name}/{address}" for name, address in (names or {}).items()]
    server = site.spawn([*argv, *extra], "dnsmasq.log", namespace=namespace)
    return server.wait_for("TFTP root is" if root is not None else "IP range" if offer else "started")


def beside(site: Site, address: str) -> tuple[str, str]:
    """Another machine on the bridge: its namespace, and its link, which has ``address``."""
    namespace = site.namespace(f"{len(site.servers)}beside")
    port = f"sw{len(site.links())}"
    site.ip(
        f"link add {port} type veth peer name far0 netns {namespace}", f"link set {port} master {BRIDGE} up"
    )
    site.adopt(port)
    site.ip(f"addr add {address}/24 dev far0", "link set far0 up", namespace=namespace)
    return namespace, "far0"


def proxy_dhcp(site: Site, address: str, *extra: str, root: Optional[Path] = None) -> Server:
    """dnsmasq as a proxyDHCP server on a machine of its own; ``extra`` says what it has to boot."""
    namespace, link = beside(site, address)
    extra = ("--dhcp-range=10.77.0.0,proxy", *extra)
    return dnsmasq(site, root, None, extra=extra, namespace=namespace, link=link)


def dhcpd(
    site: Site, offer: Offer = STANDARD, extra: str = "", *, namespace: str = "", link: str = ""
) -> Server:
    """ISC dhcpd. PXE options are forced as its users do it: joined to the client's request list.

    ``extra`` are lines of its configuration.
    """
    names = {209: "conf-file", 210: "path-prefix"}
    codes = ",".join(f"{code:x}" for code in offer.options)
    lines = [
        "authoritative; ddns-update-style none; default-lease-time 600; ping-check off;",
        *(f"option {name} code {code} = text;" for code, name in names.items()),
        "always-broadcast on;" if offer.broadcast else "",
        extra,
        "subnet 10.77.0.0 netmask 255.255.255.0 {",
        f"  range 10.77.0.100 10.77.0.172; option routers {SERVER}; next-server {offer.next_server};",
        f'  filename "{offer.filename}";' if offer.filename else "",
        *(f'  option {names[code]} "{text}";' for code, text in offer.options.items()),
        f"  option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, {codes});"
        if codes
        else "",
        "}",
        *(
            f"host h{n} {{ hardware ethernet {m}; fixed-address {a}; }}"
            for n, (m, a) in enumerate(offer.hosts.items())
        ),
    ]
    state = site.fresh("dhcpd")
    state.mkdir()
    (state / "conf").write_text("\n".join(lines))
    (state / "leases").touch()
    files = ["-cf", str(state / "conf"), "-lf", str(state / "leases"), "-pf", str(state / "pid")]
    argv = ["dhcpd", "-4", "-f", "-d", *files, link or site.server_link]
    server = site.spawn(argv, "dhcpd.log", namespace=namespace)
    return server.wait_for("Sending on   Socket/fallback")


def kea(site: Site, offer: Offer = STANDARD) -> Server:
    """Kea's DHCPv4 server, leases in memory."""
    data = [{"name": "routers", "data": SERVER}]
    subnet = {
        "id": 1,
        "subnet": "10.77.0.0/24",
        "next-server": offer.next_server,
        "boot-file-name": offer.filename,
        "option-data": data
        + [{"code": c, "data": text, "always-send": True} for c, text in offer.options.items()],
        "pools": [{"pool": "10.77.0.100-10.77.0.172"}],
        "reservations": [{"hw-address": mac, "ip-address": address} for mac, address in offer.hosts.items()],
    }
    definitions = [{"name": f"pxe-{code}", "code": code, "type": "string"} for code in (209, 210)]
    log = {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout", "flush": True}]}
    config = {
        "interfaces-config": {"interfaces": [f"{site.server_link}/{SERVER}"], "dhcp-socket-type": "raw"},
        "lease-database": {"type": "memfile", "persist": False},
        "valid-lifetime": 600,
        "option-def": definitions,
        "loggers": [log],
        "subnet4": [subnet],
    }
    state = site.fresh("kea")
    state.mkdir()
    (state / "kea.json").write_text(json.dumps({"Dhcp4": config}))
    # Kea writes these below /run otherwise, where it may not and another instance may be.
    env = dict.fromkeys(("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR"), str(state))
    env["KEA_LOGGER_DESTINATION"] = "stdout"
    server = site.spawn(["kea-dhcp4", "-c", str(state / "kea.json")], "kea.log", env=env)
    return server.wait_for("DHCP4_STARTED")


def tftpd_hpa(site: Site, root: Path, user: str = "root") -> Server:
    """H. Peter Anvin's TFTP server, in ``root`` as its root directory."""
    argv = ["in.tftpd", "-L", "-4", "-a", f"{SERVER}:69", "-u", user, "-v", "-v", "-s", str(root)]
    server = site.spawn(argv, "tftpd.log")
    wait_until(lambda: is_listening(site, 69), 30, "in.tftpd listens")
    return server


def atftpd(site: Site, root: Path) -> Server:
    """The atftp server (unpacked in the cache: its package excludes tftpd-hpa's)."""
    argv = ["atftpd", "--daemon", "--no-fork", "--user", "root", "--group", "root", "--bind-address", SERVER]
    server = site.spawn([*argv, "--logfile", "-", "--verbose=7", str(root)], "atftpd.log")
    wait_until(lambda: is_listening(site, 69), 30, "atftpd listens")
    return server


def nginx(site: Site, root: Path, extra: str = "", *, addresses: Sequence[str] = (SERVER,)) -> Server:
    """A web server over ``root``; ``extra`` lines go into its server block."""
    listens = " ".join(f"listen {address}:80;" for address in addresses)
    state = site.fresh("nginx")
    state.mkdir()
    temps = " ".join(f"{name}_temp_path {state}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (state / "conf").write_text(
        f"daemon off; master_process off; user root; worker_processes 1; pid {state}/pid; error_log stderr;\n"
        "events { worker_connections 128; }\n"
        f"http {{ access_log {state}/access.log; client_body_temp_path {state}/body; {temps}\n"
        f" server {{ {listens} root {root}; location / {{ autoindex off; }}\n {extra} }} }}\n"
    )
    server = site.spawn(["nginx", "-c", str(state / "conf"), "-p", str(state), "-e", "stderr"], "nginx.log")
    wait_until(lambda: is_listening(site, 80, "-lnt"), 30, "nginx listens")
    return server


def lighttpd(site: Site, root: Path, extra: str = "") -> Server:
    """Another web server over ``root``: what ends in ``.cgi`` runs; ``extra`` goes into its configuration."""
    state = site.fresh("lighttpd")
    state.mkdir()
    (state / "conf").write_text(
        f'server.modules = ("mod_cgi", "mod_auth", "mod_authn_file")\nserver.bind = "{SERVER}"\n'
        f'server.port = 80\nserver.document-root = "{root}"\nserver.errorlog = "/dev/stderr"\n'
        f'cgi.assign = (".cgi" => "/bin/sh")\nserver.upload-dirs = ("{state}")\n{extra}\n'
    )
    server = site.spawn(["lighttpd", "-D", "-f", str(state / "conf")], "lighttpd.log")
    wait_until(lambda: is_listening(site, 80, "-lnt"), 30, "lighttpd listens")
    return server


def vsftpd(site: Site, root: Path) -> Server:
    """An FTP server over ``root`` for anonymous users."""
    state = site.fresh("vsftpd")
    (state / "empty").mkdir(parents=True)
    lines = [
        *("listen=YES", f"listen_address={SERVER}", "background=NO", "seccomp_sandbox=NO", "local_enable=NO"),
        *("anonymous_enable=YES", f"anon_root={root}", "ftp_username=root"),
        *(f"secure_chroot_dir={state}/empty", "xferlog_enable=YES", "xferlog_std_format=NO"),
        *(f"vsftpd_log_file={state}/log", "log_ftp_protocol=YES", ""),
    ]
    (state / "conf").write_text("\n".join(lines))
    # It serves no directory that it could write to. The mount is gone with the process.
    program = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" "$3"'
    words = [str(root), tools.need("vsftpd"), str(state / "conf")]
    server = site.spawn(["sh", "-c", program, "sh", *words], "vsftpd.log")
    wait_until(lambda: is_listening(site, 21, "-lnt"), 30, "vsftpd listens")
    return Server(server.process, state / "log")


def is_listening(site: Site, port: int, kind: str = "-lnu") -> bool:
    """Whether somebody listens on ``port`` there."""
    return f":{port} " in command("ip", "netns", "exec", site.srv, "ss", kind)


def scripted_dhcp(site: Site, *replies: str, filename: str = "pxelinux.0") -> Server:
    """A DHCP server that answers the n-th message by the n-th of offer, ack, nak, silence."""
    argv = [sys.executable, "-m", "tests.support.ground.scripted_dhcp"]
    server = site.spawn([*argv, site.server_link, SERVER, ADDRESS, filename, *replies], "dhcp.log")
    return server.wait_for("ready")
