"""Families of public iPXE scripts, and what each boots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.entry import Reason
from tests.support.ground import tools

TREES = tools.DATA / "trees" / "ipxe"
MAC, HYPHENS = "52:54:00:ab:cd:ef", "52-54-00-ab-cd-ef"
UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
PATH = "prod/streams/stable/builds/41.20250101.3.0/x86_64/fedora-coreos-41.20250101.3.0"


@dataclass(frozen=True)
class Expected:
    """What a family's script boots: the kernel's path, its command line, and the ramdisk."""

    start: str
    kernel: Optional[str] = None
    cmdline: str = ""
    ramdisk: str = ""
    asked: tuple[str, ...] = ()
    reason: Reason = Reason.SCRIPT
    label: Optional[str] = None
    said: tuple[str, ...] = field(default=())


SITE = "http://10.77.0.1"
FAMILIES = {
    "maas": Expected(
        "ipxe.cfg",
        "images/boot-kernel",
        "nomodeset ro root=squash:http://10.77.0.1:5248/images/squashfs ip=::::maas-enlist:BOOTIF"
        f" BOOTIF=01-{HYPHENS}",
        "maas initrd\n",
        asked=(f"{SITE}:5248/ipxe.cfg-{MAC}",),
    ),
    "ironic": Expected(
        "boot.ipxe",
        "node/deploy_kernel",
        f"selinux=0 troubleshoot=0 text BOOTIF={MAC} initrd=deploy_ramdisk",
        "ironic python agent\n",
    ),
    "matchbox": Expected(
        "boot.ipxe",
        "assets/vmlinuz",
        f"initrd=initrd.img root=live:/assets/root.squashfs ignition.config.url={SITE}/ignition?uuid={UUID}"
        f"&mac={HYPHENS} console=tty0",
        "fcos initrd\n",
        asked=(f"{SITE}/ipxe?uuid={UUID}&mac={HYPHENS}&domain=&hostname=&serial=&arch=x86_64",),
    ),
    "tinkerbell": Expected(
        "auto.ipxe",
        "osie/vmlinuz-x86_64",
        "ip=dhcp modules=loop,squashfs,sd-mod,usb-storage syslog_host=10.0.0.7 "
        f"grpc_authority=tink.example:42113 worker_id={MAC} initrd=initramfs-x86_64",
        "hook initramfs\n",
    ),
    "foreman": Expected(
        "boot.ipxe",
        "boot/fdi-image/vmlinuz0",
        f"initrd=initrd0.img rootflags=loop root=live:/fdi.iso rd.neednet=1 BOOTIF=00-{HYPHENS} "
        "proxy.type=foreman",
        "discovery\n",
        reason=Reason.TIMEOUT,
        said=("Foreman of unknown on 10.77.0.173",),
    ),
    "cobbler": Expected("default.ipxe", reason=Reason.TIMEOUT),
    "talos": Expected(
        "boot.ipxe",
        "image/vmlinuz",
        "talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on",
        "talos initramfs\n",
        asked=(f"{SITE}/ipxe?uuid={UUID}&mac={HYPHENS}&serial=&arch=x86_64",),
    ),
    "flatcar": Expected(
        "flatcar.ipxe",
        "stable/flatcar_production_pxe.vmlinuz",
        "initrd=flatcar_production_pxe_image.cpio.gz flatcar.first_boot=1 "
        "ignition.config.url=https://10.77.0.1/pxe-config.ign",
        "flatcar image\n",
    ),
    "fcos": Expected(
        "fcos.ipxe",
        f"{PATH}-live-kernel.x86_64",
        f"initrd=main coreos.live.rootfs_url={SITE}/{PATH}-live-rootfs.x86_64.img "
        "coreos.inst.install_dev=/dev/vda coreos.inst.ignition_url=https://10.77.0.1/config.ign",
        "coreos initramfs\n",
    ),
    "netbootxyz": Expected(
        "netboot.xyz.ipxe",
        "debian/dists/trixie/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux",
        "initrd=initrd.gz --- quiet",
        "debian installer\n",
        asked=(f"{SITE}/upstream/ipxe/netboot.xyz.kpxe", f"{SITE}/2.x/linux.ipxe"),
        reason=Reason.TIMEOUT,
    ),
    "mirror": Expected(
        "boot.gpxe",
        "centos/isolinux/vmlinuz",
        "BOOT_IMAGE=vmlinuz initrd=initrd.img rd.live.check",
        "centos\n",
        asked=(f"{SITE}/centos/isolinux/isolinux.cfg",),
        reason=Reason.TIMEOUT,
    ),
}
