"""The patches apply to what they are for, and do what they say: the real sources, built and run.

Those for tftpy have a file of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Site, servers, tools
from tests.support.ground.net import command
from tests.support.ground.simple import check_simple, serve
from tests.support.ground.sources import OF, PATCHES, built, patched, run, source

pytestmark = pytest.mark.sources


def test_every_patch_is_known_and_described() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == {
        name for names in OF.values() for name in names
    }
    readme = (PATCHES / "README.md").read_text()
    for path in PATCHES.glob("*.patch"):
        header = path.read_text().partition("\n---\n")[0]
        assert path.name in readme
        for word in ("Subject: [PATCH] ", "\nWhat: ", "\nWhy: ", "\nUpstream: ", "\nTested: "):
            assert word in header, path.name


# ---- BusyBox

BUSYBOX = "STATIC UDHCPC LONG_OPTS SHOW_USAGE FEATURE_VERBOSE_USAGE FEATURE_UDHCPC_ARPING".split()


@pytest.fixture(scope="module")
def udhcpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static busybox of nothing but the patched udhcpc."""
    place = built("busybox", *BUSYBOX)
    if not place.exists():
        work = patched("busybox", tmp_path_factory.mktemp("busybox") / "busybox")
        run("make", "-s", "allnoconfig", cwd=work)
        config = (work / ".config").read_text()
        for name in BUSYBOX:
            config = config.replace(f"# CONFIG_{name} is not set\n", f"CONFIG_{name}=y\n")
        (work / ".config").write_text(config)
        run("make", "-s", "oldconfig", cwd=work, text="\n" * 1000)
        run("make", "-s", "-j4", "busybox", cwd=work)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "busybox", place)
    program = tmp_path_factory.mktemp("udhcpc") / "udhcpc"
    shutil.copy(place, program)
    return program


def test_udhcpc_says_what_it_can(udhcpc: Path) -> None:
    said = subprocess.run([udhcpc, "--help"], capture_output=True, text=True).stderr
    assert "-M MAC" in said
    wrong = subprocess.run([udhcpc, "-i", "lo", "-M", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode and "bad MAC" in wrong.stderr


@pytest.mark.netns
def test_udhcpc_for_a_foreign_mac(tmp_path: Path, clean_machine: None, udhcpc: Path) -> None:
    """On an interface of the host's own: what the 2007 tool did."""
    with Site(tmp_path, host_address=True) as site:
        serve(site)
        check_simple(site, site.boot("--udhcpc", str(udhcpc), "--link", "host"))
        seen = "".join(server.text() for server in site.servers)
        assert f"DHCPACK(srv0) 10.77.0.173 {MAC}" in seen
        stock = tmp_path / "stock" / "udhcpc"
        stock.parent.mkdir()
        stock.symlink_to(tools.need("busybox"))
        run_ = site.boot("--udhcpc", str(stock), "--link", "host")
        assert run_.rc == 3, str(run_)  # it has no option M


@pytest.mark.netns
def test_udhcpc_in_the_guests_namespace(site: Site, udhcpc: Path) -> None:
    serve(site)
    check_simple(site, site.boot("--udhcpc", str(udhcpc)))


# ---- U-Boot

# The board's own tree has a display and many devices more.
U_BOOT_TREE = """
/dts-v1/;
/ {
    model = "sandbox";
    binman { };
    ethrawbus { compatible = "sandbox,eth-raw-bus"; skip-localhost = <1>; };
};
"""
U_BOOT_CONFIG = "-d TOOLS_MKEFICAPSULE -d UNIT_TEST -d CLK_K210 -d LTO"
U_BOOT_MAKE = ("make", "-s", "-j4", "NO_SDL=1", "NO_PYTHON=1", "CONFIG_PYLIBFDT=", "CONFIG_BINMAN=")


@pytest.fixture(scope="module")
def u_boot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with U-Boot's sandbox, patched and as it is."""
    place = built("u-boot", U_BOOT_CONFIG)
    if not place.exists():
        for name in ("bison", "flex"):
            tools.need(name)
        work = patched("u-boot", tmp_path_factory.mktemp("u-boot") / "u-boot")
        made = work.parent / "made"
        made.mkdir()
        run(*U_BOOT_MAKE, "sandbox_defconfig", cwd=work)
        run("scripts/config", *U_BOOT_CONFIG.split(), cwd=work)
        run(*U_BOOT_MAKE, "u-boot", cwd=work)
        shutil.copy(work / "u-boot", made / "patched")
        shutil.copy(work / "scripts/dtc/dtc", made / "dtc")
        shutil.copy(source("u-boot") / "cmd/pxe.c", work / "cmd/pxe.c")
        run(*U_BOOT_MAKE, "u-boot", cwd=work)
        shutil.copy(work / "u-boot", made / "stock")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, place)
    return place


def pxe_get(site: Site, program: Path, files: dict[str, bytes]) -> tuple[str, list[str]]:
    """What U-Boot says, and the names below pxelinux.cfg/ that the server was asked for.

    The sandbox miscounts the checksum of files of an odd length.
    """
    server = servers.dnsmasq(site, servers.plant(site.directory / "root", files), None, link="srv0")
    command("ip", "netns", "exec", site.srv, tools.need("ethtool"), "-K", "srv0", "tx", "off")
    guest = site.namespace("guest")
    site.ip(f"link add g0 type veth peer name eth0 netns {guest}", f"link set g0 master {BRIDGE} up")
    site.ip("link set eth0 up", namespace=guest)
    settings = "ethact=host_eth0 ethrotate=no ipaddr=10.77.0.9 netmask=255.255.255.0 pxefile_addr_r=100000"
    words = [f"setenv {setting.replace('=', ' ')}" for setting in [*settings.split(), f"serverip={SERVER}"]]
    line = "; ".join([*words, "pxe get", "md.b 100000 10"])
    tree = site.directory / "tree.dtb"
    run(program.with_name("dtc"), "-o", tree, text=U_BOOT_TREE)
    argv = ["ip", "netns", "exec", guest, program, "-d", tree, "-c", line]
    said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120).stdout
    return said, [
        word.rpartition("pxelinux.cfg/")[2] for word in server.text().split() if "pxelinux.cfg/" in word
    ]


