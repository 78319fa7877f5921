"""Boots that fail on purpose, on real servers: what docs/troubleshooting.md is made of.

A failure is a function that prepares a site; its docstring says what is wrong there, in the words of the
page, and what it returns are more arguments for pypxeboot.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.ground import BRIDGE, SECOND_SERVER, SERVER, Site, guests, servers, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.net import command
from tests.support.ground.servers import Offer
from tests.support.ground.simple import serve, tree
from tests.support.peers.http import certificate

Failure = Callable[[Site], Sequence[str]]
FAILURES: dict[str, Failure] = {}
OTHER = "10.77.0.4"
_running = contextlib.ExitStack()


def failure(function: Failure) -> Failure:
    """Put a failure into the table."""
    FAILURES[function.__name__] = function
    return function


def title(name: str) -> str:
    """The heading of a failure."""
    words = name.replace("_", " ")
    for word in ("dhcp", "grub", "tftp", "http", "dns", "mtu", "stp", "html", "ipxe", "mac", "url"):
        words = " ".join(w.upper() if w == word else w for w in words.split())
    return words[:1].upper() + words[1:].replace("IPXE", "iPXE")


def kernel_at(place: str) -> dict[str, bytes]:
    """The files of a site whose entry has its kernel at ``place``."""
    return tree(f"DEFAULT a\nLABEL a\n KERNEL {place}\n")


def drop(site: Site, chain: str, *words: str, namespace: str = "") -> None:
    """Have a firewall (of the server, if no other is named) drop what ``words`` say."""
    rule = [tools.need("iptables"), "-A", chain, *words, "-j", "DROP"]
    command("ip", "netns", "exec", namespace or site.srv, *rule)


@failure
def a_bridge_that_is_not_there(site: Site) -> Sequence[str]:
    """The guest is to be on br9, and this host has no br9."""
    serve(site)
    return ("--bridge", "br9")


@failure
def the_wrong_bridge(site: Site) -> Sequence[str]:
    """The guest is put on br1; the DHCP server is on br0."""
    serve(site)
    site.ip("link add br1 type bridge forward_delay 0", "link set br1 up")
    site.adopt("br1")
    return ("--bridge", "br1")


@failure
def a_bridge_that_is_down(site: Site) -> Sequence[str]:
    """`ip link set br0 down`."""
    serve(site)
    site.ip(f"link set {BRIDGE} down")
    return ()


@failure
def a_firewall_of_this_host(site: Site) -> Sequence[str]:
    """`iptables -P FORWARD DROP`, as Docker does it, with br_netfilter: bridged frames go through it."""
    serve(site)
    command("ip", "netns", "exec", site.hyp, tools.need("iptables"), "-P", "FORWARD", "DROP")
    return ()


@failure
def stp_with_a_forward_delay(site: Site) -> Sequence[str]:
    """A bridge with spanning tree whose ports forward after 30 s; the boot has 8 s."""
    serve(site)
    site.ip(f"link set {BRIDGE} type bridge forward_delay 1500 stp_state 1")
    return ()


@failure
def a_mac_that_is_alive_elsewhere(site: Site) -> Sequence[str]:
    """A guest with that MAC address runs on the same bridge."""
    serve(site)
    _running.enter_context(guests.running_guest(site))
    return ("--mac-wait", "0")


@failure
def a_dhcp_server_that_does_not_know_the_guest(site: Site) -> Sequence[str]:
    """ISC dhcpd with `deny unknown-clients;`, and no host statement for this MAC."""
    servers.dhcpd(site, Offer(hosts={}), "deny unknown-clients;")
    return ()


@failure
def dhcp_names_no_boot_file(site: Site) -> Sequence[str]:
    """An address comes, without option 67."""
    serve(site, offer=Offer(filename=""))
    return ()


@failure
def two_dhcp_servers(site: Site) -> Sequence[str]:
    """A second one, at 10.77.0.4, answers first, and names another boot file."""
    servers.dnsmasq(site, servers.plant(site.directory / "root", tree()), extra=["--dhcp-reply-delay=2"])
    namespace, link = servers.beside(site, OTHER)
    offer = Offer(filename="other.ipxe", next_server=OTHER, hosts={})
    servers.dnsmasq(site, None, offer, namespace=namespace, link=link)
    return ()


@failure
def option_66_is_not_next_server(site: Site) -> Sequence[str]:
    """siaddr (next-server) is the DHCP server, which has no TFTP; option 66 names 10.77.0.4, which has."""
    program = ["-m", "tests.support.ground.odd_dhcp", site.server_link, SERVER, SERVER]
    site.spawn([sys.executable, *program, f"o66={OTHER.encode().hex()}"], "dhcp.log").wait_for("ready")
    return ()


@failure
def no_tftp_server(site: Site) -> Sequence[str]:
    """DHCP is right, and nothing listens on UDP port 69."""
    servers.dnsmasq(site, None)
    return ()


@failure
def a_tftp_server_that_is_silent(site: Site) -> Sequence[str]:
    """The server's firewall drops UDP 69."""
    serve(site)
    drop(site, "INPUT", "-p", "udp", "--dport", "69")
    return ()


