"""The guest's place on a real bridge: what others see of it, and that nothing of it outlives the run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, Site, guests, servers, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.net import HOST, command
from tests.support.ground.servers import ADDRESS, STANDARD, Offer
from tests.support.ground.simple import check_simple, kernel_of, serve, tree
from tests.support.slow_downloads import SLOW, downloading, finish


def serve_slowly(site: Site) -> None:
    """A site whose initrd takes a minute to come."""
    root = serve(site, files={**tree(SLOW), "big": bytes(1 << 20)})
    servers.nginx(site, root, "limit_rate 16k;")


def start(site: Site, *args: str, mac: str = MAC) -> subprocess.Popen[bytes]:
    base = ("--json", "--mac", mac, "--bridge", BRIDGE, "--output-directory", str(site.out))
    return site.start(*base, *args)


def new_ports(site: Site) -> set[str]:
    """Links that a run has added."""
    return {left.split()[1] for left in site.leftovers() if left.startswith("link ")}


def test_nothing_is_left_the_moment_it_ends(site: Site) -> None:
    """The guest's own interface comes up with the same MAC right after: not one port may be there still."""
    serve(site)
    monitor = site.spawn(["ip", "-ts", "monitor", "link"], "links", namespace=site.hyp)
    ends = []
    for _ in range(5):
        site.boot("-n").ok()
        ends.append(datetime.now())
        site.assert_nothing_left(within=2)
    wait_until(lambda: len(deletions(monitor.text())) == len(ends), 30, "ports deleted")
    late = [(gone - end).total_seconds() for gone, end in zip(deletions(monitor.text()), ends)]
    assert max(late) <= 0, f"seconds that the ports outlived their runs: {late}"


def deletions(text: str) -> list[datetime]:
    """When ``ip -ts monitor link`` saw a port of the bridge vanish."""
    found = re.findall(r"^\[(\S+)\] Deleted \d+: (pxe\w+)[@:]", text, re.M)
    last = {name: datetime.fromisoformat(when) for when, name in found}  # as a port, then as a link
    return list(last.values())


def test_the_bridge_keeps_its_mac_and_learns_the_guest_on_one_port(site: Site) -> None:
    serve_slowly(site)
    before = site.bridge_mac()
    seen = []
    process = start(site)
    try:
        wait_until(lambda: seen.append(site.bridge_mac()) or downloading(site), 60, "download")  # type: ignore[func-returns-value]
        (port,) = new_ports(site)
        assert site.learned() == {port}
        link = site.links()[port]
        assert link["address"] == "fe:ff:ff:ff:ff:ff" and link["master"] == BRIDGE
        assert ADDRESS not in site.show("addr", "show"), "the guest's address is none of the host's"
    finally:
        process.send_signal(signal.SIGTERM)
        run = finish(process)
    assert run.rc == 8, str(run)
    assert set(seen) | {site.bridge_mac()} == {before}
    site.assert_nothing_left(within=2)


