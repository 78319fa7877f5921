"""The variables that GRUB begins with: of the platform, of the network card, of what DHCP said."""

from __future__ import annotations

from typing import Optional

from pypxeboot.bootsource import BootRequest
from pypxeboot.grub.engine.environment import Environment
from pypxeboot.lease import DhcpOption, Lease
from pypxeboot.text import decode

# normal/main.c, and Debian's and Fedora's own behind it.
_FEATURES = (
    "chainloader_bpb ntldr platform_search_hint default_font_path all_video_module menuentry_id"
    " menuentry_options 200_final nativedisk_cmd timeout_style"
).split()
# grub_net_configure_by_dhcp_ack(); what is not text is not there.
_PROPERTIES = {
    "hostname": DhcpOption.HOST_NAME,
    "domain": DhcpOption.DOMAIN_NAME,
    "rootpath": DhcpOption.ROOT_PATH,
    "extensionspath": 18,
    "clientid": DhcpOption.CLIENT_ID,
    "dhcp_server_name": DhcpOption.TFTP_SERVER_NAME,
}
_PROCESSORS = {"x86_64": "x86_64", "i386": "i386", "arm64": "arm64", "arm": "arm", "riscv64": "riscv64"}


def platform(request: BootRequest) -> str:
    """Return what ``$grub_platform`` says: ``pc`` for the program of a BIOS, else ``efi``."""
    bootfile = request.source.bootfile
    if request.guest.processor not in ("x86_64", "i386"):
        return "efi"
    return "pc" if bootfile is not None and not bootfile.name.lower().endswith(".efi") else "efi"


def environment(request: BootRequest, platform: str, device: str, directory: str) -> Environment:
    """Return the variables of a GRUB whose files are in ``directory`` on ``device``."""
    guest, lease, bootfile = request.guest, request.lease, request.source.bootfile
    card = card_name(platform)
    server = request.source.server or device.partition(",")[2]
    processor = "i386" if platform == "pc" else _PROCESSORS.get(guest.processor, guest.processor)
    given = {
        "prefix": f"({device}){directory}",
        "root": device,
        "net_default_server": server,
        "pxe_default_server": server,
        "net_default_interface": card,
        "net_default_ip": str(lease.address),
        "net_default_mac": guest.mac,
        "grub_cpu": processor,
        "grub_platform": platform,
        "pager": "",
        "color_normal": "light-gray/black",
        "color_highlight": "black/light-gray",
        **{f"feature_{name}": "y" for name in _FEATURES},
    }
    if bootfile is not None:
        place = f"{bootfile.scheme},{bootfile.host}"
        given["cmdpath"] = f"({place}){bootfile.path.rpartition('/')[0]}"
    return Environment(given, dhcp_properties(request, card))


def card_name(platform: str) -> str:
    """Return what the one network card is called."""
    return "pxe" if platform == "pc" else "efinet0"


def dhcp_properties(request: BootRequest, interface: str) -> dict[str, str]:
    """Return the variables of an interface that has its address from DHCP."""
    guest, lease = request.guest, request.lease
    found = {}
    if lease.next_server:
        found["next_server"] = lease.next_server
    if lease.bootfile:
        found["boot_file"] = lease.bootfile
    for name, code in _PROPERTIES.items():
        raw = lease.options.get(code, b"").partition(b"\0")[0]
        if raw:
            found[name] = decode(raw)
    uuid = client_uuid(lease)
    if uuid is not None:
        found["clientuuid"] = uuid
    return {
        **interface_properties(interface, guest.mac, str(lease.address)),
        **{variable(interface, name): value for name, value in found.items()},
    }


def interface_properties(interface: str, mac: str, address: str) -> dict[str, str]:
    """Return the variables that every interface has."""
    return {variable(interface, "mac"): mac, variable(interface, "ip"): address}


def variable(interface: str, name: str) -> str:
    """Name the variable that has a property of an interface."""
    return f"net_{interface.replace(':', '_')}_{name}"


def client_uuid(lease: Lease) -> Optional[str]:
    """Return option 97 of what the server sent, byte by byte as it is; None where it sent none."""
    raw = lease.options.get(DhcpOption.CLIENT_UUID, b"")
    if len(raw) != 17:
        return None
    sent = raw[1:].hex()
    return "-".join((sent[:8], sent[8:12], sent[12:16], sent[16:20], sent[20:]))
