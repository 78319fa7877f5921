"""The names under which a configuration is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.bootsource import CONFIG_DIRECTORY, BootSource
from pypxeboot.effects import Steps
from pypxeboot.errors import NoBootSource, NoConfiguration
from pypxeboot.guest import Guest, soc_and_board, uuid_octets, wire_uuid
from pypxeboot.lease import Lease
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.text import printable
from pypxeboot.url import Location


def config_names(
    guest: Guest, lease: Lease, arch_names: Sequence[str] = (), directory: str = CONFIG_DIRECTORY
) -> tuple[str, ...]:
    """List the names below the prefix under which PXELINUX looks for a configuration, in order.

    ``arch_names`` (only what the user asked for: a PXELINUX never does) put ``default.<arch>`` and
    ``default-<arch>``, which MAAS and U-Boot know, before ``default``; if the guest is a board, U-Boot's
    names for it come before those.
    """
    mac = f"{lease.htype:02x}-" + guest.mac.lower().replace(":", "-")
    names = [*_uuid_names(guest), mac, *_address_names(lease)]
    for arch in arch_names:
        names += _board_names(arch, guest.board)
        names += [f"default{mark}{arch}" for mark in ".-"]
    return tuple(f"{directory}/{name}" for name in [*names, "default"])


def uboot_names(
    guest: Guest, lease: Lease, arch: Optional[str], directory: str = CONFIG_DIRECTORY
) -> tuple[str, ...]:
    """List the names under which U-Boot looks for a configuration: own ones by processor, SoC and board.

    The UUID is written as it is.

    ``arch`` is the processor as the user names it, where that is not U-Boot's word for it.
    """
    uuid = [] if guest.uuid is None else [guest.uuid]
    names = [*uuid, "01-" + guest.mac.replace(":", "-"), *_address_names(lease)]
    own = _UBOOT_ARCHS.get(guest.processor, guest.arch)
    for word in dict.fromkeys((own, *([] if arch is None else [arch]))):
        names += [*_board_names(word, guest.board), f"default-{word}"]
    return tuple(f"{directory}/{name}" for name in [*names, "default"])


def _board_names(arch: str, board: Optional[str]) -> list[str]:
    """List ``default-<arch>-<soc>-<board>`` and ``default-<arch>-<soc>`` (cmd/pxe.c)."""
    soc, _name = soc_and_board(board)
    return [f"default-{arch}-{part}" for part in dict.fromkeys((board, soc)) if part]


def _address_names(lease: Lease) -> list[str]:
    """List the address in hexadecimal digits, one less each time; nothing with IPv6: no PXELINUX knows it."""
    if lease.address.version == 6:
        return []
    address = f"{int(lease.address):08X}"
    return [address[:digits] for digits in range(8, 0, -1)]


def _uuid_names(guest: Guest) -> list[str]:
    """List the UUID as firmware sends it, then as people write it.

    Firmware of KVM guests (SMBIOS 2.6) and iPXE on both hypervisors send the first three groups swapped. Xen
    PV and PVH guests have no firmware that could differ, so the same order serves them.
    """
    if guest.uuid is None or not any(uuid_octets(guest.uuid)):
        return []
    swapped = wire_uuid(guest.uuid)
    return [swapped] if swapped == guest.uuid else [swapped, guest.uuid]


# CONFIG_SYS_ARCH of U-Boot.
_UBOOT_ARCHS = {"x86_64": "x86", "i386": "x86", "arm64": "arm", "riscv64": "riscv", "ppc64": "powerpc"}


def find_config(
    files: ServerFiles, source: BootSource, guest: Guest, lease: Lease, arch_names: Sequence[str] = ()
) -> Steps[tuple[Location, bytes]]:
    """Find the first configuration file that is there: its location and content.

    Raises NoBootSource if none is.

    Option 209 first, "relative to the prefix like any other name"; if it is not there the search goes on.
    """
    names = config_names(guest, lease, arch_names, source.config_directory)
    if source.config_file:
        names = (source.config_file, *names)
    for name in names:
        data = yield from files.read(name)
        if data is not None:
            return files.locate(name), data
    where = printable(files.prefix.replace("::", f"{files.server}::", 1))
    text = f"no boot configuration on the server: none of {len(names)} names below {where!r} is there"
    tried = "tried " + " ".join(printable(name) for name in names)
    if files.odd:  # the last name is the one that most sites have
        said = files.odd[-1]
        raise NoBootSource(
            f"{text}; {said}", hint=f"can the server read its files? its log says more; {tried}"
        )
    if files.empty:
        empty = ", ".join(printable(str(location)) for location in files.empty)
        hint = f"a file without a byte counts as not there: write a configuration into it; {tried}"
        raise NoBootSource(f"{text}, and {empty} is empty", hint=hint)
    raise NoConfiguration(text, hint=tried)
