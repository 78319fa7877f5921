"""Boots against a real server, through the command line: the choice, the forms of the result, and errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, UUID, Run, Site
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import JOINED, check_stderr, serve, tree

BASE = ("--mac", MAC, "--bridge", BRIDGE)


def test_label(site: Site) -> None:
    serve(site)
    for given in (("--label", "b"), ("--entry", "b"), ("--label=2",)):
        result = site.boot(*given).ok().result
        assert (result["label"], result["reason"], result["cmdline"].rstrip()) == (
            "b",
            "label",
            "BOOT_IMAGE=other y=2",
        )
    run = site.boot("--label", "nothere")
    assert run.rc == 5, str(run)


def test_user_words(site: Site) -> None:
    serve(site)
    for given in ("--append", "--args"):
        result = site.boot(given, "console=hvc0  z").ok().result
        assert result["cmdline"] == "BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2 console=hvc0  z"


def test_list_entries(site: Site) -> None:
    serve(site)
    run = site.pypxeboot(*BASE, "--output-directory", str(site.out), "--list-entries")
    text = run.ok().stdout.decode()
    assert re.search(r"\ba\b.*\n(.*\n)*.*\bb\b", text), text
    site.assert_nothing_left()


def test_ten_thousand_entries_are_listed_whole_and_in_order(site: Site) -> None:
    """They cross to the host side in pieces, which it puts together."""
    names = [f"l{number}" for number in range(10_000)]
    texts = ["".join(f"LABEL {name}\nKERNEL {name}/k\n" for name in names[at::5]) for at in range(5)]
    included = "".join(f"INCLUDE f{at}\n" for at in range(5))
    files = tree(f"DEFAULT l7000\n{included}LABEL caf\u00e9\nLOCALBOOT 0\n")
    serve(site, files={**files, **{f"f{at}": text.encode() for at, text in enumerate(texts)}})
    wanted = [name for at in range(5) for name in names[at::5]]
    entries = site.boot("-l").ok().result["entries"]
    assert [entry["label"] for entry in entries] == [*wanted, "caf\u00e9"]
    assert [entry["label"] for entry in entries if entry["default"]] == ["l7000"]
    assert all(entry["kernel"] == f"tftp://{SERVER}/{entry['label']}/k" for entry in entries[:-1])
    assert (entries[-1]["action"], entries[-1]["kernel"]) == ("localboot", None)
    table = site.pypxeboot(*BASE, "-l").ok().stdout.decode().splitlines()[1:]
    shown = [line.lstrip("* ").split()[:2] for line in table]
    assert shown == [[str(number), label] for number, label in enumerate([*wanted, "caf\u00e9"], 1)]
    site.assert_nothing_left()


def run_form(site: Site, form: str, *args: str) -> Run:
    return site.pypxeboot(*BASE, "--output-directory", str(site.out), "--output-format", form, *args)


def files_of(site: Site) -> tuple[Path, Path]:
    """Kernel and ramdisk below the output directory, told apart by what is in them."""
    found = [path for path in site.out.rglob("*") if path.is_file()]
    kernels = [path for path in found if path.read_bytes() == dummy("vmlinuz")]
    ramdisks = [path for path in found if path.read_bytes() == JOINED]
    assert len(found) == 2 and kernels and ramdisks, found
    return kernels[0], ramdisks[0]


def test_simple0_to_the_byte(site: Site) -> None:
    """Every item ends with NUL, and one more ends the list, as pygrub has it."""
    serve(site)
    run = run_form(site, "simple0").ok()
    kernel, ramdisk = files_of(site)
    expected = f"kernel {kernel}\0ramdisk {ramdisk}\0args BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2\0\0"
    assert run.stdout == expected.encode()


def test_simple(site: Site) -> None:
    serve(site)
    run = run_form(site, "simple").ok()
    kernel, ramdisk = files_of(site)
    expected = f"kernel {kernel}\nramdisk {ramdisk}\nargs BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2\n"
    assert run.stdout.decode().strip("\n") == expected.strip("\n")


def test_sxp_is_the_default(site: Site) -> None:
    serve(site)
    run = site.pypxeboot(*BASE, "--output-directory", str(site.out)).ok()
    kernel, ramdisk = files_of(site)
    expected = f"linux (kernel '{kernel}')(ramdisk '{ramdisk}')(args 'BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2')"
    assert run.stdout.decode().strip() == expected


def test_no_ramdisk_no_ramdisk_line(site: Site) -> None:
    serve(site)
    run = run_form(site, "simple0", "--label", "b").ok()
    (kernel,) = (path for path in site.out.rglob("*") if path.is_file())
    assert run.stdout == f"kernel {kernel}\0args BOOT_IMAGE=other y=2\0\0".encode()


def test_as_libxl_calls_it(site: Site) -> None:
    serve(site)
    output = site.directory / "bootloader.7.out"
    output.touch(0o600)
    disk = site.directory / "disk.img"
    disk.write_bytes(bytes(4096))
    argv = ["--args=root=/dev/xvda1 ro", f"--output={output}", "--output-format=simple0"]
    argv += [f"--output-directory={site.out}", f"mac={MAC},bridge={BRIDGE},", str(disk)]
    run = site.pypxeboot(*argv).ok()
    items = output.read_bytes().split(b"\0")
    values = dict(item.split(b" ", 1) for item in items if item)
    assert Path(values[b"kernel"].decode()).read_bytes() == dummy("vmlinuz"), str(run)
    assert Path(values[b"ramdisk"].decode()).read_bytes() == JOINED
    assert values[b"args"] == b"BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2 root=/dev/xvda1 ro"
    assert run.stdout == b""


SCHEMA: dict[str, Any] = {
    "schema": int,
    "action": str,
    "guest": {"mac": str, "uuid": str, "arch": str},
    "lease": {
        **dict.fromkeys(
            ("address", "netmask", "gateway", "domain", "server_id", "next_server", "bootfile"), str
        ),
        "dns": list,
        "seconds": int,
    },
    "loader": str,
    "config": str,
    "label": str,
    "reason": str,
    "kernel": {"url": str, "path": str, "size": int, "sha256": str, "format": str, "boots": list},
    "initrds": [{"url": str, "size": int, "sha256": str}],
    "ramdisk": {"path": str, "size": int, "sha256": str},
    "modules": list,
    "cmdline": str,
    "requests": [{"url": str, "result": str, "bytes": int, "seconds": (int, float)}],
    "seconds": dict.fromkeys(("total", "link", "dhcp", "config", "download"), (int, float)),
    "warnings": list,
    "sev": {"kernel": str, "initrd": str, "cmdline": str},
}


def check_shape(value: Any, shape: Any, where: str = "result") -> None:
    """That ``value`` has exactly the keys and the types of ``shape``."""
    if isinstance(shape, dict):
        assert isinstance(value, dict) and set(value) == set(shape), where
        for key, inner in shape.items():
            check_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list) and value, where
        for number, item in enumerate(value):
            check_shape(item, shape[0], f"{where}[{number}]")
    else:
        assert isinstance(value, shape), f"{where}: {value!r}"


def test_json_result(site: Site) -> None:
    serve(site)
    result = site.boot("--uuid", UUID).ok().result
    check_shape(result, SCHEMA)
    assert (result["schema"], result["loader"], result["action"]) == (1, "pxelinux", "boot")
    assert result["guest"] == {"mac": MAC, "uuid": UUID, "arch": "x86_64"}
    assert result["kernel"]["format"] == "bzImage" and "qemu" in result["kernel"]["boots"]
    assert result["modules"] == [] and result["warnings"] == []
    assert result["requests"][-1]["result"] == "ok"
    assert sum(request["bytes"] for request in result["requests"]) >= result["kernel"]["size"]
    parts = result["seconds"]
    assert parts["total"] >= parts["dhcp"] > 0


def test_not_really(site: Site) -> None:
    serve(site)
    result = site.boot("--uuid", UUID, "--not-really").ok().result
    assert result["cmdline"].rstrip() == "BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2"
    assert result["kernel"]["url"] == f"tftp://{SERVER}/vmlinuz"
    for part in (result["kernel"], result["ramdisk"], *result["initrds"]):
        assert {part[key] for key in ("path", "size", "sha256") if key in part} == {None}
    assert not any(r["url"].endswith(("vmlinuz", "i1", "i2")) for r in result["requests"])
    log = "".join(path.read_text("latin-1") for path in site.directory.glob("*-dnsmasq.log"))
    assert "sent" in log and "vmlinuz" not in log
    site.assert_nothing_left()


def test_capture_file(site: Site) -> None:
    serve(site)
    capture = site.directory / "boot.pcap"
    site.boot("--pcap", str(capture)).ok()
    data = capture.read_bytes()
    assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
    for piece in (b"\x63\x82\x53\x63", b"pxelinux.cfg/default", dummy("vmlinuz")[:512]):
        assert piece in data


def test_localboot(site: Site) -> None:
    serve(site, files=tree("DEFAULT disk\nLABEL disk\n LOCALBOOT 0\n"))
    run = site.boot("--uuid", UUID)
    result = run.ok().result
    assert (result["action"], result["label"], result["kernel"], result["ramdisk"]) == (
        "localboot",
        "disk",
        None,
        None,
    )
    assert result["cmdline"] == ""
    site.assert_nothing_left()


def test_localboot_without_a_disk_is_no_result_for_xen(site: Site) -> None:
    serve(site, files=tree("DEFAULT disk\nLABEL disk\n LOCALBOOT 0\n"))
    run = run_form(site, "simple0", "--hypervisor", "xen")
    assert (run.rc, run.stdout) == (4, b""), str(run)
    site.assert_nothing_left()


# name -> exit code, files served (None: no server at all), what DHCP says, arguments
ERRORS: dict[str, tuple[int, Any, Offer, tuple[str, ...]]] = {
    "no-server": (3, None, Offer(), ("--timeout", "4")),
    "no-boot-file": (4, tree(), Offer(filename=""), ()),
    "no-configuration": (4, {"pxelinux.0": b"x"}, Offer(), ()),
    "nothing-to-boot": (5, tree("# an empty menu\n"), Offer(), ()),
    "default-is-no-file": (6, tree("DEFAULT gone\n"), Offer(), ()),
    "no-kernel": (6, tree("DEFAULT a\nLABEL a\n KERNEL gone\n"), Offer(), ()),
    "no-initrd": (6, tree("DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD i1,gone\n"), Offer(), ()),
    "no-web-server": (
        6,
        tree(f"DEFAULT a\nLABEL a\n KERNEL http://{SERVER}/vmlinuz\n"),
        Offer(),
        ("--timeout", "8"),
    ),
    "not-a-kernel": (7, {**tree(), "vmlinuz": b"<html>no such page</html>"}, Offer(), ()),
    "file-url": (7, tree("DEFAULT a\nLABEL a\n KERNEL file:///etc/passwd\n"), Offer(), ()),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(site: Site, case: str) -> None:
    code, files, offer, args = ERRORS[case]
    if files is not None:
        serve(site, files=files, offer=offer)
    run = site.boot(*args)
    assert run.rc == code, str(run)
    error = run.result["error"]
    assert run.result["schema"] == 1 and error["code"] == code and isinstance(run.result["requests"], list)
    assert set(error) == {"code", "kind", "message", "hint"} and error["message"]
    assert "\n" not in error["message"] and "\n" not in (error["hint"] or "")
    assert error["message"] in run.stderr
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.parametrize("form", ["simple0", "sxp", "simple"])
def test_an_error_has_no_result(site: Site, form: str) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\n KERNEL gone\n"))
    run = run_form(site, form)
    assert (run.rc, run.stdout) == (6, b""), str(run)
    assert 1 <= len([line for line in run.stderr.splitlines() if "gone" in line]) <= 2
    check_stderr(run)
    site.assert_nothing_left()


@pytest.mark.parametrize(
    "args",
    [
        ("--bridge", BRIDGE),
        ("--mac", "52:54:00:ab:cd", "--bridge", BRIDGE),
        ("--mac", "53:54:00:ab:cd:ef", "--bridge", BRIDGE),
        ("--mac", MAC, "--bridge", "nosuch"),
        ("--mac", MAC, "--bridge", "a/b"),
        (*BASE, "--no-such-option"),
        (*BASE, "--output-format", "nosuch"),
        (*BASE, "--arch", "sparc"),
    ],
    ids=[
        "no-mac",
        "short-mac",
        "multicast-mac",
        "no-bridge",
        "bad-bridge",
        "unknown-option",
        "unknown-format",
        "unknown-arch",
    ],
)
def test_wrong_usage(site: Site, args: tuple[str, ...]) -> None:
    run = site.pypxeboot(*args)
    assert (run.rc, run.stdout) == (2, b""), str(run)
    assert "Traceback" not in run.stderr and run.stderr
    site.assert_nothing_left()
    error = site.pypxeboot("--json", *args).result["error"]
    assert error["code"] == 2 and error["message"] in run.stderr


def test_words_of_strangers_are_printed_safely(site: Site) -> None:
    config = "DEFAULT a\nLABEL a\n KERNEL gone\x1b[2J\u202eevil\n"
    serve(site, files=tree(config))
    run = site.boot("-v", "-v")
    assert run.rc in (5, 6), str(run)
    check_stderr(run)
    assert json.loads(run.stdout)["error"]["message"].isprintable()


def test_address_of_the_guest_is_free_again(site: Site) -> None:
    serve(site)
    site.boot().ok()
    assert ADDRESS not in site.show("addr", "show")
