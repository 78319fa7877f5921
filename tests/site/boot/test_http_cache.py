"""A web cache between many guests and their server, as `docs/cache.md` has it."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.ground import SERVER, Run, Site, servers, tools, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.net import Server
from tests.support.ground.servers import Offer

GUESTS = 64
PORT = 3128
SCRIPT = "#!ipxe\nkernel http://origin.example/vmlinuz x=1\ninitrd http://origin.example/initrd.img\nboot\n"


def cache_of_the_guide(site: Site) -> Server:
    """The nginx whose configuration the guide shows, its folders and resolver the site's."""
    (lines,) = re.findall(r"```nginx\n(.*?)```", (tools.ROOT / "docs/cache.md").read_text(), re.S)
    state = site.fresh("cache")
    state.mkdir()
    for shown, here in (("/var/cache/nginx", str(state)), ("resolver 127.0.0.1", f"resolver {SERVER}")):
        assert shown in lines
        lines = lines.replace(shown, here)
    (state / "conf").write_text(
        f"daemon off; user root; worker_processes 1; pid {state}/pid; error_log stderr;\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off; {lines} }}\n"
    )
    server = site.spawn(["nginx", "-c", str(state / "conf"), "-p", str(state), "-e", "stderr"], "cache.log")
    wait_until(lambda: servers.is_listening(site, PORT, "-lnt"), 20, "the cache listens")
    return server


def test_many_boots_fetch_each_file_once_from_the_origin(site: Site) -> None:
    kernel = dummy("vmlinuz")
    files = {"boot.ipxe": SCRIPT, "vmlinuz": kernel, "initrd.img": b"i" * 3_000_000}
    root = servers.plant(site.directory / "root", files)
    # Of a name that is an --address alone it has no IPv6, and says that it does not exist.
    records = ["--host-record=origin.example,127.0.0.1", "--local=/example/"]
    offer = Offer(filename="boot.ipxe", hosts={})
    servers.dnsmasq(site, root, offer, names={"other.example": SERVER}, extra=records)
    servers.nginx(site, root, addresses=["127.0.0.1"])
    cache_of_the_guide(site)

    def boot(number: int) -> Run:
        mac = f"52:54:00:00:01:{number:02x}"
        return site.boot("--http-proxy", f"http://{SERVER}:{PORT}", mac=mac, timeout=300)

    with ThreadPoolExecutor(4) as pool:
        results = [run.ok().result for run in pool.map(boot, range(GUESTS))]
    assert all(Path(result["kernel"]["path"]).read_bytes() == kernel for result in results)
    assert all(result["initrds"][0]["size"] == 3_000_000 for result in results)
    (log,) = site.directory.glob("*-nginx/access.log")
    asked = Counter(re.findall(r'"GET (\S+) ', log.read_text()))
    assert asked == {"/vmlinuz": 1, "/initrd.img": 1}, asked
