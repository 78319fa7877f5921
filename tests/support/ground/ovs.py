"""Open vSwitch with its datapath in user space, by hand: a database and a daemon of the test's own."""

from __future__ import annotations

from pathlib import Path

from tests.support.ground import tools
from tests.support.ground.net import Server, Site, command, wait_until

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


class OpenVSwitch:
    """A switch in the hypervisor's namespace of a site; ``environment`` leads its programs to it."""

    def __init__(self, site: Site, state: Path) -> None:
        self._site, self._state = site, state
        if not SCHEMA.exists():
            tools.missing("Open vSwitch")
        state.mkdir(exist_ok=True)
        directories = ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")
        self.environment = dict.fromkeys(directories, str(state))
        command(tools.need("ovsdb-tool"), "create", str(state / "conf.db"), str(SCHEMA))
        self._database = self._spawn("ovsdb-server", str(state / "conf.db"), "--remote=punix:db.sock")
        wait_until(lambda: (state / "db.sock").exists(), 30, "ovsdb-server listens")
        self.vsctl("--no-wait", "init")
        self._daemon = self._spawn("ovs-vswitchd", "unix:db.sock", "--disable-system")
        wait_until(lambda: list(state.glob("ovs-vswitchd.*.ctl")) or None, 30, "ovs-vswitchd listens")

    def _spawn(self, program: str, *words: str) -> Server:
        files = (f"--pidfile={self._state}/{program}.pid", f"--unixctl={self._state}/{program}.ctl")
        argv = [program, *words, "--no-chdir", "-vconsole:warn"]
        argv += files[:1] if program == "ovs-vswitchd" else files  # whose socket ovs-appctl finds by the pid
        return self._site.spawn(argv, f"{program}.log", namespace=self._site.hyp, env=self.environment)

    def vsctl(self, *words: str) -> str:
        """Run ``ovs-vsctl`` and give its output."""
        return self._run("ovs-vsctl", *words)

    def appctl(self, *words: str) -> str:
        """Run ``ovs-appctl`` and give its output."""
        return self._run("ovs-appctl", *words)

    def _run(self, program: str, *words: str) -> str:
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        inside = ["ip", "netns", "exec", self._site.hyp, "env", *settings]
        return command(*inside, tools.need(program), "--timeout=10", *words)

    def add_bridge(self, name: str) -> None:
        """A bridge in user space, up."""
        self.vsctl("add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev")
        self._site.ip(f"link set {name} up")
        for link in ("ovs-netdev", name):
            self._site.adopt(link)

    def ports(self, bridge: str) -> set[str]:
        """The ports of a bridge."""
        return set(self.vsctl("list-ports", bridge).split())
