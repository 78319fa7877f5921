"""The configuration files: whose sections hold, what they give way to, what is said of wrong ones."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pypxeboot.config import merge, options, planner
from pypxeboot.config.settings import BootSettings, Toolstack
from pypxeboot.errors import UsageError
from pypxeboot.plan import Plan
from tests.support.configuration_files import Write, run
from tests.support.ground import MAC, UUID, tools

GUEST = ("--mac", MAC, "--uuid", UUID, "--name", "web1")


class Told(Toolstack):
    """A toolstack that says ``changes``."""

    def __init__(self, changes: dict[str, Any]) -> None:
        self.changes = changes

    def identify(self, settings: BootSettings) -> BootSettings:
        return replace(settings, **self.changes)


def plan(*argv: str, **told: Any) -> Plan:
    """The plan of a command line; ``told`` is what a toolstack says."""
    return planner.plan(merge.merge(options.parse(argv), Told(told)))


def refused(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        plan(*argv)
    return caught.value.message


LEVELS = ["defaults", "52:*", "52:54:00:*", "52:54:00:ab:cd:*", "web1", MAC, UUID]


@pytest.mark.parametrize("most", range(len(LEVELS)))
def test_the_most_specific_section_counts(write: Write, most: int) -> None:
    text = "".join(f"[{level}]\nlabel = {level}\n" for level in reversed(LEVELS[: most + 1]))
    others = "[53:54:00:*]\nlabel=no\n[web]\nlabel=no\n[52:54:00:ab:cd:ee]\nlabel=no\n"
    assert plan(write(text + others), *GUEST).label == LEVELS[most]
    assert plan(write(text + others), *GUEST, "--label=mine").label == "mine"


def test_each_key_comes_from_where_it_stands(write: Write) -> None:
    file = write(
        "[defaults]\narch = i386\ntimeout = 7\nquiet = no\n[web1]\nbridge = br7\nquiet = yes\nvlan = 30\n",
        first="[52:54:00:*]\narch = arm64\nappend = a=1 b='2'\n",
        second="[52-54-0-*]\nArch = riscv64\n[WEB1]\nbridge = no\n",
    )
    found = plan(file, *GUEST)
    assert (found.guest.arch, found.arch_given, found.append) == ("riscv64", True, "a=1 b='2'")
    assert (found.guest.bridge, found.guest.vlan, found.quiet) == ("br7", 30, True)
    assert found.limits.timeout == 7
    assert not plan(file, "--mac", MAC).quiet


@pytest.mark.parametrize("text", ["00:16:3E:*", "0-16-3e-*"])
def test_prefixes_in_any_notation(write: Write, text: str) -> None:
    file = write(f"[{text}]\nlabel = a\n")
    assert plan(file, "--mac", "00:16:3e:00:00:01").label == "a"
    assert plan(file, "--mac", "00:16:3f:00:00:01").label is None


def test_options_of_every_kind(write: Write) -> None:
    file = write(
        "# a comment\n; another\n\n[defaults]\nmax-kernel = 64M\nmax-ramdisk=2 G\ninteractive = On\n"
        "dns = 10.0.0.1\n  10.0.0.2\nsmbios = 'type=1,serial=a b' type=2,asset=7\nmenu-timeout = 9.5\n"
        "config = http://10.0.0.1/x?a=%(b)s;c#d\n\nno-kernel-check = 0\nipv6 = yes\n[web1]\nipv6 = no\n"
    )
    found = plan(file, "--mac", MAC)
    assert (found.limits.kernel, found.limits.ramdisk) == (64 << 20, 2 << 30)
    assert [str(address) for address in found.dns] == ["10.0.0.1", "10.0.0.2"]
    assert found.guest.smbios["SYSSERIAL"] == "a b" and found.guest.smbios["MBASSET"] == "7"
    assert found.config == "http://10.0.0.1/x?a=%(b)s;c#d" and found.interactive and found.patience is None
    families = [plan(file, *words).family for words in (("--mac", MAC), GUEST, (*GUEST, "-4"))]
    assert families == [6, None, 4]


def test_switches_of_which_one_excludes_the_other(write: Write) -> None:
    file = write("[defaults]\nipv6 = yes\n[web1]\nipv4 = yes\n[52:54:*]\nipv4 = no\n")
    assert plan(file, "--mac", "00:16:3e:00:00:01").family == 6
    assert plan(file, *GUEST).family == 4
    assert plan(file, "--mac", MAC).family is None and plan(file, "--mac", MAC, "-6").family == 6
    shown = run(file, "--show-config", *GUEST).stdout
    assert "ipv4 " in shown and "ipv6" not in shown


def test_a_place_is_given_as_a_whole(write: Write) -> None:
    """Bridge and NIC exclude each other: who gives one must not get the other from a lesser section."""
    file = write("[defaults]\nbridge = br7\nquiet = yes\n[web1]\ninterface = eth7\ninteractive = yes\n")
    found = plan(file, *GUEST)
    assert (found.guest.bridge, found.guest.interface) == (None, "eth7")
    assert found.interactive and not found.quiet
    assert plan(file, "--mac", MAC, "--interface", "eth1").guest.bridge is None
    found = plan(file, *GUEST, "-q", f"mac={MAC},bridge=br1")
    assert (found.guest.bridge, found.guest.interface) == ("br1", None) and not found.interactive


def test_a_section_may_say_who_the_guest_is(write: Write) -> None:
    file = write(f"[web1]\nuuid = {UUID}\n[{UUID}]\nmac = {MAC}\nlabel = u\n[{MAC}]\nlabel = m\nvlan = 3\n")
    found = plan(file, "--name", "web1")
    assert (found.guest.mac, found.guest.uuid, found.label, found.guest.vlan) == (MAC, UUID, "u", 3)


def test_what_the_toolstack_tells_is_more_than_a_default(write: Write) -> None:
    file = write(
        "[defaults]\nbridge = br7\nguest-type = pv\n[52:54:00:*]\nhypervisor = kvm\n[web2]\nbridge=br8\n"
    )
    told = {"vif": {"mac": MAC, "bridge": "br1"}, "guest_type": "pvh", "hypervisor": "xen"}
    found = plan(file, **told, name="web1")
    assert (found.guest.bridge, found.must_boot, found.guest.hypervisor) == ("br1", ("xen-pvh",), "xen")
    assert plan(file, **told, name="web2").guest.bridge == "br8"
    assert plan(file, "--name", "x", mac=MAC).guest.bridge == "br7"


def test_a_vif_that_is_routed_has_no_bridge_by_default(write: Write) -> None:
    def settled_link(text: str, **vif: str) -> tuple[str, Any, Any]:
        settings = merge.merge(options.parse([write(text)]), Told({"vif": {"mac": MAC, **vif}}))
        return settings.link, settings.bridge, settings.interface

    vif_nat = "/etc/xen/scripts/vif-nat"
    assert settled_link("[defaults]\nbridge = br0\n", script=vif_nat) == ("routed", None, None)
    assert settled_link("[defaults]\ninterface = eth7\n", script=vif_nat) == ("routed", None, "eth7")
    assert settled_link(f"[{MAC}]\nbridge = br0\n", script=vif_nat) == ("auto", "br0", None)
    assert settled_link("[defaults]\nlink = host\n", script="vif-route") == ("host", None, None)
    assert settled_link("[defaults]\n", script="vif-bridge") == ("auto", None, None)


WRONG = [
    ("label = a\n", 1, "before the first"),
    ("[defaults]\nlabl = a\n", 2, "'labl'"),
    ("\n\n[a]\nlabel = 1\n[b]\n\n# x\nentry = a\n", 8, "'entry'"),
    ("[a]\noutput = /x\n", 2, "'output'"),
    ("[a]\nlabel\n", 2, "neither KEY"),
    ("[a]\nlabel = 1\nlabel = 2\n", 3, "twice"),
    ("[a]\nlabel = 1\n[a]\n", 3, "second section"),
    (f"[{MAC}]\nlabel = 1\n[{MAC.upper()}]\n", 3, "second section"),
    ("[00:16:3e:01:02]\n", 1, "neither a MAC"),
    ("[00:16:3g:*]\n", 1, "neither a MAC"),
    ("[*]\n", 1, "neither a MAC"),
    ("[DEFAULT]\n", 1, "written [defaults]"),
    ("[01:16:3e:01:02:03]\n", 1, "neither a MAC"),
    ("[defaults]\nmac = 00:16:3e:01:02:03\n", 2, "of one guest"),
    ("[00:16:3e:*]\nip = 10.0.0.1/24\n", 2, "of one guest"),
    (f"[{MAC}]\nmac = {MAC}\n", 2, "of one guest"),
    ("[defaults]\nvlan = x\n", 2, "vlan: invalid"),
    ("[defaults]\nlink = tunnel\n", 2, "link: invalid choice"),
    ("[defaults]\ntimeout = -1\n", 2, "timeout: invalid"),
    ("[defaults]\nmax-kernel = 1T\n", 2, "max-kernel: invalid size"),
    ("[defaults]\nquiet = maybe\n", 2, "yes or no"),
    ("[defaults]\nbridge = a b\n", 2, "cannot be the name"),
    ("[defaults]\nlabel = a\n  append = b\n", 2, "indented"),
    ("[defaults]\nsmbios = 'type=1\n", 2, "smbios: No closing quotation"),
    ("[defaults]\nvlan = 5000\n", None, "5000 is not a VLAN"),
    ("[defaults]\n\ndns = 10.0.0.999\n", 3, "dns '10.0.0.999' is not an address"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_a_wrong_file_is_named_with_the_line(write: Write, text: str, line: Any, said: str) -> None:
    message = refused(write("# nothing\n", broken=text), "--mac", MAC)
    assert said in message and (line is None or f"site.conf.d/broken.conf:{line}: " in message), message


@pytest.mark.parametrize("name", ["db-1-a-x", "a.b.c", "Win 10 (test)", "fe-dc", "x:y", "0:1"])
def test_names_of_guests(write: Write, name: str) -> None:
    assert plan(write(f"[{name}]\nlabel = a\n"), "--mac", MAC, "--name", name).label == "a"


def test_values_of_other_guests_are_looked_at_when_shown(write: Write) -> None:
    file = write("[web9]\nvlan = x\n")
    assert plan(file, *GUEST).guest.vlan is None
    done = run(file, "--show-config")
    assert done.returncode == 2 and "site.conf:2: vlan" in done.stderr


def test_shown_with_its_origin(write: Write, tmp_path: Path) -> None:
    file = write("[defaults]\ntimeout = 200\n", a=f"[{MAC}]\nvlan = 7\ndns = 10.0.0.1 10.0.0.2\nquiet = no\n")
    done = run(file, "--show-config", f"mac={MAC},bridge=br7", "--label", "two words\x1b[2J")
    assert done.returncode == 0 and not done.stderr, done.stderr
    rows = {row[0]: row[1:] for row in (re.split("  +", line) for line in done.stdout.splitlines())}
    drop_in = f"{tmp_path}/site.conf.d/a.conf"
    assert rows["timeout"] == ["200", f"{tmp_path}/site.conf:2"] and rows["vlan"] == ["7", f"{drop_in}:2"]
    assert rows["dns"] == ["10.0.0.1 10.0.0.2", f"{drop_in}:3"] and rows["link"] == ["auto", "default"]
    assert rows["mac"] == [MAC, "command line"] and rows["bridge"] == ["br7", "command line"]
    assert rows["label"][0].startswith("two words") and "\x1b" not in done.stdout
    assert "quiet" not in rows and "uuid" not in rows


def test_files_that_others_could_write_are_refused(write: Write, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root refuses them")
    file, main = write("[defaults]\nlabel = a\n", x="[defaults]\n"), tmp_path / "site.conf"
    folder = tmp_path / "site.conf.d"
    for path, mode, owner in (
        (main, 0o664, 0),
        (main, 0o646, 0),
        (main, 0o644, 7),
        (folder, 0o777, 0),
        (folder / "x.conf", 0o644, 7),
    ):
        path.chmod(mode)
        os.chown(path, owner, -1)
        assert f"{path} can be changed by others" in refused(file, "--mac", MAC)
        path.chmod(0o755 if path == folder else 0o644)
        os.chown(path, 0, -1)
    assert plan(file, "--mac", MAC).label == "a"


def test_files_that_are_none(tmp_path: Path, write: Write) -> None:
    assert "no such file" in refused(f"--config-file={tmp_path}/gone", "--mac", MAC)
    assert "Is a directory" in refused(f"--config-file={tmp_path}", "--mac", MAC)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a regular file" in refused(f"--config-file={tmp_path}/pipe", "--mac", MAC)
    assert plan("--config-file=/dev/null", "--mac", MAC).guest.mac == MAC
    file = write("[defaults]\n")
    (tmp_path / "site.conf").write_bytes(b"[defaults]\nlabel = \xff\n")
    assert "site.conf:2: this is not UTF-8" in refused(file, "--mac", MAC)
    (tmp_path / "site.conf").write_bytes(b"#" * (5 << 20))
    assert "more than 4 MiB" in refused(file, "--mac", MAC)
    write("[defaults]\n", good="[defaults]\nlabel = a\n")
    for name in ("editor.conf~", ".hidden.conf", "README"):
        (tmp_path / "site.conf.d" / name).write_text("what is this?")
    assert plan(file, "--mac", MAC).label == "a"


def test_the_manual_names_the_options_that_are_no_keys() -> None:
    page = (tools.ROOT / "man/pypxeboot.conf.5").read_text().replace("\\-", "-")
    listed = " ".join(
        re.findall(r"^\.B ([a-z_ ,-]+)\.?$", page.partition("are none:")[2].partition(".TP")[0], re.M)
    )
    top = options.parser()
    names = {name[2:] for action in top.values for name in action.option_strings[-1:]}
    names |= {"label", "help", "version"}
    assert set(listed.split()) == names - set(options.keys(top)) - {"entry"}


def test_what_the_default_file_shows_is_right(tmp_path: Path, write: Write) -> None:
    """With its examples uncommented it is a valid file."""
    example = (tools.ROOT / "packaging/pypxeboot.conf").read_text()
    text = re.sub(r"^#(?=\[|[a-z-]+ = )", "", example, flags=re.M)
    assert run(write(text), "--show-config").returncode == 0 and text != example


def test_the_section_of_a_former_name_holds_while_there_is_none_of_the_new(tmp_path: Path) -> None:
    path = tmp_path / "site.conf"
    renamed = {"name": "new", "former_name": "old"}
    for text, label in (
        ("[old]\nlabel = a\n", "a"),
        ("[old]\nlabel = a\n[new]\nlabel = b\n", "b"),
        ("[old]\nlabel = a\n[new]\n", None),
        ("[other]\nlabel = a\n", None),
    ):
        path.write_text(text)
        settings = options.parse(["--mac", MAC, "--config-file", str(path)])
        assert merge.merge(settings.changed({}, renamed), Toolstack()).label == label
