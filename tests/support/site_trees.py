"""Boot trees after the habits of real sites and products: small, and in our own words.

Each is a mapping of file names to content; ``kernel`` files look like kernels, the rest is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.ground.kernels import dummy
from tests.support.ground.net import SERVER

Files = Mapping[str, bytes]


def tree(configs: Mapping[str, str], kernels: str = "", files: str = "") -> dict[str, bytes]:
    """Configurations by name, kernels by name, and other files that hold their own name."""
    found = {name: text.encode() for name, text in configs.items()}
    found.update({name: dummy(name) for name in kernels.split()})
    found.update({name: f"{name}\n".encode() for name in files.split()})
    return found


@dataclass(frozen=True)
class Site:
    """A tree, what its list shows (label, title, menu, what it boots), and what boots when nobody chooses."""

    files: Files
    listed: tuple[tuple[str, str, tuple[str, ...], str], ...]
    default: str
    reason: str
    cmdline: str = ""
    action: str = "boot"
    modules: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


URL = f"tftp://{SERVER}/"

# A file for every host, written by the provisioner; its stray MENU END and ONTIMEOUT are usual.
FOREMAN = Site(
    tree(
        {
            "pxelinux.cfg/default": "DEFAULT menu\nPROMPT 0\nMENU TITLE PXE Menu\nTIMEOUT 200\n"
            "TOTALTIMEOUT 6000\n"
            "ONTIMEOUT local\n\nLABEL local\n     MENU LABEL (local)\n     MENU DEFAULT\n     LOCALBOOT 0\n"
            "LABEL discovery\n     MENU LABEL Discovery image\n     KERNEL boot/fdi-image/vmlinuz0\n"
            "     APPEND initrd=boot/fdi-image/initrd0.img rootflags=loop root=live:/fdi.iso "
            "proxy.type=foreman\n"
            "     IPAPPEND 2\nMENU end\n",
            "menu.c32": "a module\n",
        },
        "boot/fdi-image/vmlinuz0",
        "boot/fdi-image/initrd0.img",
    ),
    (
        ("local", "(local)", (), "localboot"),
        ("discovery", "Discovery image", (), URL + "boot/fdi-image/vmlinuz0"),
    ),
    default="local",
    reason="ontimeout",
    action="localboot",
    labels={
        "discovery": "BOOT_IMAGE=boot/fdi-image/vmlinuz0 initrd=boot/fdi-image/initrd0.img rootflags=loop "
        "root=live:/fdi.iso proxy.type=foreman BOOTIF=01-52-54-00-ab-cd-ef"
    },
)

COBBLER = Site(
    tree(
        {
            "pxelinux.cfg/default": "DEFAULT menu\nPROMPT 0\nMENU TITLE Cobbler | example\nTIMEOUT 200\n"
            "TOTALTIMEOUT 6000\nONTIMEOUT local\n\nLABEL local\n\tMENU LABEL (local)\n\tMENU DEFAULT\n"
            "\tLOCALBOOT -1\n\nLABEL rocky9-x86_64\n\tMENU LABEL rocky9-x86_64\n"
            "\tkernel /images/rocky9-x86_64/vmlinuz\n"
            "\tappend initrd=/images/rocky9-x86_64/initrd.img ksdevice=bootif lang=  kssendmac\n"
            "\tipappend 2\n"
            "MENU end\n",
            "menu.c32": "a module\n",
        },
        "images/rocky9-x86_64/vmlinuz",
        "images/rocky9-x86_64/initrd.img",
    ),
    (
        ("local", "(local)", (), "localboot"),
        ("rocky9-x86_64", "rocky9-x86_64", (), URL + "/images/rocky9-x86_64/vmlinuz"),
    ),
    default="local",
    reason="ontimeout",
    action="localboot",
    labels={
        "rocky9-x86_64": "BOOT_IMAGE=/images/rocky9-x86_64/vmlinuz initrd=/images/rocky9-x86_64/initrd.img "
        "ksdevice=bootif lang=  kssendmac BOOTIF=01-52-54-00-ab-cd-ef"
    },
)

# The region controller serves by HTTP; 64-bit machines and others get entries of their own.
MAAS = Site(
    tree(
        {
            "pxelinux.cfg/default": "DEFAULT enlist\n\nLABEL enlist\n"
            "  SAY Booting under the direction of MAAS\n"
            "  KERNEL ifcpu64.c32\n  APPEND amd64 -- i386\n\nLABEL i386\n"
            f"  KERNEL http://{SERVER}/images/i386/kernel\n  INITRD http://{SERVER}/images/i386/initrd\n"
            "  APPEND nomodeset\n  IPAPPEND 2\n\nLABEL amd64\n"
            f"  KERNEL http://{SERVER}/images/amd64/kernel\n  INITRD http://{SERVER}/images/amd64/initrd\n"
            f"  APPEND ip=::::maas-enlist:BOOTIF root=squash:http://{SERVER}/images/squashfs "
            "overlayroot=tmpfs\n"
            "  IPAPPEND 2\n"
        },
        "images/amd64/kernel images/i386/kernel",
        "images/amd64/initrd images/i386/initrd",
    ),
    (
        ("enlist", "", (), f"http://{SERVER}/images/amd64/kernel"),
        ("i386", "", (), f"http://{SERVER}/images/i386/kernel"),
        ("amd64", "", (), f"http://{SERVER}/images/amd64/kernel"),
    ),
    default="amd64",
    reason="default",
    cmdline=f"BOOT_IMAGE=http://{SERVER}/images/amd64/kernel ip=::::maas-enlist:BOOTIF "
    f"root=squash:http://{SERVER}/images/squashfs overlayroot=tmpfs "
    f"initrd=http://{SERVER}/images/amd64/initrd "
    "BOOTIF=01-52-54-00-ab-cd-ef",
)

FEDORA = Site(
    tree(
        {
            "pxelinux.cfg/default": "default vesamenu.c32\nprompt 1\ntimeout 600\n\ndisplay boot.msg\n\n"
            "menu background splash.png\nmenu title Install Server\nmenu vshift 8\n"
            "menu separator # insert a line\n"
            "label linux\n  menu label ^Install Fedora 40\n  menu default\n  kernel f40/vmlinuz\n"
            "  append initrd=f40/initrd.img inst.stage2=http://mirror.example/f40 quiet\n"
            "label vesa\n  menu label Install in ^basic graphics mode\n  kernel f40/vmlinuz\n"
            "  append initrd=f40/initrd.img nomodeset\nmenu separator # insert a line\n"
            "menu begin ^Troubleshooting\n  menu title Troubleshooting\n  label rescue\n"
            "    menu indent count 5\n    menu label ^Rescue a Fedora system\n    text help\n"
            "      If the system will not boot, this lets you\n      access files.\n    endtext\n"
            "    kernel f40/vmlinuz\n    append initrd=f40/initrd.img inst.rescue quiet\n"
            "  label local\n    menu label Boot from ^local drive\n    localboot 0xffff\n  menu separator\n"
            "  label returntomain\n    menu label Return to ^main menu\n    menu exit\nmenu end\n"
            "menu include more.cfg Other ^things\n",
            "more.cfg": "label memtest\n  menu label Test the memory\n  kernel memtest\n",
        },
        "f40/vmlinuz memtest",
        "f40/initrd.img",
    ),
    (
        ("linux", "Install Fedora 40", (), URL + "f40/vmlinuz"),
        ("vesa", "Install in basic graphics mode", (), URL + "f40/vmlinuz"),
        ("rescue", "Rescue a Fedora system", ("Troubleshooting",), URL + "f40/vmlinuz"),
        ("local", "Boot from local drive", ("Troubleshooting",), "localboot"),
        ("memtest", "Test the memory", ("Other ^things",), URL + "memtest"),
    ),
    default="linux",
    reason="timeout",
    cmdline="BOOT_IMAGE=f40/vmlinuz initrd=f40/initrd.img inst.stage2=http://mirror.example/f40 quiet",
    labels={"rescue": "BOOT_IMAGE=f40/vmlinuz initrd=f40/initrd.img inst.rescue quiet"},
)

XENSERVER = Site(
    tree(
        {
            "pxelinux.cfg/default": "default xenserver-auto\nlabel xenserver-auto\n    kernel mboot.c32\n"
            "    append xenserver/xen.gz dom0_max_vcpus=1-16 dom0_mem=max:8192M com1=115200,8n1 "
            "--- xenserver/vmlinuz console=hvc0 answerfile=http://s.example/a install --- "
            "xenserver/install.img\n"
        },
        "xenserver/xen.gz xenserver/vmlinuz",
        "xenserver/install.img",
    ),
    (("xenserver-auto", "", (), URL + "xenserver/xen.gz"),),
    default="xenserver-auto",
    reason="default",
    cmdline="xenserver/xen.gz dom0_max_vcpus=1-16 dom0_mem=max:8192M com1=115200,8n1",
    modules=(
        "xenserver/vmlinuz console=hvc0 answerfile=http://s.example/a install",
        "xenserver/install.img",
    ),
)

# Labels with blanks, a disabled headline, chained menus and what needs a BIOS.
NAS = Site(
    tree(
        {
            "pxelinux.cfg/default": "UI menu.c32\nPROMPT 0\nTIMEOUT 100\nLABEL headline\n"
            "  MENU LABEL Boot menu:\n"
            "  MENU DISABLE\nLABEL ubuntu 22.04 server\n  MENU LABEL Ubuntu 22.04\n  MENU DEFAULT\n"
            "  KERNEL ubuntu/vmlinuz\n  INITRD ubuntu/initrd\n  APPEND ip=dhcp\n"
            "LABEL more\n  MENU LABEL More...\n  KERNEL menu.c32\n  APPEND pxelinux.cfg/more\n"
            "LABEL dos\n  MENU LABEL DOS\n  KERNEL memdisk\n  APPEND initrd=dos.img raw\n"
            "LABEL off\n  COM32 poweroff.c32\n",
            "pxelinux.cfg/more": "LABEL deep\n  KERNEL ubuntu/vmlinuz\n",
        },
        "ubuntu/vmlinuz",
        "ubuntu/initrd memdisk dos.img",
    ),
    (
        ("ubuntu 22.04 server", "Ubuntu 22.04", (), URL + "ubuntu/vmlinuz"),
        ("more", "More...", (), "menu pxelinux.cfg/more"),
        ("dos", "DOS", (), "memdisk needs firmware"),
        ("off", "", (), "poweroff"),
        ("deep", "", ("More...",), URL + "ubuntu/vmlinuz"),
    ),
    default="ubuntu",
    reason="timeout",
    cmdline="BOOT_IMAGE=ubuntu/vmlinuz ip=dhcp initrd=ubuntu/initrd",
)

SITES = {
    "foreman": FOREMAN,
    "cobbler": COBBLER,
    "maas": MAAS,
    "fedora": FEDORA,
    "xenserver": XENSERVER,
    "nas": NAS,
}
