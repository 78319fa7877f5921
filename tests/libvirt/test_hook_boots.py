"""The hook: interfaces in their order, boots that are cancelled, transient domains, what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.support.ground import tools, wait_until
from tests.support.ground.libvirt import Libvirt, need_python
from tests.support.hooked import MAC, SECONDS, await_gone, define, failing, kept, said, serve, xml

SECOND = "52:54:00:00:00:77"
FIGURES = "/var/lib/libvirt/pypxeboot.prom"


def configure(directory: Path, text: str) -> None:
    """Have the hook in ``directory`` read another configuration file."""
    conf, program = directory / "conf", directory / "pypxeboot-virt-hook"
    conf.write_text(text)
    patch = f'from pypxeboot.config import files; files.DEFAULT = "{conf}"; from pypxeboot.commands.virt_hook'
    program.write_text(program.read_text().replace("from pypxeboot.commands.virt_hook", patch))


def test_the_next_interface_of_the_order(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """The first is on a network without a server, or its link is down."""
    serve(hooked, probe_kernel("second"))
    configure(tmp_path, "[defaults]\ntimeout = 25\n")
    hooked.site.ip("link add quiet0 type bridge", "link set quiet0 up", namespace=hooked.site.hyp)
    for number, more in enumerate(("<link state='down'/>", "")):
        first = (
            f"<interface type='bridge'><mac address='{SECOND}'/><source bridge='quiet0'/>{more}"
            "<boot order='1'/><rom enabled='no'/></interface>"
        )
        text = xml(devices=first).replace("<boot dev='hd'/>", "")
        hooked.define(text.replace("<model type='virtio'/>", "<model type='virtio'/><boot order='2'/>"))
        hooked.virsh("start", "guest")
        assert said(hooked, number + 1).tag == "second"
        hooked.virsh("destroy", "guest")
        hooked.virsh("undefine", "guest")
    hooked.site.ip("link del quiet0", namespace=hooked.site.hyp)


def test_a_start_that_waits_is_cancelled(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """libvirt itself says nothing of a domain until its hook has ended, and virsh destroy waits for that."""
    need_python()
    serve(hooked, probe_kernel("never"))
    configure(tmp_path, "[defaults]\nserver = 10.77.0.99\ntimeout = 600\n")
    define(hooked)
    argv = [*hooked._inside, tools.need("virsh"), "-c", "qemu:///system", "start", "guest"]
    starting = hooked.site.spawn(argv, "start.log", namespace=hooked.site.hyp)
    notes = hooked.root / "run-pypxeboot/boots"
    wait_until(lambda: any(b"guest" in note.read_bytes() for note in notes.glob("*")), SECONDS, "it boots")
    told = hooked.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").ok().stdout.decode()
    assert "the boot of domain guest (by hook) is ended" in told
    assert starting.process.wait(SECONDS) == 1 and "pypxeboot: " in starting.text()
    assert hooked.state("guest") == "shut off" and not list(notes.glob("*"))
    await_gone(hooked)


def test_a_transient_domain(hooked: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    """It is booted as others are, and nothing of it is left."""
    serve(hooked, probe_kernel("transient"))
    path = hooked.site.fresh("transient.xml")
    path.write_text(xml())
    hooked.virsh("create", str(path))
    assert said(hooked).tag == "transient"
    hooked.virsh("destroy", "guest")
    await_gone(hooked)
    assert hooked.names("--all") == {"other"}


def test_what_is_told_of_its_boots(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """In list, status and the figures, as of the other commands."""
    need_python()
    configure(tmp_path, f"[defaults]\nmetrics = {FIGURES}\n")
    define(hooked)
    serve(hooked, b"this is no kernel")
    failing(hooked, "start", "guest")
    serve(hooked, probe_kernel("told"))
    hooked.virsh("start", "guest")
    said(hooked)
    found = json.loads(hooked.pypxeboot("pypxeboot.commands.virt", "list", "--json").ok().stdout)
    (guest,) = found["domains"]
    record = guest["record"]
    assert (guest["served_by"], guest["state"], record["mac"]) == (["hook"], "running", MAC)
    last = record["last"]
    assert (record["boots"], last["by"], last["result"], last["label"]) == (1, "hook", "ok", "a")
    assert [item["count"] for item in record["failures"]] == [1]
    page = hooked.pypxeboot("pypxeboot.commands.virt", "status", "guest").ok().stdout.decode()
    assert "booted by  hook" in page and "boots      1 succeeded; failed: 1 " in page
    figures = (hooked.root / "lib/pypxeboot.prom").read_text()
    assert 'pypxeboot_boots_total{domain="guest"' in figures and "pypxeboot_boot_failures_total{" in figures
    hooked.virsh("destroy", "guest")
    hooked.virsh("undefine", "guest")
    wait_until(lambda: not kept(hooked), SECONDS, "its files are gone")
