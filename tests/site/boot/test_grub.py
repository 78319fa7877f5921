"""Sites that serve GRUB, on real servers: what a machine there boots, a guest boots as well."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Site, servers, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import asked, kernel_of, ramdisk_of

ENTRY = (
    "set timeout=0\nmenuentry 'Install' --id install {\n linux /images/vmlinuz a=1\n"
    " initrd /images/initrd\n}\n"
)
IMAGES = {"images/vmlinuz": dummy("vmlinuz"), "images/initrd": b"INITRD\n"}
DASHED = MAC.replace(":", "-")

# As the templates of Cobbler and Foreman have it, the second by a file of the host's.
COBBLER = {
    "grub/grub.cfg": """set timeout=10
set default=local
configfile "${prefix}/system/$net_default_mac"
menuentry 'local' --class local --id local {
  if [ "$grub_platform" = "efi" ]; then
    exit 1
  fi
  exit
}
source "${prefix}/x86_64_menu_items.cfg"
""",
    f"grub/system/{MAC}": """set timeout=1
menuentry 'web01' --class gnu-linux --class os {
  echo 'Loading kernel ...'
  linux /images/vmlinuz  ip=dhcp inst.ks=http://10.77.0.1/cblr/svc/op/autoinstall/system/web01
  echo 'Loading initial ramdisk ...'
  initrd /images/initrd
}
""",
    "grub/x86_64_menu_items.cfg": "menuentry 'profile' { linux /images/vmlinuz profile=1; }\n",
}
FOREMAN = {
    f"grub2/grub.cfg-01-{DASHED}": f"""set default=0
set timeout=1
menuentry 'Kickstart default PXEGrub2' {{
  linux /images/vmlinuz inst.ks=http://10.77.0.1/unattended/provision?token=1-2 BOOTIF=00-{DASHED}
  initrd /images/initrd
}}
""",
    "grub2/grub.cfg": "set timeout=0\nmenuentry 'Default: local hard drive' --id local { exit; }\n",
}


def program(directory: Path, form: str, prefix: str) -> bytes:
    """A GRUB of ``form`` (i386-pc-pxe, x86_64-efi), with ``prefix`` built into it."""
    target = directory / "program"
    modules = Path("/usr/lib/grub", form.removesuffix("-pxe"))
    maker = next((name for name in ("grub-mkimage", "grub2-mkimage") if tools.find(name)), None)
    if maker is None or not modules.is_dir():
        pytest.skip(f"no grub-mkimage for {form} (scripts/install-test-tools)")
    argv = [maker, "-O", form, "-o", str(target), "-p", prefix, "-d", str(modules), "normal", "tftp"]
    subprocess.run(argv, check=True, capture_output=True)
    return target.read_bytes()


def serve(site: Site, files: dict[str, bytes], filename: str) -> Path:
    """Serve ``files`` by ISC dhcpd, tftpd-hpa and nginx."""
    root = servers.plant(site.directory / "root", files)
    servers.tftpd_hpa(site, root)
    servers.dhcpd(site, Offer(filename=filename))
    servers.nginx(site, root)
    return root


@pytest.mark.parametrize(
    ("tree", "filename", "words"),
    [
        (COBBLER, "grub/grub.0", "ip=dhcp inst.ks=http://10.77.0.1/cblr/svc/op/autoinstall/system/web01"),
        (
            COBBLER,
            "grub/grubx64.efi",
            "ip=dhcp inst.ks=http://10.77.0.1/cblr/svc/op/autoinstall/system/web01",
        ),
        (
            FOREMAN,
            "grub2/shimx64.efi",
            f"inst.ks=http://10.77.0.1/unattended/provision?token=1-2 BOOTIF=00-{DASHED}",
        ),
    ],
)
def test_a_provisioned_host_boots(site: Site, tree: dict[str, str], filename: str, words: str) -> None:
    serve(site, {**{name: text.encode() for name, text in tree.items()}, **IMAGES, filename: b"MZ"}, filename)
    run = site.boot()
    result = run.ok().result
    assert (result["loader"], result["reason"]) == ("grub", "timeout")
    assert result["cmdline"] == f"BOOT_IMAGE=/images/vmlinuz {words}"
    assert kernel_of(run) == IMAGES["images/vmlinuz"] and ramdisk_of(run) == b"INITRD\n"


def test_a_host_that_is_installed_boots_from_its_disk(site: Site) -> None:
    tree = {name: text.encode() for name, text in COBBLER.items() if "system" not in name}
    serve(site, {**tree, **IMAGES}, "grub/grub.0")
    result = site.boot().ok().result
    assert (result["action"], result["label"]) == ("localboot", "local")
    assert (
        site.boot("--label", "profile", "-n").ok().result["cmdline"] == "BOOT_IMAGE=/images/vmlinuz profile=1"
    )


@pytest.mark.parametrize(
    ("filename", "form"),
    [("core.0", "i386-pc-pxe"), ("bootx64.efi", "x86_64-efi"), ("strange.bin", "x86_64-efi")],
)
def test_the_prefix_is_read_from_the_program(site: Site, filename: str, form: str) -> None:
    """Whatever the file is called: that it is a GRUB, and where that looks, is in it."""
    data = program(site.directory, form, "/srv/boot")
    serve(site, {filename: data, "srv/boot/grub.cfg": ENTRY.encode(), **IMAGES}, filename)
    run = site.boot("-v")
    result = run.ok().result
    assert result["config"] == f"tftp://{SERVER}//srv/boot/grub.cfg" and result["cmdline"] == (
        "BOOT_IMAGE=/images/vmlinuz a=1"
    )
    assert "GRUB: the boot file looks for its configuration in /srv/boot" in run.stderr
    found = [
        url.rpartition("/")[2] for url, answer in asked(run) if "grub.cfg" in url and answer == "not-found"
    ]
    assert found[:2] == [f"grub.cfg-01-{DASHED}", "grub.cfg-0A4D00AD"] and len(found) == 19


def test_over_http_there_is_one_name(site: Site) -> None:
    serve(site, {"efi/grub.cfg": ENTRY.encode(), **IMAGES}, f"http://{SERVER}/efi/grubx64.efi")
    run = site.boot()
    result = run.ok().result
    assert [url for url, _ in asked(run) if not url.endswith(".efi")] == [
        f"http://{SERVER}/{path}" for path in ("efi/grub.cfg", "images/vmlinuz", "images/initrd")
    ]
    assert result["cmdline"] == "BOOT_IMAGE=/images/vmlinuz a=1"


def test_a_configuration_by_its_url(site: Site) -> None:
    serve(site, {"efi/grub.cfg": ENTRY.encode(), "x/y": ENTRY.encode(), **IMAGES}, "pxelinux.0")
    for words in (
        ("--config", f"http://{SERVER}/efi/grub.cfg"),
        ("--config", f"http://{SERVER}/x/y", "--dialect", "grub"),
    ):
        result = site.boot(*words).ok().result
        assert result["kernel"]["url"] == f"http://{SERVER}/images/vmlinuz" and result["label"] == "install"


def test_where_there_is_pxelinux_too_the_hint_names_it(site: Site) -> None:
    serve(site, {"pxelinux.cfg/default": b"DEFAULT images/vmlinuz\n", **IMAGES}, "grub2/grubx64.efi")
    run = site.boot()
    assert run.rc == 4 and "GRUB" in run.result["error"]["message"]
    assert "--bootfile pxelinux.0" in run.result["error"]["hint"]
    assert site.boot("--bootfile", "pxelinux.0").ok().result["loader"] == "pxelinux"


def test_doctor_says_grub(site: Site) -> None:
    serve(site, {"grub/grub.cfg": ENTRY.encode(), **IMAGES}, "grub/grub.0")
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, "--json")
    said = json.dumps(json.loads(run.stdout))
    assert "GRUB" in said and "grub.cfg-01-" in said and "/grub/grub.cfg is there" in said


def test_listed(site: Site) -> None:
    menu = b"""set default='more>b'
