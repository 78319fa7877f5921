"""``scripts/install`` and ``scripts/uninstall`` on a Debian in which nothing of ours was, step after step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground.clean_root import CleanRoot, clean_root

WITH = "scripts/install --with libvirt,xen,lab"
XEN = "/usr/lib/xen-4.17/bin"
HOOK = "/etc/libvirt/hooks/qemu.d/pypxeboot"
DOMAIN = """<domain type="qemu"><name>web</name><metadata>
<pypxeboot:boot xmlns:pypxeboot="urn:pypxeboot:domain:1"/></metadata></domain>"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanRoot]:
    """The root, with what libxl's own directory is there where Xen is."""
    with clean_root(tmp_path_factory.mktemp("install")) as made:
        made.run(f"mkdir -p {XEN}; printf '#!/bin/sh\\n' >/usr/sbin/xl; chmod 755 /usr/sbin/xl")
        yield made


@pytest.fixture(scope="module")
def before(root: CleanRoot) -> dict[str, str]:
    """What was there before."""
    return root.tree()


@pytest.fixture(scope="module")
def installed(root: CleanRoot, before: dict[str, str]) -> str:
    """What the first run said."""
    return root.run(WITH)


def test_commands_are_where_shells_xl_and_libvirt_look(root: CleanRoot, installed: str) -> None:
    names = ("pypxeboot", "pypxeboot-lab", "pypxeboot-virt", "pypxeboot-xl")
    assert all(name in installed for name in names)
    for name in names:
        assert root.run(f"{name} --version", cwd="/").startswith(f"{name} ")
    assert root.run(f"{XEN}/pypxeboot --version", cwd="/").startswith("pypxeboot ")
    # What libvirtd does, with the environment that a service has.
    run = f"printf '%s' '{DOMAIN}' | env -i {HOOK} web stopped end -"
    assert root.run(run) == ""
    refused = root.run(
        f"printf '%s' '<x>urn:pypxeboot:domain:1' | env -i {HOOK} web prepare begin -", expect=None
    )
    assert "pypxeboot: " in refused and "not found" not in refused


def test_pages_completions_and_units_are_found(root: CleanRoot, installed: str) -> None:
    pages = root.run("man -w pypxeboot pypxeboot-virt pypxeboot-xl pypxeboot.conf", cwd="/").split()
    assert [Path(page).name for page in pages] == [
        "pypxeboot.8",
        "pypxeboot-virt.8",
        "pypxeboot-xl.8",
        "pypxeboot.conf.5",
    ]
    bash = "cd /; . /usr/share/bash-completion/bash_completion; _completion_loader pypxeboot-virt"
    bash += "; complete -p pypxeboot-virt"
    assert "pypxeboot_virt" in root.run(bash, cwd="/")
    assert "--output-format" in root.run("""fish -c 'complete -C "pypxeboot --output-f"'""", cwd="/")
    assert root.run("zsh -c 'autoload -Uz compinit; compinit -u -D; echo $_comps[pypxeboot-xl]'").strip()
    unit = root.run("cat /usr/local/lib/systemd/system/pypxeboot-virt.service")
    assert "ExecStart=/opt/pypxeboot/bin/pypxeboot-virt watch" in unit
    root.run("systemd-analyze verify /usr/local/lib/systemd/system/pypxeboot-virt.service")
    root.run("systemctl enable pypxeboot-virt")
    assert root.run("getent passwd pypxeboot").startswith("pypxeboot:")


def test_the_lab_and_the_client_run(root: CleanRoot, installed: str) -> None:
    boot = "pypxeboot --mac 52:54:00:12:34:56 --bridge br0 --label rescue --json --output-directory /tmp/boot"
    out = root.run(f"mkdir /tmp/boot; pypxeboot-lab run --name pxinst -- {boot} 2>/dev/null", cwd="/")
    result = json.loads(out)
    assert result["label"] == "rescue" and result["kernel"]["path"].startswith("/tmp/boot/")


def test_the_doctor_says_that_all_is_there(root: CleanRoot, installed: str) -> None:
    said = root.run("pypxeboot doctor --install", cwd="/")
    assert said.endswith("\nall of it is there\n") and XEN in said and HOOK in said


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("/usr/local/bin/pypxeboot", "no pypxeboot in "),
        (f"{XEN}/pypxeboot", f"no pypxeboot in {XEN}"),
        ("/opt/pypxeboot/bin/pypxeboot-virt-hook", "that is not there"),
        ("/usr/local/lib/systemd/system/pypxeboot-virt.service", "no pypxeboot-virt.service"),
        ("/etc/pypxeboot.conf", "no /etc/pypxeboot.conf"),
        (HOOK, "no hook"),
    ],
)
def test_the_doctor_misses_what_is_taken_away(
    root: CleanRoot, installed: str, missing: str, words: str
) -> None:
    root.run(f"mv {missing} /tmp/kept")
    try:
        said = root.run("/opt/pypxeboot/bin/pypxeboot doctor --install --json", expect=None)
    finally:
        root.run(f"mv /tmp/kept {missing}")
    found = [finding for finding in json.loads(said)["findings"] if words in finding["text"]]
    assert len(found) == 1 and found[0]["mend"] and found[0]["level"] in ("warn", "fail")


def test_a_second_run_changes_nothing(root: CleanRoot, installed: str) -> None:
    there = root.tree()
    assert root.run(WITH) == "install: all of it was there\n"
    assert root.tree() == there


def test_what_the_administrator_changed_stays(root: CleanRoot, installed: str) -> None:
    root.run("echo '[web]' >>/etc/pypxeboot.conf; echo '# mine' >/etc/pypxeboot.conf.d/mine.conf")
    said = root.run("echo >>packaging/pypxeboot.conf; scripts/install --with xen,lab")
    assert "/etc/pypxeboot.conf is not as we wrote it, and stays" in said
    # A part that is no longer wanted is gone.
    root.run(f"test ! -e {HOOK} -a ! -e /usr/local/bin/pypxeboot-virt -a -e /usr/local/bin/pypxeboot-xl")
    assert root.run("tail -n 1 /etc/pypxeboot.conf") == "[web]\n"


def test_what_is_not_ours_is_not_replaced(root: CleanRoot, installed: str) -> None:
    root.run("rm /usr/local/bin/pypxeboot-lab && echo mine >/usr/local/bin/pypxeboot-lab")
    said = root.run("scripts/install --with xen,lab", expect=1)
    assert said.endswith("install: /usr/local/bin/pypxeboot-lab is there already, and not from here\n")
    assert root.run("cat /usr/local/bin/pypxeboot-lab; rm /usr/local/bin/pypxeboot-lab") == "mine\n"
    for words in ("--with kvm", "--prefix there", "--what"):
        assert root.run(f"scripts/install {words}", expect=1).startswith("install: ")


def test_nothing_is_left_but_what_was_changed(
    root: CleanRoot, before: dict[str, str], installed: str
) -> None:
    root.run("mkdir -p /var/lib/pypxeboot/web && touch /var/lib/pypxeboot/web/kernel")
    said = root.run("rm -rf /src/*; /opt/pypxeboot/uninstall --packages", cwd="/")
    assert "/etc/pypxeboot.conf was changed here, and stays" in said
    assert "/var/lib/pypxeboot has files of guests, and stays" in said
    root.run("rm -r /var/lib/pypxeboot")
    after = root.tree()
    left = {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    assert left == {"/etc/pypxeboot.conf", "/etc/pypxeboot.conf.d", "/etc/pypxeboot.conf.d/mine.conf"}
    assert root.run("getent passwd pypxeboot", expect=2) == ""
