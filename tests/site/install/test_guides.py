"""What the documents tell users to type, typed: every block of README, guides and manual pages' EXAMPLES.

The clean root is the host; ``scripts/install`` of the README is the first that is run there. A block that is
not run says so in its page (``tests/support/guides.py``), or is in one of the tables below, with who runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground import kernels, tools
from tests.support.ground.clean_root import LIBVIRTD, CleanRoot, clean_root

pytest.importorskip("sybil", reason="sybil is not here (scripts/test installs it)")
from tests.support import guides

LAB = "pypxeboot-lab run --name pxguide --root /tmp/tree -- bash /tmp/block"
CONFIG = "DEFAULT linux\nLABEL {}\n KERNEL vmlinuz\n INITRD i1\n"
LABELS = ("linux", "rescue", "install")

XEN = "tests/xen/lab/typed.py"

# The first words of a block that is shown, and not typed: what a file holds, or what was said.
SHOWN = (
    r'name = "',
    "bootloader = ",
    "http-proxy = ",
    "proxy_cache_path",
    r"\[",
    "LABEL ",
    "pypxeboot: ",
    "BOOT=",
    "# /etc/",
    '"sev"',
    "<metadata>",
)
# Who runs a block that needs another machine: the file, and the words in it that do.
ELSEWHERE = {
    "scripts/demo": (".ci/run", "scripts/demo"),
    "pypxeboot-xl create": (XEN, "RESOLVED_FIRST"),
    "# cat /etc/xen/web.cfg": (XEN, "WITHOUT_A_DISK"),
    "printf 'basicConstraints": ("tests/support/samples/signatures.py", "codeSigning"),
    "for file in vmlinuz": ("tests/support/samples/signatures.py", "-noattr"),
    "$ pypxeboot --show-config --name": ("tests/unit/config/test_merge.py", "--show-config"),
    "scripts/uninstall": ("tests/site/install/test_install.py", "uninstall"),
}
# Before the words of a line, what makes it end; behind it, what it may end with.
ENDLESS = {
    "pypxeboot-virt run": (
        "virsh -q destroy web 2>/dev/null; timeout 30 ",
        " || [ $? -eq 124 ] || [ $? -eq 8 ]",
    ),
    "command=$(": ("", " || [ $? -eq 124 ]"),
    "journalctl": ("", " || true"),  # no journal runs there
}
# What the clean root has not, as python3-libvirt and half of GObject come with it.
VIRTINST = (
    "command -v virt-install || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install"
    " --no-install-recommends virtinst </dev/null; }"
)
BLOCKS = [(page, example) for page in guides.PAGES for example in guides.blocks(page)]


def name_of(page: Path, text: str) -> str:
    return f"{page.name}: {text.partition(chr(10))[0][:60]}"


def is_shown(text: str) -> bool:
    return any(re.match(words, text) for words in SHOWN)


def elsewhere(text: str) -> Optional[tuple[str, str]]:
    return next((where for words, where in ELSEWHERE.items() if text.startswith(words)), None)


RUN = [
    pytest.param(example, id=name_of(page, example.parsed))
    for page, example in BLOCKS
    if not guides.is_marked(page, example)
    and not is_shown(example.parsed)
    and not elsewhere(example.parsed)
    and not example.parsed.startswith("scripts/install")
]


def typed(block: str) -> list[str]:
    """The commands of a block: behind a prompt, if it has one, and without what is said of them."""
    lines = block.split("\n")
    if lines[0].startswith("# "):
        lines = [line[2:] for line in lines if line.startswith("# ")]
    found = []
    for line in lines:
        words = re.sub(r" {2,}# .*", "", line)
        before, behind = next((ends for first, ends in ENDLESS.items() if words.startswith(first)), ("", ""))
        if words.startswith("systemctl enable --now"):  # no systemd runs there to start it
            behind = f" || systemctl --quiet is-enabled {words.split()[-1]}"
        found.append(f"{before}{words}{behind}")
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanRoot]:
    """The host, with what README's block of the installation brings, and a site for the lab to serve."""
    with clean_root(tmp_path_factory.mktemp("guides")) as made:
        readme = next(
            text.parsed for page, text in BLOCKS if page.name == "README.md" and "install" in text.parsed[:15]
        )
        assert made.run(readme).startswith("install: ")
        made.run("mkdir -p /tmp/tree/pxelinux.cfg")
        made.write("/tmp/tree/pxelinux.cfg/default", "".join(map(CONFIG.format, LABELS)).encode())
        made.write("/tmp/tree/boot.ipxe", b"#!ipxe\nkernel vmlinuz x=1\ninitrd i1\nboot\n")
        made.write("/tmp/tree/vmlinuz", kernels.dummy("guide"))
        made.write("/tmp/tree/i1", b"an initrd")
        yield made


