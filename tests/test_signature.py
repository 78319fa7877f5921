"""Detached signatures, made by the real openssl, and everything that can be wrong with them."""

from __future__ import annotations

import random
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Optional

import pytest
from ground import SERVER, Site, servers, tools
from ground.kernels import dummy
from ground.servers import Offer

from pypxeboot.client import signature

DATA = b"what is signed\n" * 1000

LEAF = "keyUsage=digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=DNS:other.example\n"
KINDS = {
    "good": LEAF,
    "web": "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n",
    "without-usage": "keyUsage=digitalSignature\n",
}
"""What the certificates of the signers say of themselves."""


def now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


class Authority:
    """A root, an authority below it, and signers of each kind; all made by openssl in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "data").write_bytes(DATA)
        root = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        self._make("root", root, None)
        self._make("below", root, "root")
        self._make("no-ca", LEAF, "root")
        self._make("ec", LEAF, "root", key=["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        for name, extensions in KINDS.items():
            self._make(name, extensions, "below")
        self._make("under-no-ca", LEAF, "no-ca")

    def openssl(self, *words: str) -> None:
        """Run it there."""
        argv = [tools.need("openssl"), *words]
        done = subprocess.run(argv, cwd=self.directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def _make(
        self, name: str, extensions: str, issuer: Optional[str], key: Optional[list[str]] = None
    ) -> None:
        """Key and certificate of ``name``."""
        (self.directory / "ext").write_text(extensions)
        request = ["req", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"]
        self.openssl(*request, *(key or ["-newkey", "rsa:2048"]))
        by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer else []
        by = by or ["-signkey", f"{name}.key"]
        self.openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "30"),
            *("-extfile", "ext", *by),
        )

    def sign(self, signer: str, *more: str, chain: str = "below") -> bytes:
        """The signature of DATA by ``signer``, as the pages of iPXE tell to make it."""
        self.openssl(
            *("cms", "-sign", "-binary", "-noattr", "-in", "data", "-signer", f"{signer}.pem"),
            *(
                "-inkey",
                f"{signer}.key",
                "-certfile",
                f"{chain}.pem",
                "-outform",
                "DER",
                "-out",
                "sig",
                *more,
            ),
        )
        return (self.directory / "sig").read_bytes()

    def pem(self, name: str) -> bytes:
        """A certificate."""
        return (self.directory / f"{name}.pem").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    pytest.importorskip("cryptography", minversion="45")
    return Authority(tmp_path_factory.mktemp("authority"))


def check(
    authority: Authority, signed: bytes, *, signer: str = "", after: int = 0, data: bytes = DATA
) -> str:
    """What is wrong with a signature ``after`` days from now, where only the root is trusted."""
    pieces = [data[at : at + 999] for at in range(0, len(data), 999)]
    return signature.check(signed, pieces, authority.pem("root"), signer, now() + timedelta(days=after))


def test_a_good_signature(authority: Authority) -> None:
    signed = authority.sign("good")
    assert check(authority, signed) == ""
    assert check(authority, signed, signer="good") == "" == check(authority, signed, signer="other.example")
    assert check(authority, authority.sign("ec")) == ""
    assert check(authority, authority.sign("good", "-md", "sha512")) == ""


def test_what_is_wrong_is_told(authority: Authority) -> None:
    good = authority.sign("good")
    assert "not that of this file" in check(authority, good, data=DATA + b"!")
    assert "not signed by nobody.example" in check(authority, good, signer="nobody.example")
    assert "not for code signing" in check(authority, authority.sign("web"))
    assert "not trusted" in check(authority, authority.sign("without-usage"))
    assert "not trusted" in check(authority, authority.sign("under-no-ca", chain="no-ca"))
    assert "not trusted" in check(authority, authority.sign("good", chain="root"))  # a link is missing
    assert "not trusted" in check(authority, good, after=60)
    assert "not trusted" in check(authority, good, after=-60)
    assert "sha1" in check(authority, authority.sign("good", "-md", "sha1"))
    assert "not trusted" in signature.check(good, [DATA], authority.pem("web"), "", now())
    assert "--trust" in signature.check(good, [DATA], None, "", now())
    assert "cannot be read" in signature.check(good, [DATA], b"no certificate", "", now())


def test_signed_attributes_are_not_of_ipxe(authority: Authority) -> None:
    words = ["cms", "-sign", "-binary", "-in", "data", "-signer", "good.pem", "-inkey", "good.key"]
    authority.openssl(*words, "-outform", "DER", "-out", "attributes")
    assert "-noattr" in check(authority, (authority.directory / "attributes").read_bytes())


def test_every_signer_must_be_good(authority: Authority) -> None:
    both = authority.sign("good", "-signer", "web.pem", "-inkey", "web.key")
    assert "not for code signing" in check(authority, both)
    assert check(authority, both, signer="good") == ""


def test_hostile_bytes_are_an_answer_in_words(authority: Authority) -> None:
    """Whatever is done to the bytes: no exception, one printable line; a changed signature is not good."""
    good, chance = authority.sign("good"), random.Random(7)
    for _ in range(1500):
        bad = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        if chance.random() < 0.2:
            del bad[chance.randrange(len(bad)) :]
        said = check(authority, bytes(bad))
        assert said.isprintable() and len(said) < 400
    assert check(authority, good[:-1] + bytes((good[-1] ^ 1,)))
    for junk in (b"", b"0", b"0\x80" * 30000, b"\x30\x84\xff\xff\xff\xff", DATA, bytes(signature.LIMIT + 1)):
        assert check(authority, junk)


@pytest.mark.netns
def test_a_script_verifies_what_it_boots(site: Site, authority: Authority) -> None:
    kernel = dummy("vmlinuz")
    (authority.directory / "data").write_bytes(kernel)
    good, bad = authority.sign("good"), authority.sign("web")
    (authority.directory / "data").write_bytes(DATA)
    script = "#!ipxe\nimgtrust\nkernel vmlinuz\nimgverify vmlinuz {} || goto bad\nboot\n:bad\nexit 1\n"
    files = {"vmlinuz": kernel, "good.sig": good, "bad.sig": bad}
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


@pytest.mark.parametrize("content", [None, b"", b"no certificate\n", bytes(1 << 20)])
def test_trust_must_be_certificates(tmp_path: Path, content: Optional[bytes]) -> None:
    from pypxeboot.config import options, planner
    from pypxeboot.errors import UsageError

    path = tmp_path / "trust"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="--trust"):
        planner.plan_of(options.parse(["--mac", "52:54:00:ab:cd:ef", "--trust", str(path)]))
