"""Detached signatures, made by the real openssl, and everything that can be wrong with them."""

from __future__ import annotations

from tests.support.ground import SERVER, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.samples.signatures import DATA, Authority


def test_a_script_verifies_what_it_boots(site: Site, authority: Authority) -> None:
    kernel = dummy("vmlinuz")
    (authority.directory / "data").write_bytes(kernel)
    good, bad = authority.sign("good"), authority.sign("web")
    damaged = good.replace(b"\x0c\x04good", b"\x0c\x04\xff\xfe\xfd\xfc")
    (authority.directory / "data").write_bytes(DATA)
    script = "#!ipxe\nimgtrust\nkernel vmlinuz\nimgverify vmlinuz {} || goto bad\nboot\n:bad\nexit 1\n"
    files = {"vmlinuz": kernel, "good.sig": good, "bad.sig": bad, "damaged.sig": damaged}
    by_name = script.replace("imgverify ", "imgverify --signer other.example ")
    files["damaged.ipxe"] = by_name.format("damaged.sig").encode()
    files.update({f"{name}.ipxe": script.format(f"{name}.sig").encode() for name in ("good", "bad")})
    servers.dnsmasq(site, servers.plant(site.directory / "root", files), Offer(filename="good.ipxe"))
    trust = ("--trust", str(authority.directory / "root.pem"))
    run = site.boot(*trust, "-v").ok()
    assert run.result["action"] == "boot", str(run)
    assert site.boot(*trust, "-n").ok().result["action"] == "boot"
    without = site.boot("-v").ok()
    assert without.result["action"] == "localboot" and "--trust" in without.stderr
    refused = site.boot(*trust, "-v", "--bootfile", f"tftp://{SERVER}/bad.ipxe").ok()
    assert refused.result["action"] == "localboot" and "not for code signing" in refused.stderr
    refused = site.boot(*trust, "-v", "--bootfile", f"tftp://{SERVER}/damaged.ipxe").ok()
    assert refused.result["action"] == "localboot" and "cannot be checked" in refused.stderr, str(refused)
