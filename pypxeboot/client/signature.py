"""Detached CMS signatures, as iPXE's ``imgverify`` checks them (crypto/cms.c).

asn1crypto takes the message apart, cryptography checks signatures and builds the chain to a trust anchor
(RFC 5280). Both are hardened against hostile input; what they say of it becomes one line here.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional

from pypxeboot import text

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes


LIMIT = 64 << 10  # bytes of a signature: one with a chain of three certificates has 5 KiB
_CERTIFICATES = 16  # in one signature; chains have two or three
_SIGNERS = 4
_DEPTH = 4  # certificates between signer and anchor

_MISSING = "imgverify needs the Python packages cryptography (45 or newer) and asn1crypto: pypxeboot[ipxe]"


_MODULES = (
    "asn1crypto.cms",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.hashes",
    *(f"cryptography.hazmat.primitives.asymmetric.{name}" for name in ("ec", "padding", "rsa", "utils")),
    *(f"cryptography.x509{name}" for name in ("", ".oid", ".verification")),
)


class _Bad(Exception):
    """The signature is not good; the text says why."""


def prepare() -> None:
    """Import all that :func:`check` will need, for a process that soon cannot open files any more."""
    with suppress(ImportError):  # check() says what is missing
        for name in _MODULES:
            importlib.import_module(name)


def check(
    signature: bytes, pieces: Iterable[bytes], anchors: Optional[bytes], signer: str, now: datetime
) -> str:
    """Say what is wrong with the ``signature`` of the file in ``pieces``; empty if nothing is.

    ``anchors`` are the certificates (PEM) of the authorities that are trusted, ``signer`` the name that has
    to stand in the signer's certificate, if any. Every signer of that name must be good, and there must be
    one ("cms_verify": all participants that match the name).
    """
    if anchors is None:
        return "no authority is trusted: name its certificate by --trust FILE"
    if len(signature) > LIMIT:
        return f"the signature has more than {text.size_text(LIMIT)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old certificates; they would go to standard error
            _check(signature, pieces, anchors, signer, now)
    except ImportError:
        return _MISSING
    except _Bad as why:
        return str(why)
    except Exception as why:  # of a parser that stumbles over hostile bytes, whichever layer that is
        return f"it cannot be checked: {text.printable(str(why) or type(why).__name__, 100)}"
    return ""


def _check(signature: bytes, pieces: Iterable[bytes], anchors: bytes, signer: str, now: datetime) -> None:
    trusted = _anchors(anchors)
    try:
        infos, certificates = _parse(signature)
    except (_Bad, ImportError):
        raise
    except Exception as why:
        raise _Bad(f"it is not a signature in DER: {text.printable(str(why), 100)}") from None
    named = [(info, leaf) for info, leaf in infos if not signer or signer in _names(leaf)]
    if not named:
        raise _Bad(f"it is not signed by {text.printable(signer)}" if signer else "nobody has signed it")
    algorithms = {info.algorithm: info.digest for info, _leaf in named}
    digests = _digests(algorithms, pieces)
    for info, leaf in named:
        _check_signature(info, leaf, digests[info.algorithm])
        _check_chain(leaf, certificates, trusted, now)


class _Signer:
    """One signer: the digest algorithm by name, an object of it, and the signature."""

    def __init__(self, algorithm: str, digest: hashes.HashAlgorithm, signature: bytes) -> None:
        self.algorithm, self.digest, self.signature = algorithm, digest, signature


def _anchors(pem: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as why:
        raise _Bad(f"the trusted certificates cannot be read: {text.printable(str(why), 100)}") from None


def _parse(signature: bytes) -> tuple[list[tuple[_Signer, x509.Certificate]], list[x509.Certificate]]:
    """Parse a CMS message: its signers with their certificates, and all certificates in it."""
    from asn1crypto import cms
    from cryptography import x509

    info = cms.ContentInfo.load(signature, strict=True)
    if info["content_type"].native != "signed_data":
        raise _Bad("it is not a signature but other CMS data")
    data = info["content"]
    choices = [choice for choice in data["certificates"] if choice.name == "certificate"]
    if len(choices) > _CERTIFICATES or len(data["signer_infos"]) > _SIGNERS:
        raise _Bad("it holds too many certificates or signers")
    certificates = [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in choices]
    pairs = list(zip(choices, certificates))
    return [_signer(item, pairs) for item in data["signer_infos"]], certificates


def _signer(info: Any, pairs: Sequence[tuple[Any, x509.Certificate]]) -> tuple[_Signer, x509.Certificate]:
    from cryptography.hazmat.primitives import hashes

    if len(info["signed_attrs"]):
        raise _Bad("it is signed with attributes, which iPXE does not know: sign with openssl cms -noattr")
    name = info["digest_algorithm"]["algorithm"].native
    known: dict[str, Callable[[], hashes.HashAlgorithm]] = {
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    if name not in known:
        raise _Bad(f"the digest {text.printable(str(name), 40)} is not trusted")
    sid = info["sid"]
    for choice, certificate in pairs:
        found = choice.chosen
        if sid.name == "issuer_and_serial_number":
            same = sid.chosen["issuer"].dump() == found.issuer.dump()
            same = same and sid.chosen["serial_number"].native == found.serial_number
        else:
            same = sid.chosen.native == found.key_identifier
        if same:
            return _Signer(name, known[name](), info["signature"].native), certificate
    raise _Bad("the certificate of the signer is not in it")


def _names(leaf: x509.Certificate) -> set[str]:
    """Return the names that a certificate is for."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = {str(item.value) for item in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        other = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names |= set(other.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        pass
    return names