MOMENTS: dict[str, Callable[[Site], object]] = {
    "start": lambda site: len(site.run_pids()) > 1,  # the client is forked: the interpreter is up
    "link": new_ports,
    "dhcp": lambda site: site.learned(),
    "download": downloading,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_signals(site: Site, number: signal.Signals, moment: str) -> None:
    if moment == "download":
        serve_slowly(site)
    process = start(site)
    try:
        wait_until(lambda: MOMENTS[moment](site), 60, moment)
        process.send_signal(number)
        run = finish(process, 60)
    finally:
        process.kill()
    if number == signal.SIGKILL:
        assert run.rc == -number
    elif moment == "start":
        assert run.rc in (8, -number), str(run)  # it may not have got to installing a handler
    else:
        assert run.rc == 8, str(run)
        assert "Traceback" not in run.stderr
    # The kernel removes a namespace whose last process was killed a little later, on its own.
    site.assert_nothing_left(within=5)


def test_the_client_process_is_killed(site: Site) -> None:
    serve_slowly(site)
    process = start(site)
    wait_until(lambda: downloading(site), 60, "download")
    for pid in site.run_pids() - {process.pid}:
        os.kill(pid, signal.SIGKILL)
    run = finish(process, 60)
    assert run.rc in range(1, 10), str(run)
    assert run.result["error"]["message"] and "Traceback" not in run.stderr
    site.assert_nothing_left(within=2)


def test_a_failed_boot_leaves_nothing(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD i1,gone\n"))
    before = site.bridge_mac()
    assert site.boot().rc == 6
    site.assert_nothing_left()
    assert site.bridge_mac() == before


def test_a_mac_that_stays_alive_is_refused(site: Site) -> None:
    serve(site)
    with guests.running_guest(site) as port:
        run = site.boot("--mac-wait", "1")
        assert run.rc == 7 and port in run.result["error"]["message"], str(run)
        assert run.seconds >= 1
        assert site.learned() == {port}, "its traffic must not be drawn away"
        site.assert_nothing_left([])


def test_a_mac_that_goes_away_is_waited_for(site: Site) -> None:
    serve(site)
    with guests.running_guest(site):
        process = start(site, "-v")
        time.sleep(1.5)
        assert process.poll() is None and not new_ports(site)
    run = finish(process)
    assert kernel_of(run) == dummy("vmlinuz")


def test_two_runs_for_one_guest(site: Site) -> None:
    serve_slowly(site)
    first = start(site)
    try:
        wait_until(lambda: downloading(site), 60, "download")
        second = site.boot("--mac-wait", "1")
        assert second.rc in (7, 8), str(second)
        assert first.poll() is None and len(new_ports(site)) == 1
    finally:
        first.send_signal(signal.SIGTERM)
        finish(first)
    site.assert_nothing_left(within=2)


def test_two_runs_where_nothing_is_learned_yet(site: Site) -> None:
    """The port of the first one does not forward for half a minute."""
    site.ip(f"link set {BRIDGE} type bridge stp_state 1 forward_delay 1500")
    first = start(site)
    try:
        wait_until(lambda: new_ports(site), 20, "port of the first")
        (port,) = new_ports(site)
        second = site.boot("--mac-wait", "0")
        assert second.rc == 7 and port in second.result["error"]["message"], str(second)
        assert first.poll() is None and not site.learned()
    finally:
        first.send_signal(signal.SIGTERM)
        finish(first)


def test_many_at_once(site: Site) -> None:
    macs = {f"52:54:00:00:01:{number:02x}": f"10.77.0.{150 + number}" for number in range(10)}
    serve(site, offer=Offer(hosts=macs))
    outs = {}
    running = {}
    for mac in macs:
        outs[mac] = site.directory / mac.replace(":", "")
        outs[mac].mkdir()
        base = ("--json", "--mac", mac, "--bridge", BRIDGE, "--output-directory", str(outs[mac]))
        running[mac] = site.start(*base)
    for mac, process in running.items():
        run = finish(process, 60)
        result = run.ok().result
        assert (result["lease"]["address"], result["guest"]["mac"]) == (macs[mac], mac)
        assert outs[mac] in Path(result["kernel"]["path"]).parents
        assert kernel_of(run) == dummy("vmlinuz")
    site.assert_nothing_left()


def test_two_at_once_in_one_directory(site: Site) -> None:
    macs = {MAC: ADDRESS, "52:54:00:00:02:01": "10.77.0.180"}
    serve(site, offer=Offer(hosts=macs))
    runs = [finish(process) for process in [start(site, mac=mac) for mac in macs]]
    paths = {run.ok().result[name]["path"] for run in runs for name in ("kernel", "ramdisk")}
    assert len(paths) == 4
    for run in runs:
        assert kernel_of(run) == dummy("vmlinuz")


@pytest.mark.parametrize("offer", [STANDARD, Offer(broadcast=True)], ids=["unicast", "broadcast"])
def test_link_host(tmp_path: Path, clean_machine: None, offer: Offer) -> None:
    """Nothing joins the bridge: raw frames for DHCP, and transfers from the host's own address."""
    with Site(tmp_path, host_address=True) as site:
        serve(site, offer=offer)
        seen: set[str] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                seen.update(new_ports(site))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            run = site.boot("--link", "host")
        finally:
            over.set()
            watcher.join()
        check_simple(site, run)
        assert not seen
        log = next(site.directory.glob("*-dnsmasq.log")).read_text()
        assert f"vmlinuz to {HOST}" in log


def test_link_macvlan_on_a_plain_nic(site: Site) -> None:
    site.ip("link set vsw nomaster", "link set vsw up")
    serve(site)
    base = ("--json", "--mac", MAC, "--interface", "vsw", "--output-directory", str(site.out))
    check_simple(site, site.pypxeboot(*base))


def test_vlan_of_a_filtering_bridge(site: Site) -> None:
    try:
        site.ip(f"link set {BRIDGE} type bridge vlan_filtering 1")
    except RuntimeError as error:
        if "not supported" not in str(error):
            raise
        pytest.skip("this kernel's bridge does not filter VLANs")
    lines = "vlan del dev vsw vid 1\nvlan add dev vsw vid 20 pvid untagged\n"
    command("bridge", "-n", site.hyp, "-batch", "-", stdin=lines)
    serve(site)
    check_simple(site, site.boot("--vlan", "20"))
    for path in site.out.rglob("*"):
        if path.is_file():
            path.unlink()
    assert site.boot("--timeout", "4").rc == 3


def test_bridge_with_spanning_tree(site: Site) -> None:
    """A new port listens and learns first, two seconds each at the least."""
    site.ip(f"link set {BRIDGE} type bridge stp_state 1 forward_delay 200")
    forwarding = '"state":"forwarding"'
    wait_until(
        lambda: forwarding in site.show("-d", "link", "show", "vsw"), 15, "port of the server forwards"
    )
    serve(site)
    run = site.boot()
    assert kernel_of(run) == dummy("vmlinuz")
    assert run.result["seconds"]["link"] > 3.5


def test_no_such_bridge_and_a_bridge_that_is_down(site: Site) -> None:
    base = ("--json", "--mac", MAC, "--output-directory", str(site.out), "--timeout", "4")
    run = site.pypxeboot(*base, "--bridge", "nosuch")
    assert run.rc == 2 and "nosuch" in run.result["error"]["message"]
    site.ip(f"link set {BRIDGE} down")
    run = site.pypxeboot(*base, "--bridge", BRIDGE)
    assert run.rc in (2, 3), str(run)
    site.assert_nothing_left()


def test_offloaded_checksums_of_a_server_on_the_host(host_site: Site) -> None:
    """Frames of a local server carry unfinished UDP checksums: they are good all the same."""
    serve(host_site)
    features = command("ip", "netns", "exec", host_site.hyp, "ethtool", "-k", BRIDGE)
    assert "tx-checksumming: on" in features
    links = {link["ifname"] for link in json.loads(host_site.show("link", "show"))}
    check_simple(host_site, host_site.boot())
    assert {link["ifname"] for link in json.loads(host_site.show("link", "show"))} == links
