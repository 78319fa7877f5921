"""lua.c32: what scripts may do, what they are kept from, and what they boot."""

from __future__ import annotations

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.simple import kernel_of, ramdisk_of


def test_a_script_decides_on_a_real_site(site: Site) -> None:
    """The locked-up client process imports Lua when the script is there."""
    script = (
        "local dmi, syslinux = require 'dmi', require 'syslinux'\n"
        "printf = function(s, ...) return io.write(s:format(...)) end\n"
        "printf('serial %s\\n', dmi.gettable().system.serial)\n"
        "local kernel = syslinux.loadfile('vmlinuz')\n"
        "local serial = dmi.gettable()['system.serial']\n"
        "local ramdisk = syslinux.initramfs():load('i1'):add_file('/etc/serial', serial, 1)\n"
        "syslinux.boot_it(kernel, ramdisk, 'console=hvc0 size=' .. kernel:size())\n"
    )
    config = "DEFAULT s\nLABEL s\nKERNEL lua.c32\nAPPEND decide.lua\n"
    files = {
        "pxelinux.cfg/default": config,
        "decide.lua": script,
        "vmlinuz": dummy("vmlinuz"),
        "i1": b"ONE\n",
    }
    servers.dnsmasq(site, servers.plant(site.directory / "root", files))
    run = site.boot("-v", "--smbios", "type=1,serial=S42")
    result = run.ok().result
    assert result["label"] == "s" and result["kernel"]["url"] == f"tftp://{SERVER}/vmlinuz"
    assert result["cmdline"] == f"console=hvc0 size={len(dummy('vmlinuz'))}"
    assert kernel_of(run) == dummy("vmlinuz")
    ramdisk = ramdisk_of(run)
    assert ramdisk.startswith(b"ONE\n070701") and ramdisk.endswith(b"S42") and b"/etc/serial\0" in ramdisk
    assert "serial S42" in run.stderr
