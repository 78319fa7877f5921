"""A libvirtd of the tests' own, with QEMU (software emulation), in a site's hypervisor namespace.

    hyp
      br0       the site's bridge: DHCP and TFTP by the server beyond it
      virbr7    the libvirt network "lab", 10.78.0.1/24: DHCP and TFTP by libvirt's own dnsmasq

All that libvirtd reads and writes below /etc, /var and /run is in a directory of the test's, mounted over the
real paths in a mount namespace that libvirtd shares with what is run beside it (:meth:`Libvirt.run`): no
libvirtd of the machine is touched, or sees any of this. All of it ends with the site.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional
from uuid import uuid4
from xml.sax.saxutils import quoteattr

from tests.support.ground import servers, tools
from tests.support.ground.net import BRIDGE, Run, Server, Site, wait_until
from tests.support.ground.servers import Offer, Tree

NETWORK, NETWORK_BRIDGE, NETWORK_SERVER = "lab", "virbr7", "10.78.0.1"
SERIAL = "/var/lib/libvirt/serial"
DISKS = "/var/lib/libvirt/images"
FIRST_ANSWER = 120  # s; libvirtd asks every QEMU what it can when it starts

# Where each directory of the state is seen by libvirtd, QEMU and pypxeboot.
_PLACES = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "run": "/run/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "pypxeboot": "/var/lib/pypxeboot",
    "run-pypxeboot": "/run/pypxeboot",
}
_USER = {"passwd": "libvirt-qemu:x:64055:64055::/:/bin/false", "group": "libvirt-qemu:x:64055:"}
# An unprivileged QEMU, as every distribution has it; no daemon for its output, and no cgroups of the machine.
_QEMU_CONF = """\
user = "nobody"
group = "{group}"
stdio_handler = "file"
cgroup_controllers = []
security_driver = "none"
namespaces = []
"""
_LIBVIRTD_CONF = """\
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# No firewall is touched with forward mode "open", and there may be none.
_NETWORK_XML = f"""\
<network>
  <name>{NETWORK}</name>
  <forward mode="open"/>
  <bridge name="{NETWORK_BRIDGE}" stp="off" delay="0"/>
  <ip address="{NETWORK_SERVER}" netmask="255.255.255.0">
    <tftp root="/var/lib/libvirt/tftp"/>
    <dhcp>
      <range start="10.78.0.100" end="10.78.0.250"/>
      <bootp file="pxelinux.0"/>
    </dhcp>
  </ip>
</network>
"""
# libvirtd waits until a QEMU that it ended is reaped: an init may take seconds for that, and this none.
_REAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
daemon = subprocess.Popen(sys.argv[1:])
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""


def need_python() -> None:
    """End the test where libvirt-python is not installed."""
    if importlib.util.find_spec("libvirt") is None:
        tools.missing("libvirt-python")


def _dnsmasq(site: Site, root: Path) -> None:
    servers.dnsmasq(site, root, Offer(hosts={}))


