"""Certificates and signatures, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground import tools

DATA = b"what is signed\n" * 1000

LEAF = "keyUsage=digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=DNS:other.example\n"
KINDS = {
    "good": LEAF,
    "web": "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n",
    "without-usage": "keyUsage=digitalSignature\n",
}
"""What the certificates of the signers say of themselves."""


RSA, ELLIPTIC = ["-newkey", "rsa:2048"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
"""What makes a key: as most sites have, and in no time."""

CHAINS = {
    "under-old-digest": "old-digest",
    "under-constraints": "constraints",
    "under-no-path": "no-paths",
    "under-twin": "twin",
}
"""The certificates between a signer and the root, where these are not ``below``."""


class Authority:
    """A root, an authority below it, and signers of each kind; all made by openssl in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "data").write_bytes(DATA)
        root = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        self._make("root", root, None, key=RSA)
        self._make("below", root, "root", key=RSA)
        self._make("no-ca", LEAF, "root")
        self._make("ec", LEAF, "root")
        for name, extensions in KINDS.items():
            self._make(name, extensions, "below", key=RSA)
        self._make("under-no-ca", LEAF, "no-ca")
        self._make("weak-key", LEAF, "below", key=["-newkey", "rsa:1024"])
        self._make("weak-curve", LEAF, "below", key=["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224"])
        self._make("old-digest", root, "root", digest="sha1")
        self._make("constraints", f"{root}nameConstraints=critical,permitted;DNS:example\n", "root")
        self._make("no-path", f"{root.replace('TRUE', 'TRUE,pathlen:0')}", "root")
        self._make("below-no-path", root, "no-path")
        self._make("expired", LEAF, "below", days="-1")
        self._make("twin", root, None, key=RSA, subject="root")
        for name, issuer in (
            ("under-old-digest", "old-digest"),
            ("under-constraints", "constraints"),
            ("under-no-path", "below-no-path"),
            ("under-twin", "twin"),
        ):
            self._make(name, LEAF, issuer)
        for name, parts in {"no-paths": ("no-path", "below-no-path")}.items():
            (directory / f"{name}.pem").write_bytes(b"".join(self.pem(part) for part in parts))

    def openssl(self, *words: str) -> None:
        """Run it there."""
        argv = [tools.need("openssl"), *words]
        done = subprocess.run(argv, cwd=self.directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def _make(
        self,
        name: str,
        extensions: str,
        issuer: Optional[str],
        *,
        key: Optional[list[str]] = None,
        digest: str = "sha256",
        subject: str = "",
        days: str = "30",
    ) -> None:
        """Key and certificate of ``name``."""
        (self.directory / "ext").write_text(extensions)
        request = [
            "req",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={subject or name}",
        ]
        self.openssl(*request, *(key or ELLIPTIC))
        by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer else []
        by = by or ["-signkey", f"{name}.key"]
        self.openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", days, f"-{digest}"),
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

    def sign_file(self, data: bytes, signer: str = "good", *more: str, chain: str = "below") -> bytes:
        """The signature of ``data``, likewise."""
        (self.directory / "data").write_bytes(data)
        try:
            return self.sign(signer, *more, chain=chain)
        finally:
            (self.directory / "data").write_bytes(DATA)

    def pem(self, name: str) -> bytes:
        """A certificate."""
        return (self.directory / f"{name}.pem").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    pytest.importorskip("cryptography", minversion="38")
    return Authority(tmp_path_factory.mktemp("authority"))
