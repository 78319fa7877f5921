"""``pypxeboot-virt list``, ``status``, ``check``, ``cancel``; the journal, and figures for Prometheus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.ground import Run, tools, wait_until
from tests.support.ground.libvirt import Libvirt, domain_xml
from tests.support.watched import MAC, OPT_IN, SECONDS, Watched

FIGURES = "/var/lib/libvirt/pypxeboot.prom"


def virt(libvirt: Libvirt, *args: str) -> Run:
    return libvirt.pypxeboot("pypxeboot.commands.virt", *args)


def domains(libvirt: Libvirt, *args: str) -> dict[str, dict[str, object]]:
    found = json.loads(virt(libvirt, *args, "--json").ok().stdout)
    return {item["name"]: item for item in found["domains"]}


def test_list_and_status(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define(opt_in=OPT_IN.format("label='install'"))
    watched.define("never", "52:54:00:00:00:02")
    watched.define("broken", "52:54:00:00:00:03", OPT_IN.format("lable='x'"))
    watched.define("other", "52:54:00:00:00:04", "")
    watched.ready().wait_for('domain broken: lable in <p:boot .* lable="x"', SECONDS)
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    wait_until(lambda: domains(libvirt, "list")["guest"]["record"] is not None, SECONDS, "the record")
    found = domains(libvirt, "list")
    assert set(found) == {"guest", "never", "broken"}
    guest, record = found["guest"], found["guest"]["record"]
    assert (guest["state"], guest["served_by"]) == ("running", ["watch"])
    assert (record["mac"], record["boots"], record["failures"]) == (MAC, 1, [])
    last = record["last"]
    assert (last["result"], last["label"], last["by"]) == ("ok", "install", "watch")
    assert last["kernel"].startswith("tftp://") and 0 < last["seconds"] < SECONDS
    assert found["never"]["record"] is None and "lable" in found["broken"]["error"]
    lines = virt(libvirt, "list").ok().stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "broken", "guest", "never"]
    assert " install " in lines[2] and lines[2].endswith(" ok") and "never" in lines[3]
    page = virt(libvirt, "status", "guest").ok().stdout.decode()
    assert "booted by  watch" in page and "boots      1 succeeded; failed: none" in page
    watched.says("nosuch\nLABEL other")
    libvirt.virsh("reset", "guest")
    watched.server.wait_for("guest is not started: the next try", SECONDS)
    page = virt(libvirt, "status", "guest").ok().stdout.decode()
    assert "state      waiting" in page and "ConfigError (5)" in page and "1 ConfigError" in page
    assert virt(libvirt, "status", "nosuch").rc == 2 and virt(libvirt, "status").rc == 2


def test_figures(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define(opt_in="")
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    figures = libvirt.root / "lib/pypxeboot.prom"
    for label, code in (("install", 0), ("gone", 5), ("gone", 5)):
        run = virt(libvirt, "start", "--metrics", FIGURES, "--label", label, "guest")
        assert run.rc == code, run
        libvirt.virsh("destroy", "guest") if not code else None
    lines = figures.read_text().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")
    uuid = libvirt.virsh("domuuid", "guest").strip()
    of = f'domain="guest",uuid="{uuid}"'
    assert values[f"pypxeboot_boots_total{{{of}}}"] == "1"
    assert values[f'pypxeboot_boot_failures_total{{{of},cause="ConfigError"}}'] == "2"
    assert float(values[f"pypxeboot_boot_seconds_total{{{of}}}"]) > 0
    assert values[f"pypxeboot_last_boot_success{{{of}}}"] == "0"
    assert figures.stat().st_mode & 0o777 == 0o644 and len(list(figures.parent.glob("*prom*"))) == 1


_JOURNAL = """
for place in systemd/journal log/journal pypxeboot; do
    mkdir -p {tmp}/$place /run/$place && mount --bind {tmp}/$place /run/$place
done
mkdir -p {tmp}/lib /var/lib/pypxeboot && mount --bind {tmp}/lib /var/lib/pypxeboot
/lib/systemd/systemd-journald &
journal=$!
while [ ! -S /run/systemd/journal/socket ]; do sleep 0.1; done
{python} -c '
from pypxeboot.errors import NoLease
from pypxeboot.virt.records.told_boot import ToldBoot
for uuid in ("u1", "u2"):
    told = ToldBoot(uuid, "web\\n<x>", "52:54:00:00:00:01", by="watch", figures=None)
    told.succeeded(None, 7) if uuid == "u1" else told.failed(NoLease("no offer\\nat all"))
