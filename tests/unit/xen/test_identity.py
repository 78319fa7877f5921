"""A domain that libxl creates, and of which the bootloader's arguments say little: who it is, found."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Optional
from uuid import UUID as Uuid

import pytest

from pypxeboot.config.options import parse
from pypxeboot.errors import UsageError
from pypxeboot.xen import domain_config, guest_records, identity, xenstore, xl_config
from pypxeboot.xen.domain_config import DomainConfig, VifConfig
from pypxeboot.xen.guest_records import GuestRecord
from tests.support.ground import MAC


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "xl.conf"
    monkeypatch.setattr(domain_config, "_XL_CONF", path)
    return path


@pytest.mark.parametrize(
    ("text", "vif", "expected"),
    [
        ('#vif.default.bridge="xenbr9"\nvif.default.bridge="xenbr1"\n', "", {"bridge": "xenbr1"}),
        ("autoballoon=0\n", "", {}),
        ("what is this?", "", {}),
        ("vif.default.bridge = bare", "bridge=a", {"bridge": "a"}),
        ('defaultbridge="old"', "", {"bridge": "old"}),
        ('vif.default.bridge="new"\ndefaultbridge="old"', "", {"bridge": "new"}),
        ('vifscript="vif-openvswitch"', "", {"script": "vif-openvswitch"}),
        ('vif.default.script="vif-route"\nvif.default.bridge="b"', "", {"script": "vif-route"}),
        (
            'vif.default.script="vif-route"',
            "script=vif-bridge,bridge=b",
            {"script": "vif-bridge", "bridge": "b"},
        ),
        ('vif.default.bridge="b"', "script=/etc/xen/scripts/vif-nat", {"script": "/etc/xen/scripts/vif-nat"}),
        ('vif.default.gatewaydev="eth1"', "script=vif-route", {"script": "vif-route", "gatewaydev": "eth1"}),
        (
            'vif.default.gatewaydev="eth1"',
            "script=vif-route,netdev=eth2",
            {"script": "vif-route", "gatewaydev": "eth2"},
        ),
        ('vif.default.bridge="b"', "bridge=c", {"bridge": "c"}),
    ],
)
def test_what_xl_conf_says_of_vifs(conf: Path, text: str, vif: str, expected: dict[str, str]) -> None:
    conf.write_text(text)
    (found,) = domain_config.of_settings("x", {"vif": [f"mac={MAC},{vif}"]}).vifs
    assert found.keys() == {"mac": MAC, **expected}
    assert domain_config.of_settings("x", {"vif": f"mac={MAC}"}).vifs == (), "xl wants a list"
    assert domain_config.of_settings("x", xl_config.parse(f"vif+=['mac={MAC},{vif}']")).vifs == (found,)


def test_the_bridge_of_a_guest_whose_mac_alone_is_known(conf: Path) -> None:
    conf.write_text('vif.default.bridge="xenbr1"')
    settings = parse(["--output=bootloader.7.out", "--output-format=simple0", f"mac={MAC}"])
    vif = identity.find_vif(settings, identity.KnownDomain(None)).vif
    assert vif["bridge"] == "xenbr1" and vif["mac"] == MAC


@pytest.mark.parametrize("name", ["0", "00", "Domain-0", "", "dom0-by-another-name"])
def test_backends_of_this_host(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(xenstore, "name_of", lambda number: "dom0-by-another-name" if number == 0 else None)
    VifConfig(MAC, backend=name).check_backend()


@pytest.mark.parametrize("name", ["1", "domain-0", "netdom", "-0", "\u0660", "9" * 9999, "a\x1b[2J"])
def test_backends_elsewhere(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        VifConfig(MAC, backend=name).check_backend()
    assert raised.value.message.isprintable() and "not on this host" in raised.value.message


@pytest.mark.parametrize(
    ("text", "shim"),
    [
        ("pvshim=1", True), ("pvshim = 0x1", True), ("pvshim=0", False), ("pvshim='1'", True),
        ("pvshim='yes'", False), ("pvshim=010", True), ("pvshim=00", False), ("", False),
        ("pvshim=[1]", False),
    ],
)  # fmt: skip
def test_pvshim(conf: Path, text: str, shim: bool) -> None:
    assert domain_config.of_settings("x", xl_config.parse(text)).pvshim is shim


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [
        ("memory=512", 512), ("memory = '512'", 512), ("maxmem=512", None), ("memory=0", None),
        ("memory='1G'", None), ("memory='-1'", None), ("memory=[512]", None), ("", None),
    ],
)  # fmt: skip
def test_memory(conf: Path, text: str, mebibytes: Optional[int]) -> None:
    assert domain_config.of_settings("x", xl_config.parse(text)).memory == mebibytes


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(guest_records, "DIRECTORY", tmp_path / "guests")
    return tmp_path / "guests"


def record(name: str = "web") -> GuestRecord:
    vifs = (VifConfig(MAC, "xenbr0", script="vif-bridge"), VifConfig(MAC, vlan="7"))
    return GuestRecord(DomainConfig("/etc/xen/web.cfg", name, vifs, pvshim=True), (17, 4711, 5), "/etc/xen")


def test_a_record_is_read_as_it_was_written(records: Path) -> None:
    uuid = str(Uuid(int=5))
    assert guest_records.load(uuid) is None
    guest_records.keep(uuid, record())
    assert guest_records.load(uuid) == record()
    guest_records.keep(uuid, record("other"))
    assert guest_records.load(uuid) == record("other")
    assert [path.name for path in records.iterdir()] == [uuid]


def test_no_more_are_kept_than_the_bound(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go; a guest that is a domain now stays, however old its record, and so does what is new."""
    monkeypatch.setattr(guest_records, "_KEPT", 10)
    names = [str(Uuid(int=number)) for number in range(40)]
    alive = names[:3]
    monkeypatch.setattr(xenstore, "uuids", lambda: frozenset(alive))
    guest_records.keep(names[0], record())
    for age, name in enumerate(names[:35]):
        (records / name).write_text((records / names[0]).read_text())
        os.utime(records / name, (time.time(), time.time() - 10**8 + age))
    (records / ".half").touch()
    (records / ".old").touch()
    os.utime(records / ".old", (0, 0))
    for name in names[35:]:
        guest_records.keep(name, record())
    left = {path.name for path in records.iterdir()}
    assert left == {*alive, *names[30:], ".half"}
    assert (records / names[0]).stat().st_mtime > time.time() - 1000, "seen alive just now"


def test_text_that_is_none(records: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A name of bytes that are no UTF-8, from xl's command line."""
    guest_records.keep(str(Uuid(int=1)), record("w\udcffeb"))
    assert "not kept" in caplog.text or guest_records.load(str(Uuid(int=1))) is not None
