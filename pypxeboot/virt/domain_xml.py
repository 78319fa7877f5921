"""The XML of a libvirt domain, and of a libvirt network: what a boot has to know of them.

Source: libvirt's docs/formatdomain.rst and formatnetwork.rst. It is read without namespaces, so that what is
written again has the prefixes that it had. Whoever may define a domain wrote the XML: entities are refused,
size and depth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional
from xml.etree.ElementTree import Element, TreeBuilder, tostring
from xml.parsers import expat

from pypxeboot.config.retry import NEVER, Retry, parse_retry
from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.text import printable

NAMESPACE = "urn:pypxeboot:domain:1"
"""Of ``<pypxeboot:boot xmlns:pypxeboot="urn:pypxeboot:domain:1"/>`` in a domain's metadata."""

TRUNK = "trunk"
"""In place of a VLAN: the interface has several, and frames without a tag are in none of them."""

LIVE_NAMESPACE = "urn:pypxeboot:live:1"
"""Of the metadata that a running domain has, and its stored definition has not."""

OURS = "urn:pypxeboot:"
"""How the namespaces of all elements of ours begin: a domain in whose XML it is not does not opt in."""

_OPT_IN = f'<pypxeboot:boot xmlns:pypxeboot="{NAMESPACE}"/>'
_ATTRIBUTES = {"label", "arch", "order", "retry"}
_HINT = f"a domain opts in by one {_OPT_IN}, which may have: {', '.join(sorted(_ATTRIBUTES))}"
_LEAST_WAIT = 1.0  # s; a firmware may try again at once, which for a server would be a flood

MAX_SIZE = 4 << 20  # characters; libvirt passes no longer string over its socket
_MAX_DEPTH = 64  # a domain of libvirt's own has some ten
# By libvirt's names; as PXELINUX and this project call them.
_ARCHITECTURES = {"i686": "i386", "aarch64": "arm64", "armv7l": "arm"}
_ORDERS = {("network",): False, ("network", "disk"): True}


@dataclass(frozen=True)
class Interface:
    """A NIC of a domain: ``kind`` is its type (bridge, network, direct...), ``source`` the attributes there.

    ``vlan`` is its one VLAN, on a trunk the native one (:func:`untagged`); ``down``: its link is, by the
    definition.
    """

    kind: str
    mac: Optional[str]
    source: dict[str, str]
    vlan: Optional[str] = None
    down: bool = False


@dataclass(frozen=True)
class Wish:
    """What a domain says of its boot in its metadata.

    ``label``, ``arch`` and ``retry`` are as on the command line; ``disk``: where the network boots nothing,
    the disk.
    """

    label: Optional[str] = None
    arch: Optional[str] = None
    disk: bool = False
    retry: Optional[Retry] = None


@dataclass(frozen=True)
class Domain:
    """A domain: ``kind`` is kvm, qemu, xen...; ``system`` the type of its OS (hvm, xenpvh...).

    ``interfaces`` are those that boot, in the order in which they are tried; ``wish`` is None where the
    domain did not opt in, ``has_disk`` tells whether it has a disk to boot from, ``retry`` is what its
    ``<bios rebootTimeout>`` says. ``memory`` is in MiB.
    """

    name: str
    uuid: str
    kind: str
    system: str
    arch: Optional[str]
    interfaces: tuple[Interface, ...]
    has_disk: bool
    wish: Optional[Wish]
    retry: Optional[Retry] = None
    memory: Optional[int] = None

    @property
    def interface(self) -> Optional[Interface]:
        """The first of the interfaces that boot."""
        return self.interfaces[0] if self.interfaces else None


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
    return Domain(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        kind=root.get("type", ""),
        system="" if system is None else (system.text or "").strip(),
        arch=None if arch is None else _ARCHITECTURES.get(arch, arch),
        interfaces=tuple(map(_interface, _booting(root))),
        has_disk=any(map(_boots, root.findall("devices/disk"))),
        wish=wish(root),
        retry=_reboot_timeout(root),
        memory=_memory(root.find("memory")),
    )


_UNITS = {"b": 1, "bytes": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}
_UNITS.update({name: 1 << 10 * power for power, one in enumerate("KMGT", 1) for name in (one, f"{one}iB")})
_UNITS["k"] = 1 << 10


