"""A fifth of all frames is lost, a fifth comes twice, a fifth too late: a boot, or an error in time."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.support.ground import SERVER, Run, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, check_stderr, kernel_of, ramdisk_of, tree
from tests.support.ground.wire import Faults, worsen

FIFTH = {"lost": 200, "doubled": 200, "late": 200}
TIMEOUT = 30
INITRD = random.Random(1).randbytes(12_000)


def plant(site: Site, base: str) -> Path:
    config = SIMPLE.replace("vmlinuz", f"{base}vmlinuz").replace("i1,i2", f"{base}i1")
    return servers.plant(site.directory / "root", {**tree(config), "i1": INITRD})


def check(site: Site, run: Run) -> bool:
    """Whether it booted; then with the right files, else with an error in time."""
    check_stderr(run)
    assert run.seconds < TIMEOUT + 10, str(run)
    if run.rc == 0:
        assert kernel_of(run) == dummy("vmlinuz") and ramdisk_of(run) == INITRD
        shutil.rmtree(site.out)
        return True
    assert run.rc in (3, 4, 6), str(run)
    assert run.result["error"]["message"]
    site.assert_nothing_left(within=2)
    return False


def boots(site: Site) -> bool:
    """Whether a boot there comes to a kernel, if not the first then the second."""
    return any(check(site, site.boot("--timeout", str(TIMEOUT))) for _ in range(2))


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd+hpa"])
def test_dhcp_and_tftp(site: Site, kind: str) -> None:
    worsen(site, Faults(**FIFTH))
    servers.start(site, kind, plant(site, ""))
    assert boots(site)


def test_dhcp_and_http(site: Site) -> None:
    worsen(site, Faults(**FIFTH))
    root = plant(site, f"http://{SERVER}/")
    servers.dnsmasq(site, root)
    servers.nginx(site, root)
    assert boots(site)


def test_proxy_dhcp(site: Site) -> None:
    """Two servers, either of whose answers may be missing; the proxy's machine is on the good side."""
    worsen(site, Faults(**FIFTH))
    root = plant(site, "")
    servers.dhcpd(site, Offer(filename="", next_server=SERVER))
    servers.proxy_dhcp(site, "10.77.0.4", "--pxe-service=x86PC,Linux,pxelinux", root=root)
    assert boots(site)


@pytest.mark.parametrize("fault", ["doubled", "late"])
def test_without_loss_everything_arrives(site: Site, fault: str) -> None:
    worsen(site, Faults(**{fault: 200}))
    root = plant(site, "")
    servers.dnsmasq(site, root)
    assert check(site, site.boot("--timeout", str(TIMEOUT)))


def test_everything_is_lost(site: Site) -> None:
    worsen(site, Faults(lost=1000))
    servers.dnsmasq(site, plant(site, ""))
    run = site.boot("--timeout", "5")
    assert run.rc == 3 and not check(site, run)
