"""``pypxeboot-xl`` up to where xl itself begins; the rest is in the lab (test_xenlab.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pypxeboot.commands import xl
from pypxeboot.errors import UsageError
from pypxeboot.xen import domain_config, xl_config
from tests.support.ground import tools


def run(*args: str) -> subprocess.CompletedProcess[str]:
    program = "from pypxeboot.commands import xl; xl.run()"
    return subprocess.run(
        [sys.executable, "-c", program, *args],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=tools.ROOT, check=False,
    )  # fmt: skip


GOOD = 'name = "web"\ntype = "pvh"\nvif = ["mac=00:16:3e:01:02:03,bridge=xenbr0"]\n'
BAD = {
    "bootloader": (GOOD + 'bootloader = "pygrub"\n', "names a bootloader"),
    "hvm": (GOOD.replace("pvh", "hvm"), "its firmware boots"),
    "no vif": ('name = "web"\n', "no vif with a MAC"),
    "vif without MAC": ('name = "web"\nvif = ["bridge=xenbr0"]\n', "no vif with a MAC"),
    "no name": (GOOD.replace("name", "title"), "no name"),
    "name": (GOOD.replace('"web"', '"../web"'), "no name"),
    "syntax": (GOOD + "memory = [\n", "line 4"),
    "line ends of Windows": (GOOD.replace("\n", "\r\n"), "line 1"),
    "word without quotes": (GOOD + "extra = quiet\n", "line 4"),
    "backend elsewhere": (GOOD.replace("bridge=", "backend=netdom,bridge="), "backend=netdom"),
}


@pytest.mark.parametrize("case", BAD)
def test_configurations_that_it_refuses(tmp_path: Path, case: str) -> None:
    text, word = BAD[case]
    path = tmp_path / "guest.cfg"
    path.write_text(text)
    done = run("create", str(path))
    errors = [line for line in done.stderr.splitlines() if line.startswith("pypxeboot: error: ")]
    assert done.returncode == 2 and len(errors) == 1, done.stderr
    assert word in errors[0] or case == "syntax"
    assert str(path) in errors[0] or case == "backend elsewhere"
    assert "Traceback" not in done.stderr


def test_what_xl_reads_and_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists by +=, and what xl.conf says of every vif."""
    conf, config = tmp_path / "xl.conf", tmp_path / "guest.cfg"
    conf.write_text('vif.default.bridge="xenbr7"\n')
    monkeypatch.setattr(domain_config, "_XL_CONF", conf)
    config.write_text(
        'name="web"\ntype="pvh"\nvif=[]\nvif+=["mac=00:16:3e:01:02:03"]\nextra="a"\nextra+="b"\n'
    )
    command, settings = xl.read(["create", str(config), "pvshim=1"])
    found = command.identify(settings)
    assert found.vif == {"mac": "00:16:3e:01:02:03", "bridge": "xenbr7"}
    assert (found.pvshim, found.args) == (True, "ab")
    conf.write_text('vif.default.backend="netdom"\n')
    with pytest.raises(UsageError, match="backend=netdom"):
        command.identify(settings)
    assert command.identify(settings.changed({}, {"bridge": "br0"})).effective_bridge == "br0"


def test_the_guest_database(tmp_path: Path) -> None:
    """The configuration's own vif and name are known before the sections are looked up."""
    config, database = tmp_path / "guest.cfg", tmp_path / "site.conf"
    config.write_text(GOOD)
    database.write_text(
        "[defaults]\nbridge = br9\nvlan = 9\n[web]\nlabel = a\n[00:16:3e:1:2:3]\narch = i386\n"
    )
    done = run("create", "--config-file", str(database), "--show-config", str(config))
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert {"mac 00:16:3e:01:02:03 toolstack", "bridge xenbr0 toolstack", "guest-type pvh toolstack"} <= {
        *rows
    }
    assert {f"vlan 9 {database}:3", f"label a {database}:5", f"arch i386 {database}:7"} <= {*rows}


@pytest.mark.parametrize(
    "args",
    [(), ("start", "x"), ("create",), ("create", "/nosuch"), ("create", "-l", "x"), ("create", "--no")],
)
def test_wrong_usage(args: tuple[str, ...]) -> None:
    done = run(*args)
    assert done.returncode == 2 and "pypxeboot: error: " in done.stderr and not done.stdout


def test_help_and_version() -> None:
    assert run("--help").stdout.startswith("usage: pypxeboot-xl create ")
    assert run("--version").stdout.startswith("pypxeboot-xl ")


@pytest.mark.parametrize("text", ["", "a b", 'a="b c"', "it's", "\\", 'x\\"', "é", "tab\there", "$HOME #no"])
def test_what_is_quoted_is_read_back(text: str) -> None:
    assert xl_config.parse(f"cmdline={xl.quoted(text)}") == {"cmdline": text}
