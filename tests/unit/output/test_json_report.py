"""The result in the forms of the toolstacks, to the byte; numbers are of the table of bad inputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused, ServerError
from pypxeboot.output import json_report
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult, DeviceTree
from pypxeboot.schema import pack
from tests.support.samples.results import BOOT, GUEST, KERNEL, MULTIBOOT, PLANNED, listed, saying

KEYS: dict[str, list[str]] = {
    "": (
        "schema action guest lease loader config label reason kernel initrds ramdisk modules dtb cmdline "
        "requests seconds warnings sev"
    ).split(),
    "guest": "mac uuid arch".split(),
    "lease": "address netmask gateway dns domain server_id next_server bootfile seconds".split(),
    "kernel": "url path size sha256 format boots".split(),
    "initrds": "url size sha256".split(),
    "ramdisk": "path size sha256".split(),
    "modules": "url path size cmdline sha256".split(),
    "dtb": "url path size sha256".split(),
    "requests": "url result bytes seconds".split(),
    "seconds": "total link dhcp config download".split(),
}


def test_json_keys_at_every_level() -> None:
    everything = replace(BOOT, modules=MULTIBOOT.modules, dtb=DeviceTree("u", "/d/t", 1, "0"))
    whole = json.loads(json_report.render(everything, OutputRequest(GUEST)))
    assert whole["schema"] == 1
    for name, keys in KEYS.items():
        value: Any = whole[name] if name else whole
        for item in value if isinstance(value, list) else [value]:
            assert list(item) == keys, name
    assert "dtb" not in json.loads(json_report.render(BOOT, OutputRequest(GUEST))), "where there is none"


def test_the_digests_of_the_sev_hash_table() -> None:
    """QEMU hashes what -kernel, -initrd and -append give it: sev_add_kernel_loader_hashes()."""

    def sev(result: BootResult) -> Any:
        return json.loads(json_report.render(result, OutputRequest(GUEST)))["sev"]

    def sha256(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    assert BOOT.ramdisk is not None
    assert sev(BOOT) == {
        "kernel": KERNEL.sha256,
        "initrd": BOOT.ramdisk.sha256,
        "cmdline": sha256(BOOT.cmdline.encode() + b"\0"),
    }
    bare = sev(replace(BOOT, ramdisk=None, initrds=(), cmdline=""))
    assert (bare["initrd"], bare["cmdline"]) == (sha256(b""), sha256(b"\0"))
    assert sev(replace(BOOT, cmdline="a=\udcff"))["cmdline"] == sha256(b"a=\xff\0")
    assert sev(PLANNED) is None and sev(MULTIBOOT) is None


def test_json_values() -> None:
    whole = json.loads(json_report.render(BOOT, OutputRequest(GUEST)))
    assert whole["guest"] == {"mac": GUEST.mac, "uuid": GUEST.uuid, "arch": "x86_64"}
    assert (whole["action"], whole["reason"], whole["label"]) == ("boot", "default", "a")
    assert whole["kernel"] == {
        "url": KERNEL.url,
        "path": KERNEL.path,
        "size": 7,
        "sha256": "0" * 64,
        "format": "bzImage",
        "boots": ["qemu"],
    }
    assert whole["lease"]["dns"] == [] and whole["lease"]["seconds"] == 3600
    assert json.loads(json_report.render(replace(BOOT, lease=None), OutputRequest(GUEST)))["lease"] is None
    planned = json.loads(json_report.render(PLANNED, OutputRequest(GUEST)))
    assert planned["ramdisk"] == {"path": None, "size": None, "sha256": None}
    assert planned["kernel"]["path"] is planned["kernel"]["size"] is planned["kernel"]["sha256"] is None


def test_json_is_one_document_of_ascii() -> None:
    data = json_report.render(saying(b"\x1b[2J\xff\xc3\xbc\0"), OutputRequest(GUEST))
    assert data.endswith(b"}\n") and all(byte == 10 or 32 <= byte < 127 for byte in data)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (FetchError("gone", hint="look"), 6, "FetchError"),
        (NotFound("gone"), 6, "FetchError"),
        (ServerError("gone"), 6, "FetchError"),
        (Refused("no"), 7, "Refused"),
        (PxeBootError("other"), 1, "PxeBootError"),
    ],
)
def test_json_of_a_failure(error: PxeBootError, code: int, kind: str) -> None:
    whole = json.loads(json_report.render_failure(error, BOOT.requests))
    assert list(whole) == ["schema", "error", "requests"] and whole["schema"] == 1
    assert whole["error"] == {"code": code, "kind": kind, "message": error.message, "hint": error.hint}
    assert [list(request) for request in whole["requests"]] == [KEYS["requests"]]


def test_entries_as_json() -> None:
    entries = [listed("a"), listed("b", "two\nlines", kernel=None), listed('"\udcff')]
    report = json_report.EntryReport()
    report.add(entries)
    report.clear()
    report.add(entries[:2])
    report.add(entries[2:])
    text = report.render("tftp://s/[]").decode()
    whole = json.loads(text)
    assert json.dumps(whole, indent=1) + "\n" == text and text.isascii()
    assert whole["schema"] == 1 and whole["config"] == "tftp://s/[]"
    assert whole["entries"] == pack(tuple(entries))
    keys = "label title action kernel initrds cmdline default modules dtb menu meaning"
    assert list(whole["entries"][0]) == keys.split()
    assert json.loads(json_report.EntryReport().render(None)) == {"schema": 1, "config": None, "entries": []}