menuentry A --id a { linux /images/vmlinuz a; }
submenu More --id more {
menuentry B --id b { linux /images/vmlinuz b; initrd /images/initrd; }
menuentry off { halt; }
}
"""
    serve(site, {"grub/grub.cfg": menu, **IMAGES}, "grub/grub.0")
    listed = site.boot("-l").ok().result["entries"]
    assert [(one["label"], one["title"], one["menu"], one["default"], one["action"]) for one in listed] == [
        ("a", "A", [], False, "boot"),
        ("more>b", "B", ["More"], True, "boot"),
        ("more>off", "off", ["More"], False, "poweroff"),
    ]
    assert listed[1]["cmdline"] == "BOOT_IMAGE=/images/vmlinuz b" and len(listed[1]["initrds"]) == 1
    assert site.boot("--label", "more>off").ok().result["action"] == "poweroff"


def test_multiboot_modules(site: Site) -> None:
    xen = b"\x02\xb0\xad\x1b" + bytes(4) + b"\xfe\x4f\x52\xe4" + bytes(64)
    menu = b"set timeout=0\nmenuentry Xen {\n multiboot /xen.gz placeholder console=com1\n" + (
        b" module /images/vmlinuz placeholder root=/dev/nfs\n module --nounzip /images/initrd\n}\n"
    )
    serve(site, {"grub/grub.cfg": menu, "xen.gz": xen, **IMAGES}, "grub/grub.0")
    result = site.boot().ok().result
    assert result["cmdline"] == "placeholder console=com1"
    assert [module["cmdline"] for module in result["modules"]] == ["placeholder root=/dev/nfs", ""]
    assert Path(result["modules"][1]["path"]).read_bytes() == b"INITRD\n"
