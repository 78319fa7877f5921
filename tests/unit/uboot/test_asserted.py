"""What U-Boot's own tests of pxe and sysboot assert, and what is so here.

Its test/py/tests/test_net_boot.py describes a tree of three configurations with four labels, and
test/boot/pxe.c (2026) one file with fourteen nested includes. Both are here in other words. What differs is
told beside it: a host has no U-Boot environment and no prompt to come back to, and boots nothing by guess.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, BootMenu, Choice, Reason
from pypxeboot.errors import ConfigError, NotFound
from pypxeboot.uboot import boot as uboot
from tests.support.recorded.replay import GUEST, LEASE, serving
from tests.support.samples.uboot import BOOTIF, DTB

BOARD = replace(GUEST, arch="arm", board="zynqmp-board")
TREE = {
    "pxelinux.cfg/default-arm-zynqmp": "menu include pxelinux.cfg/default-arm\ntimeout 50\n\ndefault Linux\n",
    "pxelinux.cfg/default-arm": "menu title Selections\nmenu include pxelinux.cfg/default\n\n"
    "label install\n menu label Not there\n kernel gone.bin\n append console=ttyAMA0 debug\n initrd gone\n\n"
    "label local\n menu label Disk\n append root=/dev/sdb1\n localboot 1\n\n"
    "label empty\n menu label Nothing\n",
    "pxelinux.cfg/default": "label Linux\n menu label Kernel\n kernel Image\n"
    " fdt system.dtb\n initrd rootfs\n",
    **{"Image": "@kernel", "system.dtb": DTB, "rootfs": "initrd"},
}


def request(**more: object) -> BootRequest:
    source = uboot.uboot_source(boot_info.boot_source(LEASE), None)
    return BootRequest(source, BOARD, LEASE, **more)  # type: ignore[arg-type]


def boot(files: dict[str, object], **more: object) -> Choice:
    return serving(files).drive(uboot.boot(request(**more)))  # type: ignore[arg-type]


def listed(files: dict[str, object]) -> BootMenu:
    return serving(files).drive(uboot.entries(request()))[1]  # type: ignore[arg-type]


def test_the_default_label_of_a_tree_of_includes() -> None:
    """test_net_pxe_boot: the file of the board includes that of the architecture, and this the last one."""
    choice = boot(TREE)
    entry = choice.entry
    assert (entry.label, choice.reason) == ("Linux", Reason.TIMEOUT)
    assert entry.kernel is not None and entry.dtb is not None
    assert [entry.kernel.path, *(item.path for item in entry.initrds), entry.dtb.path] == [
        "Image",
        "rootfs",
        "system.dtb",
    ]
    assert [item.title for item in listed(TREE).entries] == ["Kernel", "Not there", "Disk", "Nothing"]


def test_labels_by_their_number() -> None:
    """test_net_pxe_boot_config and _invalid: 1 is good, 2 is not there, 3 is the disk, 4 has no kernel.

    U-Boot goes on with the default label after 2 and 4; a label that was asked for by name is booted here, or
    nothing. And it runs $localcmd for 3, which its test leaves unset: here that is the guest's disk.
    """
    assert boot(TREE, label="1").entry.label == "Linux"
    with pytest.raises(NotFound, match="gone.bin"):
        boot(TREE, label="2")
    assert boot(TREE, label="3").entry.action is Action.LOCALBOOT
    with pytest.raises(ConfigError, match="empty"):
        boot(TREE, label="4")
    other = {
        **TREE,
        "pxelinux.cfg/default-arm-zynqmp": "menu include pxelinux.cfg/default-arm\ndefault install\n",
    }
    assert boot(other).entry.label == "Linux", "without anybody who chose, the next label has its turn"


LEVELS = range(3, 17)
EXTLINUX = (
    "menu title Test menu\ntimeout 50\nprompt 1\ndefault linux\n\n"
    "label linux\n menu label Boot it\n kernel /vmlinuz\n append root=/dev/sda1 quiet\n initrd /initrd.img\n"
    " fdt /dtb/board.dtb\n fdtoverlays /dtb/one.dtbo /dtb/two.dtbo\n kaslrseed\n say Booting it\n\n"
    "label rescue\n menu label Rescue\n linux /vmlinuz-rescue\n append single\n fdtdir /dtb/\n ipappend 3\n\n"
    "label local\n menu label Local\n localboot 1\n\ninclude extra.conf\n"
)
NESTED = {
    "extra.conf": "label included\n kernel /boot/other\n append root=/dev/sdb1\ninclude nest3.conf\n",
    **{
        f"nest{level}.conf": f"label level{level}\n kernel /k{level}\n"
        + (f"include nest{level + 1}.conf\n" if level < LEVELS[-1] else "")
        for level in LEVELS
    },
}


def test_a_file_with_every_word() -> None:
    """pxe_test_parse: labels in order, each with its words; the words ``fit`` and ``fallback`` are newer."""
    files = {"pxelinux.cfg/default": EXTLINUX, **NESTED, "/dtb/board.dtb": DTB}
    menu = listed(files)
    names = ["linux", "rescue", "local", "included", *(f"level{level}" for level in LEVELS)]
    assert [entry.label for entry in menu.entries] == names
    linux, rescue, local, included = menu.entries[:4]
    assert (menu.title, menu.default, linux.title) == ("Test menu", "linux", "Boot it")
    assert linux.kernel is not None and rescue.kernel is not None
    assert (linux.kernel.path, linux.cmdline) == ("/vmlinuz", "root=/dev/sda1 quiet")
    assert [item.path for item in linux.initrds] == ["/initrd.img"]
    assert rescue.kernel.path == "/vmlinuz-rescue" and not rescue.initrds
    assert rescue.cmdline.startswith("single ip=") and rescue.cmdline.endswith(BOOTIF)
    assert (local.action, local.kernel) == (Action.LOCALBOOT, None)
    assert included.cmdline == "root=/dev/sdb1"


def test_a_label_is_booted_with_its_files() -> None:
    """pxe_test_sysboot: kernel, ramdisk and device tree; its overlays are for a firmware to lay over it."""
    files = {"pxelinux.cfg/default": EXTLINUX, **NESTED, "/dtb/board.dtb": DTB}
    choice = boot({**files, "/vmlinuz": "@kernel", "/initrd.img": "initrd"})
    assert choice.entry.label == "linux" and choice.entry.dtb is not None
    assert choice.entry.dtb.path == "/dtb/board.dtb"
