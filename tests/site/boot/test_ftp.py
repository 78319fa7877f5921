"""FTP: boots by a real server (vsftpd), and servers on loopback that say what no good one does."""

from __future__ import annotations

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.simple import JOINED, SIMPLE, asked, check_stderr, kernel_of, ramdisk_of, tree

NAMED = SIMPLE.replace("vmlinuz", f"ftp://{SERVER}/vmlinuz").replace("i1", f"ftp://{SERVER}:21/i1")


def test_boot_by_ftp(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(NAMED))
    servers.dnsmasq(site, root)
    server = servers.vsftpd(site, root)
    run = site.boot("-v")
    assert kernel_of(run) == dummy("vmlinuz") and ramdisk_of(run) == JOINED
    assert (f"ftp://{SERVER}/vmlinuz", "ok") in asked(run)
    assert "PASV" in server.text() and "PORT" not in server.text()
    check_stderr(run)


def test_all_of_a_site_by_ftp(site: Site) -> None:
    """The configuration, too: names are relative to where it lies."""
    root = servers.plant(site.directory / "root", tree())
    servers.vsftpd(site, root)
    run = site.boot("--ip", "10.77.0.173/24", "--config", f"ftp://{SERVER}/pxelinux.cfg/default")
    assert kernel_of(run) == dummy("vmlinuz")
    assert run.result["kernel"]["url"] == f"ftp://{SERVER}/vmlinuz"


def test_script_by_ftp_names_what_lies_beside_it(site: Site) -> None:
    root = servers.plant(
        site.directory / "root", {**tree(), "boot.ipxe": "#!ipxe\nkernel vmlinuz x=1\nboot\n"}
    )
    servers.vsftpd(site, root)
    run = site.boot("--ip", "10.77.0.173/24", "--bootfile", f"ftp://{SERVER}/boot.ipxe")
    assert run.ok().result["kernel"]["url"] == f"ftp://{SERVER}/vmlinuz", str(run)


def test_what_is_not_there_and_who_may_not_come(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(NAMED.replace("vmlinuz", "gone", 1)))
    servers.dnsmasq(site, root)
    servers.vsftpd(site, root)
    assert site.boot().rc == 6
    config = NAMED.replace("ftp://", "ftp://somebody:secret@", 1)
    (root / "pxelinux.cfg/default").write_text(config)
    run = site.boot("-v")
    assert run.rc == 6 and "530" in run.result["error"]["message"], str(run)
    assert "secret" not in run.stderr and b"secret" not in run.stdout
    check_stderr(run)
    site.assert_nothing_left()


def test_nfs_is_refused_in_so_many_words(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(SIMPLE.replace("vmlinuz", f"nfs://{SERVER}/vmlinuz")))
    servers.dnsmasq(site, root)
    run = site.boot()
    assert run.rc == 7 and "NFS is not supported" in run.result["error"]["message"], str(run)