@failure
def the_wrong_tftp_root(site: Site) -> Sequence[str]:
    """The TFTP server serves an empty folder."""
    serve(site, files={"readme": b"nothing here"})
    return ()


@failure
def a_configuration_in_another_directory(site: Site) -> Sequence[str]:
    """DHCP names bios/pxelinux.0, and pxelinux.cfg lies beside bios, not in it."""
    serve(site, files={**tree(), "bios/pxelinux.0": b"a program"}, offer=Offer(filename="bios/pxelinux.0"))
    return ()


@failure
def a_kernel_that_is_not_there(site: Site) -> Sequence[str]:
    """KERNEL Vmlinuz, and the file is called vmlinuz."""
    serve(site, "dhcpd+hpa", kernel_at("Vmlinuz"))
    return ()


@failure
def a_kernel_that_may_not_be_read(site: Site) -> Sequence[str]:
    """`chmod 600 vmlinuz`, and the TFTP server runs as another user."""
    root = serve(site, "dhcpd+hpa", kernel_at("vmlinuz"))
    site.servers[0].stop()
    (root / "vmlinuz").chmod(0o600)
    for folder in (root, *root.parents):
        if folder.stat().st_mode & 0o5 != 0o5 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o5)
    servers.tftpd_hpa(site, root, "nobody")
    return ()


@failure
def http_404(site: Site) -> Sequence[str]:
    """KERNEL http://…/nosuch."""
    servers.nginx(site, serve(site, files=kernel_at(f"http://{SERVER}/nosuch")))
    return ()


@failure
def http_403(site: Site) -> Sequence[str]:
    """The web server denies the folder of the kernel."""
    root = serve(site, files=kernel_at(f"http://{SERVER}/vmlinuz"))
    servers.nginx(site, root, "location /vmlinuz { deny all; }")
    return ()


@failure
def http_500(site: Site) -> Sequence[str]:
    """The web server fails itself."""
    root = serve(site, files=kernel_at(f"http://{SERVER}/vmlinuz"))
    servers.nginx(site, root, "location /vmlinuz { return 500; }")
    return ()


@failure
def no_web_server(site: Site) -> Sequence[str]:
    """KERNEL http://…/vmlinuz, and nothing listens on TCP port 80."""
    serve(site, files=kernel_at(f"http://{SERVER}/vmlinuz"))
    return ()


@failure
def a_certificate_of_an_unknown_authority(site: Site) -> Sequence[str]:
    """KERNEL https://…/vmlinuz, and the server's certificate is signed by itself."""
    root = serve(site, files=kernel_at(f"https://{SERVER}/vmlinuz"))
    cert, key = certificate(site.directory, f"IP:{SERVER}")
    tls = f"listen {SERVER}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
    servers.nginx(site, root, tls)
    return ()


@failure
def a_name_without_a_dns_server(site: Site) -> Sequence[str]:
    """A path prefix of http://files.example/, and DHCP sends no name server (option 6)."""
    serve(site, offer=Offer(options={210: "http://files.example/"}))
    return ()


@failure
def a_name_that_the_dns_does_not_know(site: Site) -> Sequence[str]:
    """A path prefix of http://nosuch.example/."""
    root = servers.plant(site.directory / "root", tree())
    offer, known = Offer(options={210: "http://nosuch.example/"}), {"known.example": SERVER}
    servers.dnsmasq(site, root, offer, names=known, extra=["--local=/example/"])
    return ()


@failure
def a_name_that_means_whoever_asks(site: Site) -> Sequence[str]:
    """The DNS server tells what its own /etc/hosts says of files.example, which is its own name."""
    root, offer = (
        servers.plant(site.directory / "root", tree()),
        Offer(options={210: "http://files.example/"}),
    )
    servers.dnsmasq(site, root, offer, names={"files.example": "127.0.1.1"})
    return ()


