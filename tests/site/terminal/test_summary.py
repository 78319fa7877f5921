"""By hand, on a terminal: the result is for a person, and nothing stays in memory that nobody boots."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import terminal
from tests.support.ground import BRIDGE, MAC, SERVER, Site
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, serve, tree


def by_hand(site: Site, *args: str, **env: str) -> tuple[int, str]:
    """Exit code, and what was shown on a terminal of 200 columns."""
    screen = terminal.Terminal((200, 60), raw=False)
    try:
        argv = ("--mac", MAC, "--bridge", BRIDGE, "-q", *args)
        streams = {"stdin": screen.slave, "stdout": screen.slave, "stderr": screen.slave}
        process = site.start(*argv, env={"TERM": "xterm", **env}, **streams)
        code = process.wait(60)
        screen.wait_for("time", 5)
        lines = screen.received.decode().replace("\r\n", "\n").split("\n")
        return code, "\n".join(line.rpartition("\r")[2] for line in lines)  # what was painted over is gone
    finally:
        screen.close()


def test_a_boot_by_hand(site: Site) -> None:
    serve(site, files=tree(f"{SIMPLE}nonsense\n"))
    before = set(Path("/run/pypxeboot").glob("boot.*"))
    code, shown = by_hand(site, NO_COLOR="1")
    assert code == 0 and "\x1b" not in shown, shown
    rows = dict(re.findall(r"^(\w+) +(.*)$", shown, re.M))
    assert rows["result"] == "entry a boots, because it is the default"
    assert rows["from"] == f"tftp://{SERVER}/pxelinux.cfg/default" and SERVER in rows["lease"]
    assert re.match(rf"tftp://{SERVER}/vmlinuz  [0-9.]+ K?i?B in [0-9.]+ s, .*/s, bzImage", rows["kernel"])
    assert rows["initrd"].startswith(f"tftp://{SERVER}/i2  14 B in ")
    assert rows["cmdline"].startswith("BOOT_IMAGE=vmlinuz x=1 initrd=i1,i2")
    assert "means nothing" in rows["warning"]
    assert re.fullmatch(r"[0-9.]+ s: link [0-9.]+, DHCP [0-9.]+, configuration .*, download .*", rows["time"])
    assert rows["files"].startswith("not kept; --keep") and "linux (kernel" not in shown
    assert set(Path("/run/pypxeboot").glob("boot.*")) == before


def test_files_stay_where_they_are_asked_for(site: Site) -> None:
    serve(site)
    code, shown = by_hand(site, "--output-directory", str(site.out), NO_COLOR="1")
    assert code == 0 and any(path.is_file() for path in site.out.rglob("*")), shown
    code, shown = by_hand(site, "--keep", NO_COLOR="1")
    found = re.search(r"^files +in (/run/\S+)$", shown, re.M)
    assert code == 0 and found, shown
    place = Path(found[1])
    kept = sorted(path.name for path in place.iterdir())
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    assert len(kept) == 2


def test_colours_where_the_terminal_has_them(site: Site) -> None:
    serve(site)
    assert "\x1b[1mresult" in by_hand(site)[1] and "\x1b" not in by_hand(site, TERM="dumb")[1]


def test_what_boots_no_kernel(site: Site) -> None:
    serve(site, files=tree("DEFAULT a\nLABEL a\nLOCALBOOT 0\n"))
    code, shown = by_hand(site, NO_COLOR="1")
    assert code == 0 and "entry a boots from the guest's own disk, because it is the default" in shown
    site.stop_servers()
    script = "#!ipxe\nkernel nosuch\n"
    serve(site, files={**tree(), "boot.ipxe": script}, offer=Offer(filename="boot.ipxe"))
    code, shown = by_hand(site, NO_COLOR="1")
    assert code == 0 and "because the script failed" in shown and "failed    the iPXE script failed" in shown


def test_what_programs_read_stays_as_it_was(site: Site) -> None:
    serve(site)
    code, shown = by_hand(
        site, "--output-format", "sxp", "--output-directory", str(site.out), "-v", "--append", "time"
    )
    assert code == 0 and "linux (kernel '" in shown and "result " not in shown
    piped = site.pypxeboot("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out)).ok()
    assert piped.stdout.startswith(b"linux (kernel '")
