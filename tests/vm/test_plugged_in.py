"""Programs that others plug in: the guest of a systemd unit, and the hookscript of Proxmox VE.

Proxmox VE and systemd are not here: a stand-in calls the script as their documentation says (pve-docs,
qm.adoc, "Hookscripts"; systemd.service(5)), and for ``qm config`` prints what that prints.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, Site, kernels, tools, wait_until
from tests.support.ground.simple import INITRDS, JOINED, serve

UNIT = tools.ROOT / "packaging/systemd/pypxeboot-qemu@.service"
CONFIG = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND x=1 {}\n INITRD i1,i2\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with pypxeboot, to stand in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "pypxeboot"
    program.write_text(f'#!/bin/sh\necho "$@" >>"$0.runs"\nexec {sys.executable} -m pypxeboot "$@"\n')
    program.chmod(0o755)
    return folder


def environment(programs: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(tools.ROOT), **more}


@contextmanager
def unit(site: Site, programs: Path, machine: str, serial: Path) -> Iterator[subprocess.Popen[str]]:
    """The unit's ExecStart for the guest ``web``, as systemd runs it: $VARIABLE is split into words."""
    line = re.findall(r"^ExecStart=(.*)", UNIT.read_text(), re.MULTILINE)
    settings = {
        "$BOOT": f"--mac {MAC} --bridge {BRIDGE}",
        "$QEMU": f"{tools.need('qemu-system-x86_64')} -nodefaults {machine} -m 64"
        f" -display none -serial file:{serial}",
    }
    words: list[str] = []
    for word in line[0].replace("%i", "web").split():
        words += shlex.split(
            settings.get(word, word.replace("/usr/share/pypxeboot", str(tools.ROOT / "scripts")))
        )
    run = ["ip", "netns", "exec", site.hyp, *words]
    process = subprocess.Popen(
        run,
        env=environment(programs, RUNTIME_DIRECTORY=str(site.out)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def served(probe_kernel: Callable[[str], bytes], word: str) -> dict[str, bytes]:
    config = CONFIG.format(f"probe={word}")
    return {"pxelinux.cfg/default": config.encode(), "vmlinuz": probe_kernel("unit"), **INITRDS}


def told(serial: Path, word: str) -> bool:
    return serial.exists() and word in serial.read_text(errors="replace")


def test_a_guest_boots_again_when_it_reboots(
    site: Site, programs: Path, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """The second time the network says something else, and then the guest powers off."""
    serial = tmp_path / "serial"
    root = serve(site, files=served(probe_kernel, "reboot"))
    with unit(site, programs, "-machine q35,accel=tcg", serial) as process:
        wait_until(lambda: told(serial, "probe=reboot"), 90, "the guest")
        (root / "pxelinux.cfg/default").write_text(CONFIG.format("second probe=poweroff"))
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 0 and "qemu-guest: web reboots" in errors
    assert told(serial, "second")
    assert (programs / "pypxeboot.runs").read_text().count("--name web") >= 2
    assert not list(site.out.iterdir()), "nothing of the guest is left"


def test_a_micro_vm_boots(
    site: Site, programs: Path, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """The probe kernel cannot power one off, and it has no power button: who stops it pulls the plug."""
    serial = tmp_path / "serial"
    serve(site, files=served(probe_kernel, "none"))
    with unit(site, programs, "-machine microvm,accel=tcg", serial) as process:
        wait_until(lambda: told(serial, "probe=none"), 90, "the guest")
        assert process.poll() is None


def test_a_boot_that_fails_ends_the_unit(site: Site, programs: Path, tmp_path: Path) -> None:
    serve(site, files={"pxelinux.cfg/other": b""})
    with unit(site, programs, "-machine q35,accel=tcg", tmp_path / "serial") as process:
        process.communicate(timeout=90)
        assert process.returncode == 4
    assert not (tmp_path / "serial").exists() and not list(site.out.iterdir())


def test_the_unit_without_a_command() -> None:
    script = tools.ROOT / "scripts/qemu-guest"
    done = subprocess.run(["bash", script, "web", "--mac", MAC], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "qemu-guest NAME [OPTION-OF-PYPXEBOOT...] -- QEMU-COMMAND...\n",
    )


# ---- Proxmox VE

QM = """#!/bin/sh
[ "$*" = "config 101 --current 1" ] || exit 2
cat <<'EOF'
args: -readconfig /run/pypxeboot-proxmox/101/boot.cfg
boot: order=net0
hookscript: local:snippets/pypxeboot
memory: 64
name: web
{}
vmgenid: 0c8c1e5e-5c5c-4f0c-8f0b-1b1d3ad1b0f1
EOF
"""
NET0 = f"net0: virtio={MAC.upper()},bridge={BRIDGE},firewall=1"


def hook(site: Site, programs: Path, phase: str, net0: str = NET0) -> subprocess.CompletedProcess[str]:
    """Run the hookscript as Proxmox VE does, with a /run of its own."""
    (programs / "qm").write_text(QM.format(net0))
    (programs / "qm").chmod(0o755)
    script = f"mount --bind {site.out} /run && exec {tools.ROOT}/scripts/proxmox-hookscript 101 {phase}"
    argv = ["ip", "netns", "exec", site.hyp, "unshare", "--mount", "sh", "-c", script]
    return subprocess.run(argv, env=environment(programs), capture_output=True, text=True, timeout=120)


def test_the_hookscript_of_proxmox(site: Site, programs: Path, probe_kernel: Callable[[str], bytes]) -> None:
    files = {"pxelinux.cfg/default": CONFIG.format("").encode(), "vmlinuz": probe_kernel("pve"), **INITRDS}
    serve(site, files=files)
    done = hook(site, programs, "pre-start")
    assert done.returncode == 0, done.stderr
    folder = site.out / "pypxeboot-proxmox/101"
    config = folder / "boot.cfg"
    # It was seen at another place there.
    config.write_text(config.read_text().replace("/run/pypxeboot-proxmox/101", str(folder)))
    argv = [tools.need("qemu-system-x86_64"), "-nodefaults", "-machine", "q35,accel=tcg", "-m", "64"]
    said = kernels.run_probe([*argv, "-readconfig", str(config)], site.directory)
    assert (said.tag, said.data) == ("pve", JOINED) and said.cmdline.startswith("BOOT_IMAGE=vmlinuz x=1")
    for phase in ("post-start", "pre-stop"):
        assert hook(site, programs, phase).returncode == 0 and config.exists()
    assert hook(site, programs, "post-stop").returncode == 0 and not folder.exists()


def test_a_machine_of_proxmox_that_cannot_boot_does_not_start(site: Site, programs: Path) -> None:
    serve(site, files={"pxelinux.cfg/other": b""})
    failed = hook(site, programs, "pre-start")
    assert failed.returncode == 4 and "hint" in failed.stderr
    assert not (site.out / "pypxeboot-proxmox/101").exists()
    assert "no net0" in hook(site, programs, "pre-start", "net1: virtio=x").stderr