@failure
def a_path_that_swallows_large_packets(site: Site) -> Sequence[str]:
    """A tunnel on the way has an MTU of 1300, and nobody says so (it boots, after 3.5 s of silence)."""
    serve(site, "dhcpd+hpa", {**tree(), "vmlinuz": dummy("vmlinuz") + bytes(50_000)})
    chain = "{ type filter hook ingress device vsw priority 0; }"
    for line in ("add table netdev way", f"add chain netdev way in {chain}",
                 "add rule netdev way in meta length > 1300 drop"):  # fmt: skip
        command("ip", "netns", "exec", site.hyp, tools.need("nft"), *line.split())
    return ()


@failure
def html_in_place_of_a_configuration(site: Site) -> Sequence[str]:
    """pxelinux.cfg/default is a page of a web server."""
    serve(site, files=tree("<html><body>It works</body></html>"))
    return ()


@failure
def an_empty_configuration(site: Site) -> Sequence[str]:
    """`touch pxelinux.cfg/default`."""
    serve(site, files=tree(""))
    return ()


@failure
def a_directive_with_a_typing_error(site: Site) -> Sequence[str]:
    """APEND console=hvc0: it boots, and the console is silent."""
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APEND console=hvc0\n"))
    return ()


@failure
def a_default_that_is_no_label(site: Site) -> Sequence[str]:
    """DEFAULT linux, and the only LABEL is called install."""
    serve(site, "dhcpd+hpa", tree("DEFAULT linux\nLABEL install\n KERNEL vmlinuz\n"))
    return ()


@failure
def a_kernel_that_is_none(site: Site) -> Sequence[str]:
    """vmlinuz is an error page that was downloaded with curl."""
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    serve(site, files={**kernel_at("vmlinuz"), "vmlinuz": page})
    return ()


@failure
def a_kernel_larger_than_allowed(site: Site) -> Sequence[str]:
    """The kernel has 100 KiB, and --max-kernel is 64K."""
    serve(site, files={**kernel_at("vmlinuz"), "vmlinuz": dummy("vmlinuz") + bytes(100_000)})
    return ("--max-kernel", "64K")


@failure
def a_disk_that_is_full(site: Site) -> Sequence[str]:
    """The output directory is on a disk with 1 MiB; the initrd has 3."""
    serve(site, files={**tree(), "i1": bytes(3 << 20)})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", str(site.out)], check=True)
    return ()


@failure
def an_ipxe_script_that_fails(site: Site) -> Sequence[str]:
    """`kernel nosuch` in the script: a machine would go on to its disk, and so does the guest."""
    script = "#!ipxe\nkernel nosuch\nboot\n"
    serve(site, "dhcpd+hpa", {**tree(), "boot.ipxe": script}, Offer(filename="boot.ipxe"))
    return ()


@failure
def an_ipxe_that_is_led_to_itself(site: Site) -> Sequence[str]:
    """DHCP names undionly.kpxe to everybody, to the iPXE in it, too."""
    serve(site, offer=Offer(filename="undionly.kpxe"))
    return ()


@failure
def a_grub_configuration_whose_kernel_is_not_there(site: Site) -> Sequence[str]:
    """`linux /vmlinux` in grub.cfg, and the file is called vmlinuz; `initrd` fails for want of it."""
    config = "menuentry a {\n linux /vmlinux\n initrd /i1\n}\n"
    files = {**tree(), "grub.0": b"a program", "grub.cfg": config.encode()}
    serve(site, "dhcpd+hpa", files, Offer(filename="grub.0"))
    return ()


@failure
def time_that_is_over(site: Site) -> Sequence[str]:
    """A first kernel on a server that says nothing (10.77.0.3), a second one on a healthy server, and 8 s."""
    config = f"DEFAULT a\nONERROR b\nLABEL a\n KERNEL {SECOND_SERVER}::k\nLABEL b\n KERNEL vmlinuz\n"
    serve(site, "dhcpd+hpa", tree(config))
    drop(site, "INPUT", "-d", SECOND_SERVER)
    return ()


def clean_up(site: Site) -> None:
    """Take away what a failure has made beside its site."""
    _running.close()
    if site.out.is_mount():
        subprocess.run(["umount", str(site.out)], check=True)
    shutil.rmtree(site.out, ignore_errors=True)