class Libvirt:
    """libvirtd with the network ``lab``, and the servers of the plain bridge: both serve one tree.

    ``beyond`` starts the latter.
    """

    def __init__(self, site: Site, beyond: Callable[[Site, Path], None] = _dnsmasq) -> None:
        for name in ("libvirtd", "virsh", "qemu-system-x86_64", "dnsmasq", "unshare", "nsenter"):
            tools.need(name)
        self.site, self.root = site, site.directory / "libvirt"
        for name in (*_PLACES, "etc/hooks", "lib/tftp", "lib/serial", "lib/images", "lib/boot"):
            (self.root / name).mkdir(parents=True, mode=0o755)
        group = "nogroup" if "\nnogroup:" in Path("/etc/group").read_text() else "nobody"
        (self.root / "etc/qemu.conf").write_text(_QEMU_CONF.format(group=group))
        identity = f'host_uuid = "{uuid4()}"\n'  # no guest migrates to the host that it is on
        (self.root / "etc/libvirtd.conf").write_text(_LIBVIRTD_CONF + identity)
        (self.root / "network.xml").write_text(_NETWORK_XML)
        self._hold_mounts()
        self.start()
        self.virsh("net-define", str(self.root / "network.xml"))
        self.virsh("net-autostart", NETWORK)
        self.virsh("net-start", NETWORK)
        site.adopt(NETWORK_BRIDGE)
        beyond(site, self.tftp)

    def _hold_mounts(self) -> None:
        """A process that keeps the mount namespace."""
        lines = ["set -e"]
        for name, place in _PLACES.items():
            lines += [f"mkdir -p {place}", f"mount --bind {self.root / name} {place}"]
        # Some distributions leave it to a package of more to make the user whom QEMU runs as by default.
        for name, line in _USER.items():
            text = Path("/etc", name).read_text()
            (self.root / name).write_text(text if "\nlibvirt-qemu:" in text else f"{text}{line}\n")
            lines.append(f"mount --bind {self.root / name} /etc/{name}")
        # Where there is a KVM that does not work, libvirtd would ask every QEMU anew all the time.
        hidden = self.root / "kvm"
        hidden.touch(mode=0o000)
        lines.append(f"[ ! -e /dev/kvm ] || mount --bind {hidden} /dev/kvm")
        lines += ["echo ready", "exec sleep infinity"]
        script = "\n".join(lines)
        holder = self.site.spawn(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", script],
            "mounts.log",
            namespace=self.site.hyp,
        )
        holder.wait_for("ready")
        self._inside = (tools.need("nsenter"), f"--mount=/proc/{holder.process.pid}/ns/mnt")

    @property
    def tftp(self) -> Path:
        """The TFTP root of both networks."""
        return self.root / "lib/tftp"

    def serve(self, files: Tree) -> None:
        """Have both networks serve ``files``, and nothing else."""
        servers.plant(self.tftp, files)

    def start(self) -> None:
        """Start libvirtd; it answers when this returns."""
        argv = [
            sys.executable,
            "-c",
            _REAPER,
            tools.need("libvirtd"),
            "--pid-file",
            "/run/libvirt/libvirtd.pid",
        ]
        self.site.spawn([*self._inside, *argv], "libvirtd.out", namespace=self.site.hyp)
        wait_until((self.root / "run/libvirt-sock").exists, 30, "libvirtd's socket")
        self.virsh("list", timeout=FIRST_ANSWER)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End libvirtd, or kill it; guests go on."""
        pid = self._pid()
        os.kill(pid, number)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 30, "the end of libvirtd")
        with contextlib.suppress(FileNotFoundError):
            (self.root / "run/libvirt-sock").unlink()

    def _pid(self) -> int:
        return int((self.root / "run/libvirtd.pid").read_text())

    def reload(self) -> None:
        """libvirtd looks for hooks now."""
        os.kill(self._pid(), signal.SIGHUP)

    def log(self) -> str:
        """What libvirtd had to say."""
        return (self.root / "log/libvirtd.log").read_text("utf-8", "replace")

    def run(self, *argv: str, timeout: float = 60, env: Optional[Mapping[str, str]] = None) -> Run:
        """Run a command beside libvirtd."""
        begin = time.monotonic()
        done = subprocess.run(
            ["ip", "netns", "exec", self.site.hyp, *self._inside, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**tools.ENVIRONMENT, **(env or {})},
        )
        stderr = done.stderr.decode("utf-8", "replace")
        return Run(argv, done.returncode, done.stdout, stderr, time.monotonic() - begin)

    def virsh(self, *words: str, timeout: float = 60) -> str:
        """What ``virsh`` prints; it must succeed."""
        run = self.run(tools.need("virsh"), "--quiet", "-c", "qemu:///system", *words, timeout=timeout)
        if words[0] == "reset" and "read from monitor" in run.stderr:
            return ""  # a machine whose reset is its end may be gone before it has answered
        return run.ok().stdout.decode()

    def pypxeboot(self, module: str, *args: str, timeout: float = 60) -> Run:
        """Run a command of the project (``pypxeboot.commands.virt``) beside libvirtd."""
        program = ("-c", _program(module))
        return self.site.pypxeboot(*args, timeout=timeout, before=self._inside, program=program)

    def spawn(self, module: str, *args: str, log: str, env: Optional[dict[str, str]] = None) -> Server:
        """Start one that stays, with its log below the site's directory."""
        argv = [*self._inside, sys.executable, "-c", _program(module), *args]
        return self.site.spawn(
            argv, log, namespace=self.site.hyp, env={"PYTHONPATH": str(tools.ROOT), **(env or {})}
        )

    def define(self, xml: str) -> str:
        """Define a domain; its XML as libvirt keeps it."""
        path = self.site.fresh("domain.xml")
        path.write_text(xml)
        self.virsh("define", str(path))
        return self.stored(xml.partition("<name>")[2].partition("</name>")[0])

    def stored(self, name: str) -> str:
        """The definition that libvirt keeps."""
        return self.virsh("dumpxml", "--inactive", "--security-info", name)

    def live(self, name: str) -> str:
        """The XML of the running domain."""
        return self.virsh("dumpxml", name)

    def state(self, name: str) -> str:
        """``running``, ``shut off``, ``paused``..."""
        return self.virsh("domstate", name).strip()

    def names(self, *options: str) -> set[str]:
        """The domains (``--all``: those that do not run, too)."""
        return set(self.virsh("list", "--name", *options).split())

    def serial(self, name: str) -> str:
        """What the guest has said on its serial port since it was defined."""
        path = self.root / "lib/serial" / name
        return path.read_text("latin-1") if path.exists() else ""

    def await_serial(self, name: str, text: str, times: int = 1, seconds: float = 30) -> str:
        """Wait until the guest has said ``text`` so often."""
        try:
            wait_until(lambda: self.serial(name).count(text) >= times, seconds, f"{text!r} of {name}")
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self.serial(name)}") from None
        return self.serial(name)

    def qemu(self, name: str) -> int:
        """The process of a running domain."""
        return int((self.root / f"run/qemu/{name}.pid").read_text())

    def hook(self, text: str, name: str = "test") -> Path:
        """Install a hook script of QEMU domains; none is there after :meth:`clean`."""
        path = self.root / "etc/hooks/qemu.d" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        self.reload()
        return path

    def install_hook(self, directory: Path) -> None:
        """Install the project's hook, with its program in ``directory``, and wait until libvirtd runs it.

        ``calls`` there has a line for each operation that the program is run for. A domain ``other`` is left.
        """
        program = directory / "pypxeboot-virt-hook"
        runs = f"{sys.executable} -c 'from pypxeboot.commands.virt_hook import run; run()'"
        program.write_text(
            f'#!/bin/sh\necho "$2" >>{directory}/calls\nPYTHONPATH={tools.ROOT} exec {runs} "$@"\n'
        )
        program.chmod(0o755)
        text = (tools.ROOT / "scripts/libvirt-hook").read_text()
        first = f"#!/bin/sh\nPATH={directory}:$PATH\ntouch {directory}/seen\n"
        self.hook(text.replace("#!/bin/sh\n", first, 1), "pypxeboot")
        self.define(domain_xml("other", "52:54:00:00:00:02"))

        def seen() -> bool:
            self.reload()  # once more: it is not heard while another is under way
            self.virsh("start", "other")
            self.virsh("destroy", "other")
            return (directory / "seen").exists()

        wait_until(seen, 30, "libvirtd has seen that there is a hook")

    def clean(self) -> None:
        """No domain, no hook, and nothing on the servers."""
        for name in self.names():
            self.virsh("destroy", name)
        for name in self.names("--all"):
            self.virsh("undefine", name, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
        for folder in ("lib/serial", "lib/images", "lib/boot", "pypxeboot", "run-pypxeboot"):
            for path in (self.root / folder).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if (self.root / "etc/hooks/qemu.d").exists():
            shutil.rmtree(self.root / "etc/hooks/qemu.d")
            self.reload()
        self.serve({})


def _program(module: str) -> str:
    return f"from {module} import run; run()"


def domain_xml(
    name: str,
    mac: str,
    *,
    network: Optional[str] = None,
    bridge: str = BRIDGE,
    uuid: str = "",
    disk: bool = False,
    metadata: str = "",
    os: str = "",
    devices: str = "",
    more: str = "",
    qemu: Sequence[str] = (),
    machine: str = "q35",
    boot: str = "hd",
    **actions: str,
) -> str:
    """A small domain that says what it does on its serial port (:meth:`Libvirt.serial`).

    On the plain bridge, or on a libvirt ``network``; ``disk``: with an image (:func:`write_disk`); ``os``,
    ``devices`` and ``more`` are XML to add; ``qemu`` words of QEMU's command line; ``actions`` are
    on_reboot, on_poweroff, on_crash.
    """
    source = f"<source network={quoteattr(network)}/>" if network else f"<source bridge={quoteattr(bridge)}/>"
    image = (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{DISKS}/{name}.img'/><target dev='vda' bus='virtio'/></disk>"
    )
    words = "".join(f"<qemu:arg value={quoteattr(word)}/>" for word in qemu)
    return f"""\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  {f"<uuid>{uuid}</uuid>" if uuid else ""}
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type><boot dev='{boot}'/>{os}</os>
  {"".join(f"<{action}>{value}</{action}>" for action, value in actions.items())}
  <features><acpi/></features>
  {more}
  <devices>
    <emulator>{tools.need("qemu-system-x86_64")}</emulator>
    <controller type='usb' model='none'/>
    <interface type='{"network" if network else "bridge"}'>
      <mac address='{mac}'/>{source}<model type='virtio'/><rom enabled='no'/>
    </interface>
    {image if disk else ""}
    <serial type='file'><source path='{SERIAL}/{name}' append='on'/></serial>
    <memballoon model='none'/>
    {devices}
  </devices>
  {f"<qemu:commandline>{words}</qemu:commandline>" if words else ""}
</domain>
"""


def write_disk(libvirt: Libvirt, name: str, image: bytes) -> Path:
    """The disk image of the domain ``name``."""
    path = libvirt.root / "lib/images" / f"{name}.img"
    path.write_bytes(image)
    return path
