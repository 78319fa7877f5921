"""U-Boot's dialect: its words, its names, what it boots when nobody types."""

from __future__ import annotations

from pathlib import Path

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import asked, kernel_of, ramdisk_of
from tests.support.samples.uboot import BOOTIF, DTB


def test_a_board_boots_from_real_servers(site: Site) -> None:
    config = (
        "menu title boards\ntimeout 30\ndefault l0\n\nlabel l0\n  menu label Linux\n  linux /boot/Image\n"
        "  initrd /boot/initrd.img\n  fdtdir /dtbs\n  append root=/dev/nfs console=ttyS2\n  ipappend 2\n"
    )
    image = bytearray(dummy("Image"))
    files = {
        "tree/pxelinux.cfg/default-arm-rk3399-rock": config,
        "tree//boot/Image".replace("//", "/"): bytes(image),
        "tree/boot/initrd.img": b"INITRD\n",
        "tree/dtbs/rk3399-rock.dtb": DTB,
    }
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, root, Offer(filename="tree/u-boot.bin"))
    board = ("--dialect", "uboot", "--arch", "arm64", "--board", "rk3399-rock")
    run = site.boot(*board, "--no-kernel-check")  # it is one of a PC
    result = run.ok().result
    assert (result["label"], result["reason"]) == ("l0", "timeout")
    assert result["config"] == f"tftp://{SERVER}/tree/pxelinux.cfg/default-arm-rk3399-rock"
    assert result["cmdline"] == f"root=/dev/nfs console=ttyS2 {BOOTIF}"
    assert kernel_of(run) == bytes(image) and ramdisk_of(run) == b"INITRD\n"
    assert result["dtb"]["url"] == f"tftp://{SERVER}/tree//dtbs/rk3399-rock.dtb"
    assert Path(result["dtb"]["path"]).read_bytes() == DTB
    missed = [url for url, answer in asked(run) if answer == "not-found"]
    assert len(missed) == 9 and missed[0].endswith("01-52-54-00-ab-cd-ef")
