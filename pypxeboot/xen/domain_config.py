"""What the configuration of a Xen domain says of its place on the network, as xl itself takes it.

Source: xen tools/xl/xl_parse.c (set_default_nic_values, parse_nic_config) and xl.c (parse_global_config).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.guest import is_routed, parse_mac, parse_vif
from pypxeboot.text import printable
from pypxeboot.xen import xenstore, xl_config

Vif = Mapping[str, str]

_XL_CONF = Path("/etc/xen/xl.conf")
_DEFAULTS = ("script", "bridge", "gatewaydev", "backend")  # what xl.conf may say of every vif
_OLD_NAMES = {"script": "vifscript", "bridge": "defaultbridge"}


@dataclass(frozen=True)
class VifConfig:
    """The keys of a vif that tell where it is connected, those of xl.conf among them; None: nobody said it.

    ``gatewaydev`` is the interface of this host that Xen's vif-route and vif-nat lead to, ``backend`` the
    domain that has the bridge.
    """

    mac: Optional[str] = None
    bridge: Optional[str] = None
    vlan: Optional[str] = None
    script: Optional[str] = None
    gatewaydev: Optional[str] = None
    backend: Optional[str] = None

    def keys(self) -> dict[str, str]:
        """Return what was said, as the keys of a vif string."""
        found = {name: getattr(self, name) for name in ("mac", "bridge", "vlan", "script", "gatewaydev")}
        return {name: value for name, value in found.items() if value}

    def check_backend(self) -> None:
        """Raise UsageError for a vif whose bridge is not of this host but of another domain."""
        if self.backend and not _is_dom0(self.backend):
            what = f"vif {self.mac}" if self.mac else "the vif"
            raise UsageError(
                f"{what} has backend={printable(self.backend)}: its bridge is in that domain, and not on "
                "this host",
                hint="if a bridge of this host leads to the same network, name it: "
                'bootloader_args = ["mac=00:16:3e:01:02:03,bridge=xenbr0"]',
            )


@dataclass(frozen=True)
class DomainConfig:
    """What xl read of a domain: the ``file`` in words, the name, the vifs; ``pvshim`` runs PV in PVH.

    ``memory`` is in MiB.
    """

    file: str
    name: Optional[str]
    vifs: tuple[VifConfig, ...]
    pvshim: bool = False
    memory: Optional[int] = None

    def vif(self, mac: Optional[str]) -> Optional[VifConfig]:
        """Return the vif with this MAC; the first where none is asked for."""
        if mac is None:
            return self.vifs[0] if self.vifs else None
        wanted = parse_mac(mac)
        return next((vif for vif in self.vifs if vif.mac and _is_mac(vif.mac, wanted)), None)


def of_settings(file: str, settings: Mapping[str, xl_config.Value]) -> DomainConfig:
    """Return what the ``settings`` of a domain say, with xl.conf's defaults. Raises UsageError."""
    name, vifs = settings.get("name"), settings.get("vif", [])
    items = xl_config.texts(vifs) if isinstance(vifs, list) else []  # xl ignores a vif that is no list
    return DomainConfig(
        file,
        name if isinstance(name, str) else None,
        merged_vifs([parse_vif(item) for item in items]),
        pvshim=xl_config.is_true(settings.get("pvshim")),
        memory=_mebibytes(settings.get("memory")),
    )


def _mebibytes(value: Optional[xl_config.Value]) -> Optional[int]:
    """Return a memory as xl writes it, None where it is nothing that counts."""
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text) else None


def _is_mac(text: str, wanted: str) -> bool:
    """Whether ``text`` is that MAC address; what could not be a guest's is none."""
    try:
        return parse_mac(text) == wanted
    except UsageError:
        return False


def merged_vifs(vifs: Sequence[Vif]) -> tuple[VifConfig, ...]:
    """Return each vif with what xl.conf says of those that do not say it themselves."""
    defaults = _defaults() if vifs else {}
    return tuple(_merged(vif, defaults) for vif in vifs)


def _merged(vif: Vif, defaults: Vif) -> VifConfig:
    own = {key: value for key, value in vif.items() if value}
    if "netdev" in own:  # the older name
        own.setdefault("gatewaydev", own["netdev"])
    whole = {**defaults, **own}
    if is_routed(whole):
        whole.pop("bridge", None)  # such a script looks at none
    names = ("mac", "bridge", "vlan", "script", "gatewaydev", "backend")
    return VifConfig(**{name: whole[name] for name in names if name in whole})


def _defaults() -> dict[str, str]:
    """Return what xl.conf says of vifs, by the keys of a vif; nothing where xl could not read it either."""
    try:
        data = _XL_CONF.read_bytes()[: xl_config.MAX_SIZE]
        settings = xl_config.parse(data.decode("utf-8", "replace"))
    except (OSError, UsageError):
        return {}
    found: dict[str, str] = {}
    for key in _DEFAULTS:
        for name in (_OLD_NAMES.get(key, ""), f"vif.default.{key}"):
            value = settings.get(name)
            if isinstance(value, str) and value:
                found[key] = value
    return found


def _is_dom0(name: str) -> bool:
    """Whether a domain's name or number is that of the domain in which xl runs."""
    if name.isascii() and name.isdigit():
        return int(name[:20]) == 0
    return name == "Domain-0" or name == xenstore.name_of(0)
