"""``scripts/install`` where the host is a Fedora: its path is walked on a Debian that says that it is one.

No Fedora is there. ``dnf`` is a recorder that brings Debian's packages of what it is asked for, and
``restorecon`` one, too; the packages' names are compared with those of the RPM's requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.ground import tools
from tests.support.ground.clean_root import CleanRoot, clean_root

XEN = "/usr/libexec/xen/bin"
DNF = """#!/bin/sh
echo "dnf $*" >>/tmp/calls
for word; do package=$word; done
case $package in python3) package=python3-venv ;; iproute) package=iproute2 ;; esac
/opt/debian/apt-get -qq update && /opt/debian/apt-get -qq -y install --no-install-recommends "$package"
"""
PREPARED = f"""
mkdir -p /opt/debian {XEN}
mv /usr/bin/apt-get /opt/debian/
printf 'NAME="Fedora Linux"\\nID=fedora\\nVERSION_ID=43\\n' >/etc/os-release
printf '#!/bin/sh\\n' >/usr/sbin/xl
printf '#!/bin/sh\\necho "restorecon $*" >>/tmp/calls\\n' >/usr/local/sbin/restorecon
chmod 755 /usr/sbin/xl /usr/local/sbin/restorecon
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanRoot]:
    """The root, as it is there."""
    with clean_root(tmp_path_factory.mktemp("fedora")) as made:
        made.run(PREPARED)
        made.write("/usr/bin/dnf", DNF.encode())
        made.run("chmod 755 /usr/bin/dnf")
        yield made


def test_dnf_brings_what_is_missing(root: CleanRoot) -> None:
    said = root.run("scripts/install")
    calls = root.run("cat /tmp/calls", cwd="/").splitlines()
    options = "-q -y install --setopt=install_weak_deps=False"
    assert calls[:-1] == [f"dnf {options} python3", f"dnf {options} python3-libvirt"]
    assert calls[-1] == "restorecon -R /opt/pypxeboot"
    assert "with lab, xen, libvirt" in said.splitlines()[-1]
    # libxl's own directory is another one there.
    assert root.run(f"{XEN}/pypxeboot --version", cwd="/").startswith("pypxeboot ")
    root.run("pypxeboot-virt --version && pypxeboot-xl --version", cwd="/")
    assert root.run("pypxeboot doctor --install", cwd="/").endswith("\nall of it is there\n")
    assert root.run("scripts/install") == "install: all of it was there\n"


def test_what_dnf_brought_is_named_at_the_end(root: CleanRoot) -> None:
    said = root.run("scripts/uninstall")
    assert "python3 python3-libvirt (--packages takes them away)" in said
    root.run("test ! -e /opt/pypxeboot -a ! -e /usr/local/bin/pypxeboot")


def test_a_dnf_that_fails_ends_it_with_its_words(root: CleanRoot) -> None:
    root.run("mv /usr/bin/dnf /tmp/dnf; printf '#!/bin/sh\\necho no mirror; exit 1\\n' >/usr/bin/dnf")
    root.run("chmod 755 /usr/bin/dnf; rm $(command -v bridge)")
    said = root.run("scripts/install", expect=1)
    assert "no mirror\n" in said and said.endswith("install: no ip and bridge (iproute2)\n")


def test_the_names_are_those_of_the_rpm() -> None:
    script = (tools.ROOT / "scripts/install").read_text()
    named = set(re.findall(r"install_packages [\w-]+ ([\w-]+)", script))
    spec = (tools.ROOT / "packaging/rpm/pypxeboot.spec").read_text()
    required = set(re.findall(r"^Requires: +([\w-]+)", spec, re.MULTILINE))
    assert named == {"python3", "iproute", "util-linux", "python3-libvirt"} and named <= required
