"""Verified boot under the real xl, by its bootloader and by pypxeboot-xl."""

from __future__ import annotations

from pathlib import Path

from dom0 import Guest, checksum, failed, nothing_left, run, sha256


def test_verified_boot() -> None:
    """What is pinned boots, with the words of the host; what is not ends with 7, and nothing is made."""
    pins = [f"--sha256={sha256(name)}" for name in ("probe-pv", "probe-pvh", "small")]
    policy = ["--verify=required", *pins]
    guest = Guest("verified", extra='"mine=1"')
    guest.settings["bootloader_args"] = str([f"mac={guest.mac},bridge=xenbr0", *policy])
    guest.write()
    guest.boots("probe-pv", "init=/bin/sh", "blob")
    failed(guest, guest.create(), "blob is not vouched for: its SHA-256")
    guest.boots("probe-pv", "init=/bin/sh", "small")
    assert guest.create().returncode == 0
    assert "PROBE cmdline=[mine=1]" in guest.said, guest.said
    assert f"PROBE ramdisk {checksum('small')}" in guest.said, guest.said
    nothing_left()
    guest = Guest("verified2", "pvh", disk="", bootloader="", bootloader_args="", extra='"mine=2"')
    guest.boots("probe-pvh", "init=/bin/sh", "blob")
    create = ("pypxeboot-xl", "create", *policy, str(guest.config), "--", "-F")
    done = run(*create)
    assert done.returncode == 7 and "blob is not vouched for: its SHA-256" in done.stdout
    assert guest.domid() is None and not list(Path("/var/lib/pypxeboot/verified2").iterdir())
    guest.boots("probe-pvh", "init=/bin/sh", "small")
    assert run(*create).returncode == 0
    assert "PROBE cmdline=[mine=2]" in guest.said, guest.said
    nothing_left()
