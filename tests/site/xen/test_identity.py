"""A domain that libxl creates, and of which the bootloader's arguments say little: who it is, found.

The ``xl`` here is a stand-in, a shell script of that name that starts the bootloader as libxl does."""

from __future__ import annotations

import time
from typing import Optional

import pytest

from tests.support.ground import BRIDGE, MAC, UUID, Site
from tests.support.ground.servers import Offer
from tests.support.ground.simple import serve
from tests.support.samples.xl import MONITOR, OTHER, VIF, booted, state, xl


def test_mac_and_bridge_from_the_file_that_xl_was_given(site: Site) -> None:
    serve(site)
    run = xl(site, f'name = "web"\n{VIF}')
    assert booted(run) and "guest.cfg" in run.stderr, str(run)
    assert booted(xl(site, "vif = ['mac=ff', '']\n", given=["create", "guest.cfg", VIF.strip()]))
    assert booted(xl(site, "", given=["-v", "create", "/dev/null", VIF.strip(), "name='web'"]))


def test_after_a_reboot_xl_is_a_daemon_in_the_root_directory(site: Site) -> None:
    serve(site)
    assert booted(xl(site, VIF, before="cd /"))


def test_the_bridge_of_the_vif_whose_mac_was_given(site: Site) -> None:
    serve(site)
    config = f"vif = ['mac={OTHER},bridge=nobr', 'mac={MAC.upper()},bridge={BRIDGE}']\n"
    assert booted(xl(site, config, f"mac={MAC}"))
    assert booted(xl(site, config, f"mac={MAC},bridge={BRIDGE}"))
    assert booted(xl(site, "no configuration at all {", f"mac={MAC},bridge={BRIDGE}"))


def test_a_libxl_that_tells_the_vifs(site: Site) -> None:
    """patches/: it comes before what the file says."""
    serve(site)
    config = f"vif = ['mac={OTHER},bridge=nobr']\n"
    vifs = {"XEN_VIF0_MAC": MAC, "XEN_VIF0_BRIDGE": BRIDGE, "XEN_VIF1_MAC": OTHER}
    run = xl(site, config, **vifs)
    assert booted(run) and "from the environment" in run.stderr
    swapped = {"XEN_VIF0_MAC": OTHER, "XEN_VIF1_MAC": MAC, "XEN_VIF1_BRIDGE": BRIDGE}
    assert booted(xl(site, config, f"mac={MAC}", **swapped))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("name = 'web'\n", "guest.cfg has no vif"),
        ("vif = ['bridge=br0']\n", "guest.cfg has a vif without mac="),
        ("vif = ['']\n", "guest.cfg has a vif without mac="),
        ("vif = [\n'mac='\n", "guest.cfg: it ends in the middle"),
        (f"name = 'db'\n{VIF}", "guest.cfg is of domain db, not of web"),
        (f"vif = ['mac={MAC},bridge={BRIDGE}', 'bad']\n", "'bad' in the vif string has no value"),
        ("vif = ['mac=01:00:5e:00:00:01']\n", "cannot be the MAC address of a guest"),
    ],
)
def test_when_the_file_does_not_tell_the_mac(site: Site, config: str, says: str) -> None:
    run = xl(site, config)
    assert run.rc == 2 and says in run.stderr and "hint: " in run.stderr, str(run)
    assert run.stdout == b""
    site.assert_nothing_left(within=1)


def test_files_that_others_can_change_are_not_believed(site: Site) -> None:
    """Another guest's MAC in it would give this guest the other's boot files at its next reboot."""
    run = xl(site, VIF, before="chmod 666 guest.cfg")
    assert run.rc == 2 and "can be changed by others than root" in run.stderr, str(run)
    run = xl(site, VIF, before="chmod 644 guest.cfg; chown 65534 guest.cfg")
    assert run.rc == 2 and "can be changed by others" in run.stderr and "bootloader_args" in run.stderr


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("rm guest.cfg", "No such file"),
        ("rm guest.cfg; mkfifo guest.cfg", "not a regular file"),
        ("rm guest.cfg; mkdir guest.cfg", "Is a directory"),
        ("head -c 300000 /dev/zero >guest.cfg", "more than 256 KiB"),
    ],
)
def test_files_that_are_none(site: Site, before: str, says: str) -> None:
    run = xl(site, VIF, before=before)
    assert run.rc == 2 and says in run.stderr, str(run)