def _memory(element: Optional[Element]) -> Optional[int]:
    """Return a memory in MiB, None where it is none (libvirt: virParseScaledValue, KiB where no unit is)."""
    text = "" if element is None or element.text is None else element.text.strip()
    unit = 0 if element is None else _UNITS.get(element.get("unit", "KiB"), 0)
    if not re.fullmatch("[0-9]{1,18}", text):
        return None
    return int(text) * unit >> 20 or None


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
    for element, found in _metadata(root):
        if found == namespace and element.tag.rpartition(":")[2] == name:
            return element
    return None


def _metadata(root: Element) -> Iterator[tuple[Element, str]]:
    """Yield the elements of a domain's metadata, each with its namespace."""
    found = root.find("metadata")
    for element in () if found is None else found:
        prefix = element.tag.rpartition(":")[0]
        declaration = f"xmlns:{prefix}" if prefix else "xmlns"
        named = (above.get(declaration) for above in (element, found, root) if above is not None)
        yield element, next((namespace for namespace in named if namespace), "")


def wish(root: Element) -> Optional[Wish]:
    """Return what the domain says of its boot. Raises UsageError for what is of ours and not understood."""
    found = None
    for element, namespace in _metadata(root):
        if not namespace.startswith(OURS) or namespace == LIVE_NAMESPACE:
            continue
        name = element.tag.rpartition(":")[2]
        if namespace != NAMESPACE or name != "boot" or found is not None:
            what = "a second time" if found is not None and name == "boot" else f"which is not {_OPT_IN}"
            raise UsageError(f"the domain's metadata has {_shown(element)}, {what}", hint=_HINT)
        found = element
    if found is None:
        return None
    values = {name: value for name, value in found.attrib.items() if not name.startswith("xmlns")}
    strange = [*(values.keys() - _ATTRIBUTES), *(f"<{child.tag}>" for child in found)]
    if strange:
        what = printable(strange[0], 60)
        raise UsageError(f"{what} in {_shown(found)} of the domain's metadata is not known", hint=_HINT)
    order = tuple(values.get("order", "network").replace(",", " ").split())
    if order not in _ORDERS:
        raise UsageError(
            f"the boot order {printable(' '.join(order), 60)!r} in the domain's metadata is not known"
            f": {_shown(found)}",
            hint='order="network", or order="network disk" for the disk where the network boots nothing',
        )
    try:
        retry = parse_retry(values["retry"]) if "retry" in values else None
    except ValueError as why:
        raise UsageError(f"retry in {_shown(found)} of the domain's metadata: {why}") from None
    return Wish(values.get("label"), values.get("arch"), _ORDERS[order], retry)


def _shown(element: Element) -> str:
    """Return the element as it stands in the XML, on one line."""
    return printable(" ".join(tostring(element, "unicode").split()), 300)


def _reboot_timeout(root: Element) -> Optional[Retry]:
    """Return what libvirt's own element says of a boot that failed: milliseconds until the next, -1 never."""
    text = _attribute(root, "os/bios", "rebootTimeout")
    try:
        milliseconds = None if text is None else int(text)
    except ValueError:
        return None
    if milliseconds is None:
        return None
    seconds = max(milliseconds / 1000, _LEAST_WAIT)
    return NEVER if milliseconds < 0 else Retry(seconds, seconds)


def _booting(root: Element) -> list[Element]:
    """Return the interfaces that are in the boot order, or else the first."""

    def order(element: Element) -> int:
        text = _attribute(element, "boot", "order") or ""
        return int(text) if text.isdecimal() else 0

    found = root.findall("devices/interface")
    return sorted((element for element in found if order(element)), key=order) or found[:1]


def _interface(element: Element) -> Interface:
    source = element.find("source")
    return Interface(
        kind=element.get("type", ""),
        mac=_attribute(element, "mac", "address"),
        source={} if source is None else dict(source.attrib),
        vlan=_vlan(element),
        down=_attribute(element, "link", "state") == "down",
    )


def _boots(disk: Element) -> bool:
    """Whether a disk can be booted from; a CD-ROM drive has to have something in it."""
    kind = disk.get("device", "disk")
    return kind in ("disk", "lun") or (kind == "cdrom" and disk.find("source") is not None)


def without_us(root: Element) -> str:
    """Say what boots where neither watch nor the hook has the domain of this XML boot from the network."""
    devices = {element.get("dev", "") for element in root.findall("os/boot")}
    ordered = [element.tag for element in root.findall("devices/*[boot]")]
    in_order = bool(devices & {"hd", "cdrom"}) or "disk" in ordered or not (devices or ordered)
    has_disk = any(map(_boots, root.findall("devices/disk")))
    return "its disk boots" if has_disk and in_order else "its firmware boots it by itself"


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
