"""Guests of a site that serves GRUB, as Foreman does to hosts with EFI: installed, then from their disk."""

from __future__ import annotations

from dom0 import (
    GRUB,
    SERVED,
    Console,
    Guest,
    bootloader_log,
    checksum,
    disk_with_a_system,
    nothing_left,
    wait_for,
)

INSTALLED = """\
set default=local
set timeout=1
insmod chain
menuentry "Chainload Grub2 EFI from ESP" --id local_chain_hd0 {
  search --file --no-floppy --set=root /EFI/BOOT/grubx64.efi
  chainloader ($root)/EFI/BOOT/grubx64.efi
}
menuentry "Boot from the local disk" --id local {
  exit
}
"""


def on_grub(guest: Guest, number: int) -> str:
    """Have the site boot a GRUB for the guest; the name of its configuration, below the served tree."""
    guest.mac = f"{GRUB}:{number:02x}"
    guest.settings["vif"] = f'["mac={guest.mac},bridge=xenbr0,script=vif-quick"]'
    guest.settings["bootloader_args"] = f'["mac={guest.mac},bridge=xenbr0"]'
    guest.write()
    return f"grub2/grub.cfg-01-{guest.mac.replace(':', '-')}"


def kickstart(kernel: str, mac: str) -> str:
    return (
        "set default=0\nset timeout=1\nmenuentry 'Kickstart default PXEGrub2' {\n"
        f"  linux {kernel} inst.ks=http://192.0.2.1/unattended/provision BOOTIF=00-{mac.replace(':', '-')}\n"
        "  initrd blob\n}\n"
    )


def installs(guest: Guest, kernel: str) -> None:
    assert guest.create().returncode == 0
    words = f"inst.ks=http://192.0.2.1/unattended/provision BOOTIF=00-{guest.mac.replace(':', '-')}"
    assert f"PROBE cmdline=[BOOT_IMAGE={kernel} {words}]" in guest.said, guest.said
    assert f"PROBE ramdisk {checksum('blob')}" in guest.said, guest.said
    nothing_left()


def test_grub_site_installs_a_pv_guest_and_leaves_it_to_its_disk() -> None:
    guest = Guest("foreman", disk='["phy:/dev/loop6,xvda,r"]')
    path = SERVED / on_grub(guest, 1)
    with disk_with_a_system("/dev/loop6"):
        path.write_text(kickstart("probe-pv", guest.mac))
        installs(guest, "probe-pv")
        path.write_text(INSTALLED)
        assert guest.create().returncode == 0
    assert "pypxeboot: dropping to pygrub for local boot" in bootloader_log()
    assert "PROBE cmdline=[root=/dev/xvda from=disk]" in guest.said, guest.said
    nothing_left()


def test_grub_site_installs_a_pvh_guest() -> None:
    guest = Guest("foreman2", "pvh")
    (SERVED / on_grub(guest, 2)).write_text(kickstart("probe-pvh", guest.mac))
    installs(guest, "probe-pvh")


def test_grub_menu_by_keys_of_the_console() -> None:
    guest = Guest("grubmenu")
    (SERVED / on_grub(guest, 3)).write_text(
        "set timeout=60\nmenuentry 'The first' { linux probe-pv n=1 }\n"
        "menuentry 'The second' { linux probe-pv n=2 }\n"
    )
    console = Console("xl", "create", "-c", str(guest.config))
    console.wait_for("The second")
    console.press("\x1b[B", "\r")
    wait_for(lambda: "PROBE up" in guest.said)
    assert console.finish() == 0
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said, guest.said
    nothing_left()
