"""The XML of a libvirt domain, and of a libvirt network: what a boot has to know of them.

Source: libvirt's docs/formatdomain.rst and formatnetwork.rst. It is read without namespaces, so that what is
written again has the prefixes that it had. Whoever may define a domain wrote the XML: entities are refused,
size and depth are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional
from xml.etree.ElementTree import Element, TreeBuilder, tostring
from xml.parsers import expat

from pypxeboot.errors import UsageError
from pypxeboot.text import printable

NAMESPACE = "urn:pypxeboot:domain:1"
"""Of ``<pypxeboot:boot xmlns:pypxeboot="urn:pypxeboot:domain:1"/>`` in a domain's metadata."""

TRUNK = "trunk"
"""In place of a VLAN: the interface has several, and frames without a tag are in none of them."""

MAX_SIZE = 4 << 20  # characters; libvirt passes no longer string over its socket
_MAX_DEPTH = 64  # a domain of libvirt's own has some ten
# By libvirt's names; as PXELINUX and this project call them.
_ARCHITECTURES = {"i686": "i386", "aarch64": "arm64", "armv7l": "arm"}
_ORDERS = {("network",): False, ("network", "disk"): True}


@dataclass(frozen=True)
class Interface:
    """A NIC of a domain: ``kind`` is its type (bridge, network, direct...), ``source`` the attributes there.

    ``vlan`` is its one VLAN, on a trunk the native one (:func:`untagged`).
    """

    kind: str
    mac: Optional[str]
    source: dict[str, str]
    vlan: Optional[str] = None


@dataclass(frozen=True)
class Wish:
    """What a domain says of its boot in its metadata.

    ``label`` and ``arch`` are as on the command line; ``disk``: where the network boots nothing, the disk.
    """

    label: Optional[str] = None
    arch: Optional[str] = None
    disk: bool = False


@dataclass(frozen=True)
class Domain:
    """A domain: ``kind`` is kvm, qemu, xen...; ``system`` the type of its OS (hvm, xenpvh...).

    ``interface`` is the one that boots, ``wish`` is None where the domain did not opt in, ``has_disk`` tells
    whether it has a disk to boot from.
    """

    name: str
    uuid: str
    kind: str
    system: str
    arch: Optional[str]
    interface: Optional[Interface]
    has_disk: bool
    wish: Optional[Wish]


@dataclass(frozen=True)
class Network:
    """A libvirt network: its ``bridge``, or the NIC of the host (``device``) that macvtaps sit upon."""

    name: str
    bridge: Optional[str]
    device: Optional[str]
    vlan: Optional[str] = None


def parse(text: str) -> Element:
    """Return the root element. Raises UsageError."""
    if len(text) > MAX_SIZE:
        raise UsageError(f"the XML has {len(text)} characters, more than {MAX_SIZE}")
    builder, parser, depth = TreeBuilder(), expat.ParserCreate(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise UsageError(f"the XML has elements {_MAX_DEPTH} deep in each other")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_declaration: object) -> None:
        raise UsageError("the XML has a document type, which libvirt's never has")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as why:  # ValueError: a character that is none
        raise UsageError(f"not XML: {printable(str(why))}") from None
    return builder.close()


def serialised(root: Element) -> str:
    """Return the XML of ``root``."""
    return tostring(root, "unicode")


def domain(root: Element) -> Domain:
    """Return what the XML of a domain says. Raises UsageError."""
    if root.tag != "domain":
        raise UsageError(f"the XML is of no domain, but of a {printable(root.tag, 40)}")
    system = root.find("os/type")
    arch = None if system is None else system.get("arch")
    found = _booting(root)
    return Domain(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        kind=root.get("type", ""),
        system="" if system is None else (system.text or "").strip(),
        arch=None if arch is None else _ARCHITECTURES.get(arch, arch),
        interface=None if found is None else _interface(found),
        has_disk=any(map(_boots, root.findall("devices/disk"))),
        wish=_wish(root),
    )