@pytest.mark.netns
def test_u_boot_asks_for_default_arch(site: Site, u_boot: Path) -> None:
    files = {"pxelinux.cfg/default.sandbox": b"of the arch\n", "pxelinux.cfg/default": b"of all"}
    said, names = pxe_get(site, u_boot / "patched", files)
    assert "of the arch" in said, said
    assert names[-2:] == ["default-sandbox", "default.sandbox"]


@pytest.mark.netns
def test_u_boot_takes_default_where_there_is_no_other(site: Site, u_boot: Path) -> None:
    said, names = pxe_get(site, u_boot / "patched", {"pxelinux.cfg/default": b"of all"})
    assert "of all" in said and names[-2:] == ["default.sandbox", "default"], said


@pytest.mark.netns
def test_u_boot_without_the_patch(site: Site, u_boot: Path) -> None:
    files = {"pxelinux.cfg/default.sandbox": b"of the arch\n", "pxelinux.cfg/default": b"of all"}
    said, names = pxe_get(site, u_boot / "stock", files)
    assert "of all" in said and "default.sandbox" not in names, said


# ---- libxl

LIBXL_CONFIG = """
#define HAVE_UTMP_H 1
#define HAVE_YAJL_YAJL_VERSION_H 1
#define XEN_LIB_DIR "/var/lib/xen"
#define XEN_LOG_DIR "/var/log/xen"
#define XEN_RUN_DIR "/run/xen"
#define XEN_LOCK_DIR "/run/lock"
#define XEN_SCRIPT_DIR "/etc/xen/scripts"
#define XEN_CONFIG_DIR "/etc/xen"
#define LIBEXEC_BIN "/usr/lib/xen/bin"
#define XENFIRMWAREDIR "/usr/lib/xen/boot"
"""
# libxl_internal.c logs through these two, which nothing here calls.
LIBXL_PROGRAM = """
#include "libxl_bootloader.c"
int libxl_domid_valid_guest(uint32_t domid) { return 1; }
void xtl_log(struct xentoollog_logger *l, xentoollog_level v, int e, const char *c, const char *f, ...) { }
int main(void)
{
    libxl_ctx ctx = { 0 };
    libxl__gc storage = { .alloc_maxsize = -1, .owner = &ctx }, *gc = &storage;
    libxl_device_nic nics[] = {
        { .mac = { 0, 0x16, 0x3e, 1, 2, 3 }, .bridge = (char *)"xenbr0" },
        { .mac = { 0, 0x16, 0x3e, 1, 2, 0xfe } },
    };
    libxl__bootloader_state bl = { .nics = nics, .num_nics = 2 };
    for (char **env = make_bootloader_env(gc, &bl); *env; env += 2)
        printf("%s=%s\\n", env[0], env[1]);
    return 0;
}
"""