def _digests(algorithms: dict[str, hashes.HashAlgorithm], pieces: Iterable[bytes]) -> dict[str, bytes]:
    from cryptography.hazmat.primitives import hashes

    states = {name: hashes.Hash(algorithm) for name, algorithm in algorithms.items()}
    for piece in pieces:
        for state in states.values():
            state.update(piece)
    return {name: state.finalize() for name, state in states.items()}


def _check_signature(info: _Signer, leaf: x509.Certificate, digest: bytes) -> None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    try:
        key, prehashed = leaf.public_key(), Prehashed(info.digest)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(info.signature, digest, padding.PKCS1v15(), prehashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(info.signature, digest, ec.ECDSA(prehashed))
        else:
            raise _Bad("the signer's key is of a kind that is not known here")
    except InvalidSignature:
        raise _Bad("the signature is not that of this file") from None
    except (UnsupportedAlgorithm, ValueError) as why:
        raise _Bad(f"the signer's key cannot be used: {text.printable(str(why), 100)}") from None


def _check_chain(
    leaf: x509.Certificate,
    certificates: list[x509.Certificate],
    trusted: list[x509.Certificate],
    now: datetime,
) -> None:
    """Raise _Bad unless a chain leads to an anchor, is valid now, and the signer may sign code."""
    from cryptography import x509
    from cryptography.x509 import verification
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    def signs_code(_policy: object, _leaf: object, usage: x509.ExtendedKeyUsage) -> None:
        if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
            raise ValueError("its certificate is not for code signing")

    def is_authority(_policy: object, _certificate: object, basic: x509.BasicConstraints) -> None:
        if not basic.ca:
            raise ValueError("a certificate that signed another is not an authority's")

    def may_sign(_policy: object, _certificate: object, usage: Optional[x509.KeyUsage]) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an authority's certificate is not for signing certificates")

    # What iPXE asks of certificates (crypto/x509.c), and no more: those that its pages tell how to make lack
    # what web servers' must have.
    agnostic = Criticality.AGNOSTIC
    ends = ExtensionPolicy.permit_all().require_present(x509.ExtendedKeyUsage, agnostic, signs_code)
    authorities = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, agnostic, is_authority)
        .may_be_present(x509.KeyUsage, agnostic, may_sign)
    )
    try:
        policy = verification.PolicyBuilder().store(verification.Store(trusted)).time(now)
        policy = policy.max_chain_depth(_DEPTH)
        policy = policy.extension_policies(ca_policy=authorities, ee_policy=ends)
        policy.build_client_verifier().verify(leaf, [item for item in certificates if item != leaf])
    except (verification.VerificationError, ValueError, x509.UnsupportedGeneralNameType) as why:
        raise _Bad(f"the signer is not trusted: {text.printable(str(why), 160)}") from None