def test_nobody_knows_the_mac(site: Site) -> None:
    output = site.directory / "bootloader.7.out"
    run = site.pypxeboot(f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}")
    assert run.rc == 2 and "no xl create above this process" in run.stderr, str(run)
    run = xl(site, VIF, given=["restore", "guest.cfg"])
    assert run.rc == 2 and "no xl create above" in run.stderr and "bootloader_args = " in run.stderr
    site.assert_nothing_left(within=1)


@pytest.mark.parametrize(
    ("now", "given", "before", "name"),
    [
        (VIF, ["restore", "web.save"], MONITOR, "web"),
        (VIF, ["migrate-receive"], MONITOR, "web"),
        (None, ["create", "guest.cfg"], f"{MONITOR}; unset PWD", "web"),
        (f"vif = ['mac={OTHER},bridge=nobr']\n", ["create", "guest.cfg"], MONITOR, "web"),
        ("", ["create", "guest.cfg"], f"{MONITOR}; rm -f $PWD/guest.cfg", "web"),
        (None, ["create", "guest.cfg"], MONITOR, "renamed"),
    ],
    ids=["restored", "migrated", "relative name", "edited file", "deleted file", "renamed"],
)
def test_a_reboot_goes_by_what_xl_read_at_first(
    site: Site, now: Optional[str], given: list[str], before: str, name: str
) -> None:
    serve(site)
    assert booted(xl(site, f"name = 'web'\n{VIF}"))
    assert booted(run := xl(site, now, given=given, before=before, name=name)) and "guest.cfg" in run.stderr


def test_files_that_bootloader_args_name_are_found_at_a_reboot(site: Site) -> None:
    """By names that were those of xl's folder when it was started; its monitor is in the root directory."""
    serve(site)
    (site.directory / "xl-work").mkdir()
    (site.directory / "xl-work/site.conf").write_text("[web]\nlabel = b\n")
    for given, before in ((["create", "guest.cfg"], ""), (["restore", "x"], MONITOR)):
        run = xl(site, VIF, "--config-file=site.conf", given=given, before=before)
        assert booted(run) and b"y=2" in run.stdout, str(run)


def test_a_new_start_goes_by_the_file_of_now(site: Site) -> None:
    """uuid= keeps the UUID, so there is a record of the last time."""
    serve(site)
    xl(site, f"vif = ['mac={OTHER},bridge={BRIDGE}']\n", "--timeout=4")
    assert booted(xl(site, VIF))
    assert booted(xl(site, None, given=["restore", "web.save"], before=MONITOR))


def test_what_is_kept_of_a_guest(site: Site) -> None:
    """Nobody but root has a say there, nothing half-written stays, and what is broken is told."""
    serve(site)
    assert booted(xl(site, VIF))
    folder = state(site) / ".guests"
    record = folder / UUID
    assert [path.name for path in folder.iterdir()] == [UUID] and folder.stat().st_mode & 0o777 == 0o700
    assert record.stat().st_mode & 0o777 == 0o600
    for data, says in ((b"", "cannot be read"), (b"[" * 99999, "cannot be read"), (b"{}", "not exactly")):
        record.write_bytes(data)
        run = xl(site, VIF, given=["restore", "web.save"], before=MONITOR)
        assert run.rc == 2 and says in run.stderr and "Traceback" not in run.stderr, str(run)
    assert booted(xl(site, VIF))
    record.chmod(0o666)
    run = xl(site, VIF, given=["restore", "web.save"], before=MONITOR)
    assert run.rc == 2 and "can be changed by others" in run.stderr