def development_packages(cache: Path) -> Path:
    """Headers of Xen and yajl, unpacked and not installed."""
    place = cache / "libxl-dev"
    if not place.exists():
        work = Path(f"{place}.{os.getpid()}")
        work.mkdir(parents=True)
        for name in ("libxen-dev", "libyajl-dev"):
            got = subprocess.run(
                ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name],
                cwd=work,
                capture_output=True,
            )
            if got.returncode:
                shutil.rmtree(work)
                tools.missing(f"the package {name}")
        for package in work.glob("*.deb"):
            run("dpkg", "-x", package, work)
        work.rename(place)
    return place / "usr/include"


def test_libxl_tells_the_vifs(tmp_path: Path, cache: Path) -> None:
    """The changed files compile without a warning, and the new function says what it should."""
    include, xen = development_packages(cache), patched("xen", tmp_path / "xen")
    light, flask = xen / "tools/libs/light", xen / "xen/xsm/flask/policy"
    for stem in ("libxl_types", "libxl_types_internal"):
        outputs = [f"_{stem}{end}" for end in (".h", "_private.h", "_json.h", ".c")]
        run(sys.executable, "gentypes.py", f"{stem}.idl", *outputs, cwd=light)
    for name in ("_libxl_save_msgs_callout.h", "_libxl_save_msgs_helper.h"):
        (light / name).write_text(run("perl", "-w", "libxl_save_msgs_gen.pl", name, cwd=light))
    (light / "xen-xsm/flask").mkdir(parents=True)
    classes = (flask / "security_classes", flask / "initial_sids")
    run("sh", flask / "mkflask.sh", "awk", "xen-xsm/flask", *classes, cwd=light)
    (light / "_paths.h").touch()
    (light / "config.h").write_text(LIBXL_CONFIG)
    (light / "program.c").write_text(LIBXL_PROGRAM)
    folders = [
        light,
        include,
        xen / "tools",
        xen / "tools/include",
        *sorted(xen.glob("tools/libs/*/include")),
    ]
    flags = [
        "-std=gnu99",
        "-O1",
        "-D__XEN_TOOLS__",
        "-include",
        "config.h",
        *(f"-I{path}" for path in folders),
    ]
    strict = ["-Wall", "-Werror", "-Wshadow", "-Wmissing-declarations", "-c"]
    for name in ("libxl_bootloader", "libxl_create"):
        run("gcc", *flags, *strict, f"{name}.c", cwd=light)
    # What nothing calls is left out, and so is what it would call.
    parts: Sequence[str] = ("program.c", "libxl_internal.c", "flexarray.c")
    run("gcc", *flags, "-w", "-ffunction-sections", *parts, "-Wl,--gc-sections", "-o", "program", cwd=light)
    assert run(light / "program").splitlines() == [
        "TERM=vt100",
        "XEN_VIF0_MAC=00:16:3e:01:02:03",
        "XEN_VIF0_BRIDGE=xenbr0",
        "XEN_VIF1_MAC=00:16:3e:01:02:fe",
        "XEN_VIF1_BRIDGE=",
    ]
