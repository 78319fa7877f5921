"""Pages about boots (``--report``, ``explain --html``), looked at in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.ground import MAC, SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, serve, tree

RECEIVE, GOOD, BAD, WHITE = (0x2F, 0x6F, 0xD0), (0x1A, 0x7F, 0x37), (0xC6, 0x28, 0x28), (255, 255, 255)
DARK, DARK_RECEIVE = (0x14, 0x17, 0x1B), (0x6E, 0xA8, 0xFF)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where Chromium may write."""
    return tmp_path


def check_alone(page: Path) -> str:
    """That the page needs nothing else: no script, no address that would be loaded; give its text."""
    text = page.read_text()
    assert "default-src 'none'" in text.replace("&#x27;", "'") and "<script" not in text
    assert not re.search(r"(src|href)=|url\(|@import|style=\"", text)
    return text


def test_a_boot_that_went_well(site: Site, place: Path) -> None:
    big = bytes(range(256)) * 12000
    config = f"APEND lost\n{SIMPLE.replace('i2', f'http://{SERVER}/i2')}"
    root = serve(site, "dhcpd+hpa", {**tree(config), "i1": big, "i2": big})
    servers.nginx(site, root)
    page = site.directory / "boot.html"
    result = site.boot("--report", str(page)).ok().result
    text = check_alone(page)
    for wanted in (
        "entry a boots, because it is the default",
        f"boot of {MAC}",
        "DHCP DISCOVER",
        "DHCP REQUEST",
        "pxelinux.cfg/0A4D00AD",
        "vmlinuz",
        "/i2",
        "BOOT_IMAGE=vmlinuz",
        '<span class="skipped">APEND lost</span>',
        '<span class="counted"> KERNEL vmlinuz</span>',
        '<span class="plain"> KERNEL other</span>',
        result["kernel"]["url"],
        f"{SERVER} acknowledges address",
        "verdict: all went well",
    ):
        assert wanted in text, wanted
    seen = browser.picture(page, place)
    assert seen.get(RECEIVE, 0) > 500 and seen.get(GOOD, 0) > 50 and seen.get(WHITE, 0) > 100_000, "light"
    seen = browser.picture(page, place, dark=True)
    assert seen.get(DARK_RECEIVE, 0) > 500 and seen.get(DARK, 0) > 100_000 and not seen.get(RECEIVE), "dark"
    site.assert_nothing_left([str(path.relative_to(site.out)) for path in site.out.rglob("*")])


def test_a_boot_that_failed(site: Site, place: Path) -> None:
    """It is written all the same, and what a server says is text in it."""
    hostile = 'DEFAULT a\nLABEL a\nKERNEL "><script>alert(1)</script>\n<img src=x onerror=alert(2)>\n'
    serve(site, files=tree(hostile))
    page = site.directory / "boot.html"
    run = site.boot("--report", str(page))
    assert run.rc == 6, str(run)
    text = page.read_text()
    assert "<script" not in text and "<img" not in text and "&lt;img src=x" in text
    assert "failed: " in text and "exit code" in text and "hint" in text
    assert '<span class="counted">LABEL a</span>' in text, "the lines of the entry that was tried"
    seen = browser.picture(page, place)
    assert seen.get(BAD, 0) > 100 and not seen.get(GOOD)
    assert "<script" not in browser.texts(page, place)
    assert not list(Path("/tmp").glob("pypxeboot-report-*"))


def test_nobody_answers(site: Site) -> None:
    page = site.directory / "boot.html"
    run = site.boot("--report", str(page), "--timeout", "6")
    assert run.rc == 3
    text = check_alone(page)
    assert "failed: no DHCP offer" in text and 'class="blocked"' in text and "DHCP DISCOVER" in text


def test_a_boot_of_200_requests(site: Site, place: Path) -> None:
    names = [f"part{number:03}" for number in range(200)]
    script = "#!ipxe\nkernel vmlinuz\n" + "".join(f"imgfetch {name} && imgfree {name}\n" for name in names)
    files = {**tree(), "boot.ipxe": f"{script}boot vmlinuz\n", **dict.fromkeys(names, bytes(3000))}
    serve(site, "dhcpd+hpa", files, Offer(filename="boot.ipxe"))
    page, pcap = site.directory / "boot.html", site.directory / "boot.pcap"
    site.boot("--report", str(page), "--pcap", str(pcap)).ok()
    text = check_alone(page)
    assert all(f">{name}  " in text for name in names) and text.count("<g>") > 200
    seen = browser.picture(page, place, height=5000)
    assert seen.get(RECEIVE, 0) > 200, "every row is there"
    told = site.pypxeboot("explain", str(pcap), "--html", str(page), "--waterfall").ok().stdout.decode()
    assert "capture " in page.read_text() and all(name in page.read_text() for name in names)
    assert told.splitlines()[-1].startswith("verdict: ") and re.search(r"^    part199 +=", told, re.M), told[
        -2000:
    ]


def test_the_waterfall_in_characters(site: Site) -> None:
    """It is drawn on a terminal, or where it is asked for; what programs read is as it was."""
    serve(site, files={**tree(), "vmlinuz": dummy("vmlinuz")})
    pcap = site.directory / "boot.pcap"
    site.boot("--pcap", str(pcap)).ok()
    plain = site.pypxeboot("explain", str(pcap)).ok().stdout.decode()
    assert "waterfall of" not in plain
    drawn = site.pypxeboot("explain", str(pcap), "--waterfall", env={"COLUMNS": "100"}).ok().stdout.decode()
    rows = drawn[drawn.index("waterfall of") :].splitlines()
    assert rows[1] == f"  {SERVER}" and rows[-1].startswith("verdict: ") and max(map(len, rows)) <= 110
    assert any(row.startswith("    DHCP DISCOVER") and "." in row for row in rows)
    assert any(row.endswith("not there") for row in rows)


def test_a_page_that_cannot_be_written(site: Site) -> None:
    serve(site)
    run = site.boot("--report", "/nosuch/boot.html")
    assert run.rc == 2 and "cannot write /nosuch/boot.html" in run.stderr
    site.assert_nothing_left()