@pytest.mark.parametrize("example", RUN)
def test_a_block_runs(root: CleanRoot, example: guides.Example) -> None:
    def run(block: str) -> None:
        needs_libvirt = re.search("pypxeboot-virt |virsh |virt-xml ", block)
        if "virt-install " in block or "virt-xml " in block:
            root.run(VIRTINST, cwd="/")
        script = ["set -e", "cd /tmp"]
        if needs_libvirt:
            script += [
                LIBVIRTD,
                "trap 'set +e; for name in web db; do virsh -q destroy $name; virsh -q undefine $name; done;"
                " kill $(pidof libvirtd)' EXIT",
            ]
        # A QEMU that would run for ever: the kernel of this site only looks like one.
        script += ['qemu-system-x86_64() { timeout 5 /usr/bin/qemu-system-x86_64 "$@" </dev/null; }']
        script += ["mkdir -p /etc/qemu; echo 'allow all' >/etc/qemu/bridge.conf", *typed(block)]
        root.write("/tmp/block", "\n".join(script).encode())
        said = root.run(LAB, cwd="/", timeout=600)
        assert "command not found" not in said and "Traceback" not in said
        if "--json >result.json" in block:
            assert_said_in_order(block, said)

    example.namespace["run"] = run
    example.evaluate()


def assert_said_in_order(block: str, said: str) -> None:
    """That each line of the transcript was said, with numbers and addresses of its own, in that order."""
    lines = iter([kind_of(line) for line in said.split("\n")])
    for line in block.split("\n")[1:]:
        if line != "..." and "BOOT_IMAGE" not in line:
            assert kind_of(line) in lines, line


def kind_of(line: str) -> str:
    return re.sub(r"[0-9A-F]*[0-9][0-9A-F]*", "N", line)


def test_who_runs_the_others() -> None:
    for words, (path, needle) in ELSEWHERE.items():
        assert needle in (tools.ROOT / path).read_text(), words
        assert any(example.parsed.startswith(words) for _, example in BLOCKS), (
            f"{words} is in no page any more"
        )


def test_what_xen_users_are_told_is_what_the_lab_runs() -> None:
    """Word for word: its configurations, and the commands that read them."""
    run = (tools.ROOT / XEN).read_text()
    texts = [example.parsed for _, example in BLOCKS]
    written = [text for text in texts if re.match('name = "|# cat /etc/xen/web.cfg', text)]
    assert len(written) == 3
    for text in written:
        configuration, _, command = text.removeprefix("# cat /etc/xen/web.cfg\n").partition("\n\n# ")
        assert f"{configuration}\n" in run and command in run, text
    assert sum(text in run for text in texts if text.startswith("pypxeboot-xl create")) == 1
    assert (
        "`xl create -c web.cfg`" in (tools.ROOT / "README.md").read_text() and "xl create -c web.cfg" in run
    )
    dummy, _, on_it = (
        re.search(
            r"^mkdir \\-p.*?(?=^\.RE)",
            (tools.ROOT / "man/pypxeboot-xl.8").read_text(),
            re.MULTILINE | re.DOTALL,
        )[0]
        .replace("\\-", "-")
        .partition("\n\n")
    )  # type: ignore[index]
    assert f"{dummy}\n" in run and on_it in run


def test_a_block_that_is_not_run_says_why() -> None:
    marked = [example for page, example in BLOCKS if guides.is_marked(page, example)]
    assert len(marked) < len(RUN) / 4