def network(root: Element, portgroup: Optional[str]) -> Network:
    """Return what the XML of a network says to an interface of ``portgroup``. Raises UsageError."""
    if root.tag != "network":
        raise UsageError(f"the XML is of no network, but of a {printable(root.tag, 40)}")
    bridge, forward = root.find("bridge"), root.find("forward")
    name = None if bridge is None else bridge.get("name")
    device = None
    if name is None and forward is not None and forward.get("mode") != "hostdev":
        first = forward.find("interface")
        device = forward.get("dev") if first is None else first.get("dev")
    return Network(
        _text(root, "name"),
        bridge=name,
        device=device,
        vlan=_vlan(_group(root, portgroup)) or _vlan(root),
    )


def _group(root: Element, name: Optional[str]) -> Optional[Element]:
    """Return the port group of that name, or the one that is for interfaces that name none."""
    for group in root.findall("portgroup"):
        if group.get("name") == name if name is not None else group.get("default") == "yes":
            return group
    return None


def metadata(root: Element, namespace: str, name: str) -> Optional[Element]:
    """Return the element ``name`` of ``namespace`` in a domain's metadata."""
    found = root.find("metadata")
    for element in () if found is None else found:
        prefix, colon, local = element.tag.rpartition(":")
        declaration = f"xmlns:{prefix}" if colon else "xmlns"
        if local == name and namespace in (element.get(declaration), root.get(declaration)):
            return element
    return None


def _wish(root: Element) -> Optional[Wish]:
    element = metadata(root, NAMESPACE, "boot")
    if element is None:
        return None
    order = tuple(element.get("order", "network").replace(",", " ").split())
    if order not in _ORDERS:
        raise UsageError(
            f"the boot order {printable(' '.join(order), 60)!r} in the domain's metadata is not known",
            hint='order="network", or order="network disk" for the disk where the network boots nothing',
        )
    return Wish(element.get("label"), element.get("arch"), _ORDERS[order])


def _booting(root: Element) -> Optional[Element]:
    """Return the interface that is first in the boot order, or else the first."""

    def order(element: Element) -> int:
        text = _attribute(element, "boot", "order") or ""
        return int(text) if text.isdecimal() else 1 << 16

    return min(root.findall("devices/interface"), key=order, default=None)


def _interface(element: Element) -> Interface:
    source = element.find("source")
    return Interface(
        kind=element.get("type", ""),
        mac=_attribute(element, "mac", "address"),
        source={} if source is None else dict(source.attrib),
        vlan=_vlan(element),
    )


def _boots(disk: Element) -> bool:
    """Whether a disk can be booted from; a CD-ROM drive has to have something in it."""
    kind = disk.get("device", "disk")
    return kind in ("disk", "lun") or (kind == "cdrom" and disk.find("source") is not None)


def untagged(vlan: Optional[str]) -> Optional[str]:
    """Return the VLAN of frames without a tag, as a boot's are. Raises UsageError where they are in none."""
    if vlan == TRUNK:
        raise UsageError(
            "the interface is on a trunk of VLANs, and a boot's frames, without a tag, are in none of them",
            hint="nativeMode='untagged' in one <tag> of its <vlan>, or --bridge and --vlan",
        )
    return vlan


def _vlan(element: Optional[Element]) -> Optional[str]:
    """Return the one VLAN of an interface; on a trunk the native one, else TRUNK.

    With nativeMode='tagged' the answers have a tag, which a boot does not understand.
    """
    found = None if element is None else element.find("vlan")
    tags = [] if found is None else found.findall("tag")
    if found is None or not tags:
        return None
    if found.get("trunk") != "yes" and len(tags) == 1:
        return tags[0].get("id")
    return next((tag.get("id") for tag in tags if tag.get("nativeMode") == "untagged"), TRUNK)


def _attribute(element: Element, path: str, name: str) -> Optional[str]:
    found = element.find(path)
    return None if found is None else found.get(name)


def _text(root: Element, name: str) -> str:
    found = root.find(name)
    text = "" if found is None else (found.text or "").strip()
    if not text:
        raise UsageError(f"the XML of the {root.tag} has no {name}")
    return text
