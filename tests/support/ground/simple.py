"""The site that most tests serve: two entries, two initrds; and what a boot of it must have left."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Optional

from tests.support.ground import servers
from tests.support.ground.kernels import dummy
from tests.support.ground.net import SERVER, Run, Site
from tests.support.ground.servers import STANDARD, Offer, Tree

INITRDS = {"i1": b"INITRD-ONE\n", "i2": b"INITRD-TWO-22\n"}
JOINED = b"INITRD-ONE\n\0INITRD-TWO-22\n"
"""Each but the last padded to four bytes, as PXELINUX does."""

SIMPLE = (
    "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND x=1\n INITRD i1,i2\nLABEL b\n KERNEL other\n APPEND y=2\n"
)


def tree(config: str = SIMPLE, prefix: str = "") -> dict[str, bytes]:
    """The files of a site whose default configuration is ``config``."""
    files = {"pxelinux.0": b"a program for the firmware", "pxelinux.cfg/default": config.encode(), **INITRDS}
    files.update({name: dummy(name) for name in ("vmlinuz", "other")})
    return {prefix + name: data for name, data in files.items()}


def serve(site: Site, kind: str = "dnsmasq", files: Optional[Tree] = None, offer: Offer = STANDARD) -> Path:
    """Serve ``files`` (those of SIMPLE) by the servers of ``kind`` and give their root."""
    root = servers.plant(site.directory / "root", tree() if files is None else files)
    servers.start(site, kind, root, offer)
    return root


def kernel_of(run: Run) -> bytes:
    """The kernel file that the run left, which must be what the result says it is."""
    kernel = run.ok().result["kernel"]
    data = Path(kernel["path"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (kernel["size"], kernel["sha256"])
    return data


def ramdisk_of(run: Run) -> bytes:
    """The ramdisk file that the run left, likewise."""
    ramdisk = run.ok().result["ramdisk"]
    data = Path(ramdisk["path"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (ramdisk["size"], ramdisk["sha256"])
    return data


def asked(run: Run) -> list[tuple[str, str]]:
    """What was asked for, with the result."""
    return [(request["url"], request["result"]) for request in run.result["requests"]]


def check_simple(site: Site, run: Run, base: str = f"tftp://{SERVER}/") -> None:
    """That ``run`` booted entry ``a`` of SIMPLE, and left its two files only."""
    result = run.ok().result
    assert (result["action"], result["label"], result["reason"]) == ("boot", "a", "default")
    assert result["cmdline"].rstrip() == "BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2"
    assert result["kernel"]["url"] == f"{base}vmlinuz"
    assert [i["url"] for i in result["initrds"]] == [f"{base}i1", f"{base}i2"]
    assert kernel_of(run) == dummy("vmlinuz")
    assert ramdisk_of(run) == JOINED
    files = [Path(result[name]["path"]).relative_to(site.out) for name in ("kernel", "ramdisk")]
    site.assert_nothing_left([str(name) for name in files] + [str(files[0].parent)])


def check_stderr(run: Run) -> None:
    """Lines of our own only: no traceback, nothing that could steer a terminal."""
    for line in run.stderr.splitlines():
        assert line.startswith("pypxeboot: "), f"{line!r} in {run}"
        assert line.isprintable()