def test_a_state_directory_that_takes_nothing(site: Site) -> None:
    """The boot goes on; what will not work is told."""
    serve(site)
    (state(site) / ".guests").write_text("in the way")
    run = xl(site, VIF)
    assert booted(run) and "not kept" in run.stderr and "bootloader_args" in run.stderr
    assert not [path for path in state(site).iterdir() if path.name != ".guests"]


def test_a_full_state_directory(site: Site) -> None:
    serve(site)
    full = "mount -t tmpfs -o size=4k none /var/lib/pypxeboot; head -c 9999 /dev/zero >/var/lib/pypxeboot/x"
    run = xl(site, VIF, before=f"{full} 2>/dev/null")
    assert booted(run) and "No space left on device" in run.stderr


@pytest.mark.parametrize(
    ("config", "conf"),
    [
        (f"vif = ['mac={MAC},bridge=nobr,backend=netdom']\n", ""),
        (f"vif = ['mac={MAC},backend=7']\n", ""),
        (f"vif = ['mac={MAC}']\n", "vif.default.backend = 'netdom'"),
    ],
)
def test_a_vif_of_another_backend_domain(site: Site, config: str, conf: str) -> None:
    (site.directory / "xl.conf").write_text(conf)
    own = f"mkdir -p /etc/xen; mount -t tmpfs none /etc/xen; cp {site.directory}/xl.conf /etc/xen/"
    run = xl(site, config, before=own)
    assert run.rc == 2 and "backend=" in run.stderr and "hint: if a bridge of this host" in run.stderr, str(
        run
    )
    assert "Traceback" not in run.stderr
    serve(site)
    assert booted(xl(site, config, f"mac={MAC},bridge={BRIDGE}", before=own)), "said for this very case"
    for name in ("0", "Domain-0", ""):
        assert booted(
            xl(site, f"vif = ['mac={MAC},bridge={BRIDGE},backend={name}']\n", before=own)
            if name
            else xl(site, VIF)
        )


def test_what_xl_conf_says_of_every_vif(site: Site) -> None:
    serve(site)
    (site.directory / "xl.conf").write_text(
        f"vif.default.bridge='{BRIDGE}'\nvif.default.script='vif-bridge'\n"
    )
    own = f"mkdir -p /etc/xen; mount -t tmpfs none /etc/xen; cp {site.directory}/xl.conf /etc/xen/"
    assert booted(xl(site, f"vif+=['mac={MAC}']\n", before=own))
    assert booted(xl(site, f"vif=[]\nvif+=['mac={MAC}']\n", before=own))
    # What libxl has stored does not change with the file.
    assert booted(
        xl(
            site,
            f"vif+=['mac={MAC}']\n",
            given=["restore", "x"],
            before=f"{own}; rm /etc/xen/xl.conf; {MONITOR}",
        )
    )
    assert booted(xl(site, "vif = []\n", f"mac={MAC}", before=own))


@pytest.mark.parametrize("hangs", ["dhcp", "menu of a server that is gone"])
def test_a_restricted_bootloader_ends_before_libxl_kills_it(site: Site, hangs: str) -> None:
    """libxl kills it after LIBXL_BOOTLOADER_TIMEOUT, and then nobody says why."""
    if hangs != "dhcp":
        serve(site, offer=Offer(next_server="10.77.0.99"))
    begun = time.monotonic()
    run = xl(site, VIF, "--runas=65534", "--quiet", LIBXL_BOOTLOADER_TIMEOUT="16")
    print(time.monotonic() - begun, run.stderr)
    assert time.monotonic() - begun < 16, run.stderr
    assert run.rc in (3, 4, 6) and "error: " in run.stderr, str(run)
    site.assert_nothing_left(within=1)
