"""Detached CMS signatures, as iPXE's ``imgverify`` checks them (crypto/cms.c).

asn1crypto takes the message apart, cryptography reads certificates and checks signatures; both are hardened
against hostile input, and what they say of it becomes one line here. The chain to a trust anchor is followed
here, since the cryptography of Debian 12 builds none: by what iPXE asks of it (crypto/x509.c), but with weak
digests and keys refused, and every critical extension that is not understood (RFC 5280, 4.2).
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

from pypxeboot import text
from pypxeboot.limits import Limits

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes


LIMIT = Limits.signature
_CERTIFICATES = 16  # in one signature; chains have two or three
_SIGNERS = 4
_DEPTH = 4  # certificates between signer and anchor

_RSA_BITS, _EC_BITS = 2048, 256  # at least
_TRIED = 64  # pairs of certificates whose signature is checked, of one chain: names may be made to match
_BEFORE_PEM = b"-----BEGIN "
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_MISSING = "signatures need the Python packages cryptography (38 or newer) and asn1crypto: pypxeboot[ipxe]"

_MODULES = (
    "asn1crypto.cms",
    "asn1crypto.pem",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.hashes",
    *(f"cryptography.hazmat.primitives.asymmetric.{name}" for name in ("ec", "padding", "rsa", "utils")),
    *(f"cryptography.x509{name}" for name in ("", ".oid")),
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
        raise _Bad(f"it is not a signature in DER or PEM: {text.printable(str(why), 100)}") from None
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
        found = [x509.load_pem_x509_certificate(block) for block in _PEM_CERTIFICATE.findall(pem)]
    except ValueError as why:
        raise _Bad(f"the trusted certificates cannot be read: {text.printable(str(why), 100)}") from None
    if not found:
        raise _Bad("the trusted certificates cannot be read: there are none")
    return found


def _parse(signature: bytes) -> tuple[list[tuple[_Signer, x509.Certificate]], list[x509.Certificate]]:
    """Parse a CMS message: its signers with their certificates, and all certificates in it."""
    from asn1crypto import cms, pem
    from cryptography import x509

    if signature.startswith(_BEFORE_PEM):  # iPXE takes either (image/pem.c)
        signature = pem.unarmor(signature)[2]
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
    _verify(leaf, info.signature, digest, info.digest)


def _verify(
    holder: x509.Certificate,
    signature: bytes,
    digest: bytes,
    algorithm: hashes.HashAlgorithm,
    *,
    rsa_key: Optional[bool] = None,
) -> None:
    """Raise _Bad unless the key in ``holder`` has made ``signature`` of ``digest``.

    ``rsa_key`` tells whether the key has to be of RSA, or of an elliptic curve.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    try:
        key, prehashed = holder.public_key(), Prehashed(algorithm)
        if isinstance(key, rsa.RSAPublicKey) and rsa_key is not False:
            _check_key_size(key.key_size, _RSA_BITS)
            key.verify(signature, digest, padding.PKCS1v15(), prehashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and rsa_key is not True:
            _check_key_size(key.key_size, _EC_BITS)
            key.verify(signature, digest, ec.ECDSA(prehashed))
        else:
            raise _Bad("a key is of a kind that is not known here")
    except InvalidSignature:
        what = (
            "the signature is not that of this file"
            if rsa_key is None
            else "no authority of that name has signed it"
        )
        raise _Bad(what) from None
    except (UnsupportedAlgorithm, ValueError) as why:
        raise _Bad(f"a key cannot be used: {text.printable(str(why), 100)}") from None


def _check_key_size(size: int, least: int) -> None:
    if size < least:
        raise _Bad(f"a key has fewer than {least} bits")


def _check_chain(
    leaf: x509.Certificate,
    certificates: list[x509.Certificate],
    trusted: list[x509.Certificate],
    now: datetime,
) -> None:
    """Raise _Bad unless a chain leads to an anchor, is valid now, and the signer may sign code."""
    try:
        _check_signer(leaf)
        _check_validity(leaf, now)
        links = _Links([item for item in certificates if item != leaf], trusted, now)
        if not links.lead_to_anchor(leaf, 0):
            raise _Bad(links.why or "no certificate of its issuer is at hand")
    except _Bad as why:
        raise _Bad(f"the signer is not trusted: {why}") from None
    except Exception as why:  # of certificates that were made to cause it
        said = text.printable(str(why) or type(why).__name__, 100)
        raise _Bad(f"the signer is not trusted: its certificates cannot be read: {said}") from None


class _Links:
    """The certificates of which a chain may consist; ``why`` is what is wrong with the first found."""

    def __init__(
        self, between: list[x509.Certificate], trusted: list[x509.Certificate], now: datetime
    ) -> None:
        self._between, self._trusted, self._now = between, trusted, now
        self._left = _TRIED
        self.why = ""

    def lead_to_anchor(self, certificate: x509.Certificate, below: int) -> bool:
        """Whether a chain leads from ``certificate``, which is no anchor, to one.

        ``below`` counts the authorities that the chain has passed already.
        """
        for issuer in (*self._trusted, *self._between):
            if issuer.subject != certificate.issuer or not self._left:
                continue
            self._left -= 1
            try:
                _check_issued(certificate, issuer)
                _check_authority(issuer, below)
                _check_validity(issuer, self._now)
            except _Bad as why:
                self.why = self.why or str(why)
                continue
            if issuer in self._trusted or (below < _DEPTH and self.lead_to_anchor(issuer, below + 1)):
                return True
        return False


def _check_signer(leaf: x509.Certificate) -> None:
    """Raise _Bad unless a certificate is one for signing code."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    known = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)
    found = _extensions(leaf, known)
    purposes, usage = found.get(x509.ExtendedKeyUsage), found.get(x509.KeyUsage)
    if purposes is None or ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise _Bad("its certificate is not for code signing")
    if usage is not None and not usage.digital_signature:
        raise _Bad("its certificate is not for signatures")


def _check_authority(issuer: x509.Certificate, below: int) -> None:
    """Raise _Bad unless a certificate is an authority's, with room for ``below`` authorities under it."""
    from cryptography import x509

    found = _extensions(issuer, (x509.BasicConstraints, x509.KeyUsage))
    basic, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    if basic is None or not basic.ca:
        raise _Bad("a certificate that signed another is not an authority's")
    if usage is not None and not usage.key_cert_sign:
        raise _Bad("an authority's certificate is not for signing certificates")
    if basic.path_length is not None and below > basic.path_length:
        raise _Bad("an authority's certificate does not allow as many authorities below it")


def _extensions(certificate: x509.Certificate, known: Sequence[type[x509.ExtensionType]]) -> dict[type, Any]:
    """Return the extensions by their kind. Raises _Bad for a critical one that is none of ``known``."""
    found: dict[type, Any] = {}
    for extension in certificate.extensions:
        if extension.critical and not isinstance(extension.value, tuple(known)):
            raise _Bad(f"a certificate has the critical extension {extension.oid.dotted_string}")
        found[type(extension.value)] = extension.value
    return found


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    begin, end = (_moment(certificate, f"not_valid_{name}") for name in ("before", "after"))
    if now < begin:
        raise _Bad(f"a certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if now > end:
        raise _Bad(f"a certificate has expired on {end:%Y-%m-%d %H:%M} UTC")


def _moment(certificate: x509.Certificate, name: str) -> datetime:
    """Return a time in a certificate: before cryptography 42 they have no time zone."""
    found: datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return found.replace(tzinfo=timezone.utc)


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise _Bad unless the key of ``issuer`` has signed ``certificate``."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import SignatureAlgorithmOID as Algorithm

    digests: tuple[hashes.HashAlgorithm, ...] = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
    by_rsa = (Algorithm.RSA_WITH_SHA256, Algorithm.RSA_WITH_SHA384, Algorithm.RSA_WITH_SHA512)
    by_ec = (Algorithm.ECDSA_WITH_SHA256, Algorithm.ECDSA_WITH_SHA384, Algorithm.ECDSA_WITH_SHA512)
    kinds = {oid: (oid in by_rsa, digest) for oids in (by_rsa, by_ec) for oid, digest in zip(oids, digests)}
    algorithm = certificate.signature_algorithm_oid
    if algorithm not in kinds:
        raise _Bad(f"a certificate is signed by an algorithm that is not trusted ({algorithm.dotted_string})")
    rsa_key, digest = kinds[algorithm]
    state = hashes.Hash(digest)
    state.update(certificate.tbs_certificate_bytes)
    _verify(issuer, certificate.signature, state.finalize(), digest, rsa_key=rsa_key)
