"""Recorded boots through the command line: their files on real servers, what came of them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.ground import Run, Site, servers
from tests.support.recorded.boots import Case

TIMEOUT = 20
"""Seconds a boot may take; cases in which nothing answers take all of it."""

NETWORKS = {
    "10.77.0.1": ("10.77.0.1", "10.77.0.3"),
    "10.0.2.2": ("10.0.2.2", "10.0.2.9"),
}
"""The addresses of the servers, by the first one: the boot server."""

# SeaBIOS speaks for itself in every recorded boot.
BIOS = "type=0,vendor=SeaBIOS,version=1.16.2-debian-1.16.2-1"


@dataclass(frozen=True)
class Outcome:
    """One boot: what the run said, the files that it left, and what it should not have left."""

    run: Run
    kernel: bytes
    ramdisk: bytes
    left: list[str]


class Replayer:
    """One worker's place: a site for each network, made when it is first needed."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory, self.stack = directory, stack
        self.sites: dict[str, Site] = {}

    def site(self, server: str) -> Site:
        """The site whose boot server is ``server``."""
        if server not in self.sites:
            directory = self.directory / server
            directory.mkdir(parents=True)
            self.sites[server] = self.stack.enter_context(Site(directory, addresses=NETWORKS[server]))
        return self.sites[server]

    def serve(self, case: Case, site: Site) -> None:
        """The servers of ``case``."""
        root = servers.plant(site.directory / "root", case.files)
        offer = servers.Offer(
            filename=case.bootfile,
            next_server=case.next_server,
            options={code: text.decode() for code, text in case.options.items()},
            hosts={case.mac: case.address},
        )
        network = case.server.rpartition(".")[0]
        extra = list(case.raw.get("dhcp", {}).get("extra", ()))
        if case.loader == "ipxe":
            extra.append("--dhcp-option-force=encap:175,176,1b")
        elif case.gateway is None and "--dhcp-option=3" not in extra:
            extra.append("--dhcp-option=3")
        pool = f"{network}.10,{network}.200"
        servers.dnsmasq(site, root, offer, names=case.names, extra=extra, pool=pool)
        if case.web_servers:
            lines = "".join(f"location = /{a} {{ return 302 /{b}; }} " for a, b in case.redirects.items())
            lines += case.raw.get("dhcp", {}).get("nginx", "")
            servers.nginx(site, root, lines, addresses=case.web_servers)

    def replay(self, case: Case) -> Outcome:
        """Serve ``case``, boot it, and clear away what was left."""
        site = self.site(case.server)
        try:
            self.serve(case, site)
            words = ["--uuid", case.uuid, "--timeout", str(TIMEOUT), "--smbios", BIOS]
            words += ["--profile", "ipxe"] if case.loader == "ipxe" else []
            words += ["--label", case.raw["label"]] if "label" in case.raw else []
            given = [*case.raw.get("client", {}).get("qemu", ()), case.raw.get("smbios", "")]
            for spec in given:
                words += ["--smbios", spec] if spec.startswith("type=") else []
            run = site.boot(*words, mac=case.mac, timeout=TIMEOUT + 20)
            return self._outcome(site, run)
        finally:
            site.stop_servers()
            for path in sorted(site.out.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()

    @staticmethod
    def _outcome(site: Site, run: Run) -> Outcome:
        files = {"kernel": b"", "ramdisk": b""}
        expected = []
        if run.rc == 0:
            for name in files:
                path = (run.result[name] or {}).get("path")
                if path:
                    files[name] = Path(path).read_bytes()
                    expected += [str(p.relative_to(site.out)) for p in (Path(path), *Path(path).parents)[:2]]
            expected += [str(Path(m["path"]).relative_to(site.out)) for m in run.result["modules"]]
        deadline = time.monotonic() + 1  # how soon it has to be gone is tested elsewhere
        while site.leftovers(expected) and time.monotonic() < deadline:
            time.sleep(0.05)
        return Outcome(run, files["kernel"], files["ramdisk"], site.leftovers(expected))
