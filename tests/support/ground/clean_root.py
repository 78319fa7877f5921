"""A Debian in which nothing of ours is: a copy of the tree of scripts/clean-root, for a test to install into.

The copy is an overlay, in namespaces of mounts and processes that end with the test. The network is the
machine's, for apt-get and pip; what the machine's pip is configured with (a mirror, certificates) is there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from tests.support.ground import tools

CHECKOUT = "/src"
"""Where the checkout is in the root: what git knows of it, so that nothing that was built here is there."""

# Caches and logs of the programs that install packages; and what no package removes again.
_OF_THE_SYSTEM = re.compile(
    r"/(proc|sys|dev|run|tmp|src|root|var/(cache|log|tmp|lib/(apt|dpkg|systemd)|backups)|etc/ssl/certs)(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$|/etc/(resolv|pip)\.conf$"
    r"|/etc/(mailcap|ld\.so\.cache|machine-id)$"
    # Packages that Debian keeps when nothing needs them any more.
    r"|/usr/(lib/python3[^/]*|share/(doc|lintian|python-wheels|python3))(/|$)"
)


class CleanRoot:
    """The root; ``directory`` is where its changes are kept."""

    def __init__(self, directory: Path) -> None:
        for name in ("unshare", "nsenter", "mmdebstrap", "chroot"):
            tools.need(name)
        lower = tools.CACHE / "clean-root/tree"
        if not lower.is_dir():
            tools.missing("the clean root (scripts/clean-root)")
        self.path = directory / "root"
        for name in ("root", "changes", "work"):
            (directory / name).mkdir()
        options = f"lowerdir={lower},upperdir={directory / 'changes'},workdir={directory / 'work'}"
        script = [f"mount -t overlay overlay -o {options} {self.path}"]
        for name in ("dev", "sys"):
            script.append(f"mount --rbind /{name} {self.path}/{name}")
        script += [f"mount -t proc proc {self.path}/proc", f"mount -t tmpfs tmpfs {self.path}/run"]
        script += [f"mkdir -p {self.path}{CHECKOUT} {self.path}/run/lock"]
        script += [f"cp -L /etc/resolv.conf {self.path}/etc/"]
        for place in _pip_needs():
            script.append(_shared(place, self.path))
        script.append("echo ready; sleep infinity & wait")  # a shell reaps what has lost its parent
        argv = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            "-e",
            "-c",
            "\n".join(script),
        ]
        self._holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n", "the root cannot be mounted"
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._pid = children.read_text().split()[0]
        self._copy_checkout(directory)

    def _copy_checkout(self, directory: Path) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-zco", "--exclude-standard"], cwd=tools.ROOT, capture_output=True, check=True
        )
        archive = directory / "checkout.tar"
        names = b"\0".join(
            name for name in listed.stdout.split(b"\0") if name and (tools.ROOT / os.fsdecode(name)).is_file()
        )
        subprocess.run(
            ["tar", "-c", "-f", archive, "--null", "-T", "-"], cwd=tools.ROOT, input=names, check=True
        )
        with archive.open("rb") as file:
            argv = [*self._entered, "tar", "-x", "--no-same-owner", "-C", CHECKOUT]
            subprocess.run(argv, stdin=file, check=True)
        archive.unlink()

    @property
    def _entered(self) -> list[str]:
        return ["nsenter", "-t", self._pid, "-m", "-p", "chroot", str(self.path)]

    def run(
        self,
        command: str,
        *,
        cwd: str = CHECKOUT,
        env: Optional[Mapping[str, str]] = None,
        timeout: float = 900,
        expect: Optional[int] = 0,
    ) -> str:
        """Run a line of bash there; gives what it said on both streams. ``expect`` is its exit code."""
        words = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        words |= {"LC_ALL": "C.UTF-8", "TERM": "dumb"}
        words |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        words |= env or {}
        argv = [*self._entered, "env", "-i", *(f"{name}={value}" for name, value in words.items())]
        argv += ["bash", "-c", f"cd {cwd} && {{ {command}\n}}"]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )
        assert expect is None or done.returncode == expect, (
            f"{command}: {done.returncode}\n{done.stdout[-6000:]}"
        )
        return done.stdout

    def write(self, path: str, data: bytes) -> None:
        """Write a file there."""
        subprocess.run([*self._entered, "dd", "status=none", f"of={path}"], input=data, check=True)

    def tree(self) -> dict[str, str]:
        """What is there that programs of the system do not write for themselves: kind, mode, size, time."""
        skipped = " -o ".join(f"-path {place}" for place in ("/proc", "/sys", "/dev", "/src", "/root"))
        files = r"-type f -printf '%p\tf %m %s %T@\n' -o -printf '%p\t%y %m %l\n'"
        lines = self.run(f"find / -xdev \\( {skipped} \\) -prune -o {files}", cwd="/").splitlines()
        found = dict(line.split("\t", 1) for line in lines if "\t" in line)
        return {path: what for path, what in found.items() if not _OF_THE_SYSTEM.match(path)}

    def close(self) -> None:
        """End what runs there, and forget it."""
        self._holder.kill()  # unshare does not end by SIGTERM, and what it started ends with it
        self._holder.wait()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.path.parent)


def _pip_needs() -> list[str]:
    """Paths of the machine that its pip is told of: a configuration, certificates, folders of wheels."""
    found = ["/etc/pip.conf", "/etc/xdg/pip"]
    done = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True)
    for value in re.findall(r"(?:file://|[' ])(/[^' ]+)", done.stdout):
        found.append(str(Path(*Path(value).parts[:3])))
    return [place for place in dict.fromkeys(found) if Path(place).exists()]


def _shared(place: str, root: Path) -> str:
    if Path(place).is_dir():
        return f"mkdir -p {root}{place} && mount --bind -o ro {place} {root}{place}"
    return f"mkdir -p {root}{Path(place).parent} && cp -L {place} {root}{place}"


@contextlib.contextmanager
def clean_root(directory: Path) -> Iterator[CleanRoot]:
    """A clean root until the exit."""
    directory.mkdir(parents=True, exist_ok=True)
    root = CleanRoot(directory)
    try:
        yield root
    finally:
        root.close()


LIBVIRTD = """
mkdir -p /etc/libvirt /var/lib/libvirt/boot /var/log/libvirt /run/libvirt
printf '%s\\n' 'user = "root"' 'group = "root"' 'stdio_handler = "file"' 'cgroup_controllers = []' \\
    'security_driver = "none"' 'namespaces = []' >/etc/libvirt/qemu.conf
printf '%s\\n' 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
getent passwd libvirt-qemu >/dev/null || useradd --system --no-create-home --home-dir / libvirt-qemu
libvirtd --daemon
for try in $(seq 240); do
    ! virsh -q list >/dev/null 2>&1 || break
    pidof libvirtd >/dev/null || break
    sleep 0.5
done
virsh -q list --all >/dev/null
cat >/tmp/web.xml <<'XML'
<domain type="qemu"><name>web</name><memory unit="MiB">64</memory>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type="bridge"><mac address="52:54:00:12:34:56"/><source bridge="br0"/>
      <model type="virtio"/></interface>
  </devices></domain>
XML
virsh -q define /tmp/web.xml
"""
"""A script that starts libvirtd in the root, and defines the domain ``web`` on br0, in software emulation."""
