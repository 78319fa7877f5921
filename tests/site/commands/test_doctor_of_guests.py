"""``pypxeboot doctor`` about a guest that is named by its configuration."""

from __future__ import annotations

import json

from tests.support.ground import BRIDGE, MAC, Site
from tests.support.ground.simple import serve


def test_the_configuration_file_of_xl(site: Site) -> None:
    """The bootloader that it names is no obstacle: that is the boot which fails."""
    serve(site)
    file = site.directory / "web.cfg"
    file.write_text(
        f"name = 'web'\ntype = 'pvh'\nbootloader = 'pypxeboot'\nvif = ['mac={MAC},bridge={BRIDGE}']\n"
    )
    run = site.pypxeboot("doctor", "--json", str(file))
    told = json.loads(run.stdout)
    texts = [finding["text"] for finding in told["findings"]]
    assert any(f"{MAC} is free" in text for text in texts) and any(BRIDGE in text for text in texts), str(run)
    assert told["schema"] == 1 and told["code"] == run.rc and told["verdict"]
    site.assert_nothing_left()


def test_a_file_that_is_not_there_and_one_that_is_none(site: Site) -> None:
    run = site.pypxeboot("doctor", "./nosuch.cfg")
    assert run.rc == 2 and "cannot read ./nosuch.cfg" in run.stderr
    broken = site.directory / "broken.cfg"
    broken.write_text("vif = [\n")
    run = site.pypxeboot("doctor", str(broken))
    assert run.rc == 2 and "broken.cfg" in run.stderr and "Traceback" not in run.stderr
