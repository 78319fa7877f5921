"""A bad wire between the hypervisor and its server: frames are lost, come twice, or overtake each other."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.ground import tools
from tests.support.ground.net import BRIDGE, Server, Site

SOURCE = tools.ROOT / "tests/data/wire/delaybr.c"
PORT = "vsw"


@dataclass(frozen=True)
class Faults:
    """How many of 1000 frames are lost, doubled, late, each way; ``seed`` is that of the dice."""

    lost: int = 0
    doubled: int = 0
    late: int = 0
    seed: int = 1
    delay_us: int = 1000


def worsen(site: Site, faults: Faults) -> Server:
    """Put such a wire in the place of the good one; to be called before servers are started."""
    if not Path("/dev/net/tun").exists():
        tools.missing("/dev/net/tun")
    program = site.directory / "delaybr"
    built = subprocess.run([tools.need("gcc"), "-O2", "-o", program, SOURCE], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    addresses = [f"addr add {address}/24 dev srv0" for address in site.addresses]
    site.ip(f"link del {PORT}", f"tuntap add dev {PORT} mode tap", f"link set {PORT} master {BRIDGE} up")
    site.ip("tuntap add dev srv0 mode tap", *addresses, "link set srv0 up", namespace=site.srv)
    numbers = (faults.delay_us, faults.lost, faults.seed, faults.doubled, faults.late)
    argv = [str(program), site.hyp, PORT, site.srv, "srv0", *map(str, numbers)]
    return site.spawn(argv, "wire.log").wait_for("ready")
