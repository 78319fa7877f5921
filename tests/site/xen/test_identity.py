"""A domain that libxl creates, and of which the bootloader's arguments say little: who it is, found.

The ``xl`` here is a stand-in, a shell script of that name that starts the bootloader as libxl does."""

from __future__ import annotations

import pytest

from tests.support.ground import BRIDGE, MAC, Site
from tests.support.ground.simple import serve
from tests.support.samples.xl import OTHER, VIF, booted, xl


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
    assert run.rc == 2 and "no xl create above" in run.stderr
    site.assert_nothing_left(within=1)