'
for try in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.5
    journalctl --directory /run/log/journal --output json DOMAIN_UUID=u1 + DOMAIN_UUID=u2 >{tmp}/found
    [ "$(wc -l <{tmp}/found)" -lt 2 ] || break
done
journalctl --directory /run/log/journal --output json RESULT=NoLease >{tmp}/failed
kill $journal
"""


def test_the_journal_finds_boots(tmp_path: Path) -> None:
    """A real journal, in a place of its own."""
    for name in ("/lib/systemd/systemd-journald", "journalctl"):
        tools.need(name)
    script = _JOURNAL.format(tmp=tmp_path, python=sys.executable)
    argv = [tools.need("unshare"), "--mount", "--propagation=private", "sh", "-c", script]
    environment = tools.ENVIRONMENT
    subprocess.run(argv, check=True, timeout=120, env=environment)
    found = [json.loads(line) for line in (tmp_path / "found").read_text().splitlines()]
    assert [entry["RESULT"] for entry in found] == ["ok", "NoLease"]
    assert found[0]["MESSAGE_ID"] != found[1]["MESSAGE_ID"] and found[0]["BOOTED_BY"] == "watch"
    (failed,) = (json.loads(line) for line in (tmp_path / "failed").read_text().splitlines())
    assert failed["MESSAGE"] == r"domain web\x0a<x>: the boot failed: no offer\x0aat all"
    assert (failed["PRIORITY"], failed["EXIT_CODE"], failed["MAC"]) == ("3", "3", "52:54:00:00:00:01")


def check(libvirt: Libvirt, name: str = "guest") -> tuple[int, str]:
    run = virt(libvirt, "check", name)
    return run.rc, run.stdout.decode()


def test_check(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define()
    assert "no pypxeboot-virt watch runs: with virsh start its disk boots" in check(libvirt)[1]
    libvirt.virsh("undefine", "guest")
    watched.define(boot="network")
    assert "with virsh start its firmware boots it by itself" in check(libvirt)[1]
    libvirt.define(domain_xml("diskless", "52:54:00:00:00:06", metadata=OPT_IN.format("")))
    assert "its firmware boots it by itself" in check(libvirt, "diskless")[1]
    watched.ready()
    code, text = check(libvirt)
    assert code == 0 and "booted by watch" in text and "network is its only boot device" in text
    libvirt.virsh("undefine", "guest")
    watched.define(on_reboot="destroy", on_crash="restart")
    code, text = check(libvirt)
    assert code == 0 and "hd is in its boot order" in text and "on_reboot is destroy" in text
    assert "on_crash is restart" in text and "with " in text.splitlines()[-1]
    watched.define("broken", "52:54:00:00:00:03", OPT_IN.format("order='disk'"))
    code, text = check(libvirt, "broken")
    assert code == 2 and "the boot order 'disk'" in text and 'order="disk"' in text
    watched.define("asleep", "52:54:00:00:00:04", network="nosuchnet")
    code, text = check(libvirt, "asleep")
    assert code == 9 and "nosuchnet" in text
    down = watched.xml("down", "52:54:00:00:00:05").replace("<rom ", "<link state='down'/><rom ")
    libvirt.define(down)
    code, text = check(libvirt, "down")
    assert code == 3 and "is down" in text
    report = json.loads(virt(libvirt, "check", "--json", "down").stdout)
    assert report["code"] == 3 and any(item["level"] == "warn" for item in report["findings"])


def test_a_hook_that_libvirt_dropped(watched: Watched) -> None:
    """Without xmlns:qemu libvirt drops the element in silence; what is left names no file for the hook."""
    libvirt = watched.libvirt
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    xml = watched.xml().replace(" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'", "")
    libvirt.define(xml.replace("</domain>", "<commandline><arg value='-readconfig'/></commandline></domain>"))
    libvirt.hook((tools.ROOT / "scripts/libvirt-hook").read_text(), "pypxeboot")
    assert "with xmlns:qemu on <domain>, without which libvirt drops it" in " ".join(
        check(libvirt)[1].split()
    )


def test_a_boot_is_cancelled(watched: Watched) -> None:
    libvirt = watched.libvirt
    watched.define(opt_in="")
    watched.server = libvirt.spawn(
        "pypxeboot.commands.virt", "start", "--server", "10.77.0.99", "guest", log="start.log"
    )
    watched.server.wait_for("DHCP|requesting", SECONDS)
    wait_until(lambda: "booting" in virt(libvirt, "status", "guest").stdout.decode(), SECONDS, "it boots")
    assert "by start" in virt(libvirt, "cancel", "guest").ok().stdout.decode()
    assert watched.server.process.wait(SECONDS) == 8
    assert not libvirt.names() and not watched.left()
