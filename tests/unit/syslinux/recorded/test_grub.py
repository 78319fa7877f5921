"""What GRUB's test of syslinux_configfile asserts (tests/syslinux), and what is so here.

It is the tree of an installer of Ubuntu. GRUB turns it into a grub.cfg, and its test compares that: menu
entries with their ids, hot keys, kernels, arguments and ramdisks, the default and the timeout. The tree is
here in other words.
"""

from __future__ import annotations

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, BootMenu, Choice
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.loader import boot as ldlinux
from pypxeboot.syslinux.menu import defaults
from tests.support.recorded.replay import GUEST, LEASE, boot, serving
from tests.support.samples.sources import SOURCE

_STYLE = "menu background splash.png\nmenu color title * #FFFFFFFF *\nmenu vshift 12\nmenu rows 10\n"
FILES = {
    "pxelinux.cfg/default": "# D-I config version 2.0\ninclude menu.cfg\ndefault vesamenu.c32\nprompt 0\n"
    "timeout 50\nui gfxboot bootlogo\n",
    "menu.cfg": "menu hshift 13\nmenu width 49\nmenu title Installer boot menu\ninclude stdmenu.cfg\n"
    "include txt.cfg\ninclude gtk.cfg\nmenu begin advanced\n menu title Advanced options\n"
    " include stdmenu.cfg\n label mainmenu\n  menu label ^Back..\n  menu exit\n include adgtk.cfg\nmenu end\n"
    "label help\n menu label ^Help\n text help\n   Help screens; 'menu' goes back.\n endtext\n"
    " config prompt.cfg\n",
    "stdmenu.cfg": _STYLE,
    "txt.cfg": "default live\nlabel live\n menu label ^Try it\n kernel casper/vmlinuz\n"
    " append file=/cdrom/p.seed boot=casper initrd=casper/initrd.lz quiet splash --\n"
    "label live-install\n menu label ^Install it\n kernel casper/vmlinuz\n"
    " append boot=casper only-ubiquity initrd=casper/initrd.lz quiet --\n"
    "label memtest\n menu label Test ^memory\n kernel install/mt86plus\n"
    "label hd\n menu label ^Boot from first hard disk\n localboot 0x80\n",
    "prompt.cfg": "prompt 1\ndisplay f1.txt\ntimeout 0\ninclude menu.cfg\ndefault live\nf1 f1.txt\n",
    **{"casper/vmlinuz": "@kernel", "casper/initrd.lz": "live"},
}


def listed() -> BootMenu:
    request = BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)
    return serving(FILES).drive(ldlinux.entries(request))[1]


def chosen(label: str) -> Choice:
    files = {name: text for name, text in FILES.items() if name != "pxelinux.cfg/default"}
    return boot(FILES["pxelinux.cfg/default"], label=label, files=files)


def test_the_entries() -> None:
    """Ids, kernels, arguments and the disk; ``initrd=`` is part of the arguments in both.

    GRUB puts everything behind ``menu begin`` into one list; here "Back.." is no entry that boots, so it is
    not listed, and those of prompt.cfg, which "Help" leads to, are.
    """
    entries = {entry.label: entry for entry in listed().entries}
    assert [*entries][:5] == ["live", "live-install", "memtest", "hd", "help"]
    live = entries["live"]
    assert str(live.kernel) == "tftp://10.77.0.1/casper/vmlinuz"
    words = "file=/cdrom/p.seed boot=casper initrd=casper/initrd.lz quiet splash --"
    assert live.cmdline == f"BOOT_IMAGE=casper/vmlinuz {words}"
    assert [str(item) for item in live.initrds] == ["tftp://10.77.0.1/casper/initrd.lz"]
    assert not entries["memtest"].initrds and entries["hd"].action is Action.LOCALBOOT
    assert entries["help"].meaning == "configuration prompt.cfg"


def test_hot_keys_and_the_menus() -> None:
    """Hot keys are the same in either case, and kept as capitals here."""
    replay = serving(FILES)
    location = boot_info.boot_source(LEASE).bootfile
    assert location is not None
    menu = replay.drive(defaults.read(ServerFiles(SOURCE), location, ["pxelinux.cfg/default"]))
    top = {entry.title: entry.hotkey for entry in menu.screens[0].entries}
    assert top == {
        "^Try it": "T",
        "^Install it": "I",
        "Test ^memory": "M",
        "^Boot from first hard disk": "B",
        "Advanced options": "",
        "^Help": "H",
    }
    assert [(entry.title, entry.hotkey) for entry in menu.screens[2].entries] == [("^Back..", "B")]


def test_what_boots() -> None:
    """GRUB takes the label of the last DEFAULT that is one; PXELINUX runs UI, whose menu knows DEFAULT."""
    assert chosen("live").entry.label == "live"
    assert chosen("hd").entry.action is Action.LOCALBOOT
