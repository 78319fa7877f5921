"""The recorded boots of the real loaders, in one form, with what they served and what came of it.

Four files of PXELINUX boots (``pxelinux-cases.json``, ``pxelinux-more.json``, which tells only the first
requests after the configuration was found, ``pxelinux-newer.json``, and ``pxelinux-scenarios.json``), three
of iPXE boots, the newest with methods, headers and bodies of requests, and three of GRUB's. Importing this
module and making cases touches nothing but those files.
"""

from __future__ import annotations

import functools
import json
import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import Any, Optional
from urllib.parse import unquote

from tests.support.ground import tools

HERE = tools.DATA / "recorded"

MENU_PROGRAMS = re.compile(
    r"(vesamenu|menu|gfxboot)\.c32|^\s*DEFAULT\s+menu\s*$", re.IGNORECASE | re.MULTILINE
)

# The guest, where a case does not set it.
CLIENT = {"mac": "52:54:00:ab:cd:ef", "uuid": "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", "ip": "10.77.0.173"}

PROBE = "<kernel probe image>"

# What QEMU's SeaBIOS said of itself where a case does not set it.
SEABIOS = {"BIOSVENDOR": "SeaBIOS", "BIOSVERSION": "1.16.2-debian-1.16.2-1", "SYSFF": "1"}
_SMBIOS = {
    "0": {"vendor": "BIOSVENDOR", "version": "BIOSVERSION"},
    "1": {
        "manufacturer": "SYSVENDOR", "product": "SYSPRODUCT", "version": "SYSVERSION", "serial": "SYSSERIAL",
        "sku": "SYSSKU", "family": "SYSFAMILY",
    },
    "2": {
        "manufacturer": "MBVENDOR", "product": "MBPRODUCT", "version": "MBVERSION", "serial": "MBSERIAL",
        "asset": "MBASSET",
    },
}  # fmt: skip


KEYS = {
    "spc": " ", "equal": "=", "ret": "enter", "esc": "escape", "comma": ",", "dot": ".", "slash": "/",
    "minus": "-", "shift-equal": "+", "shift-dot": ">", "shift-comma": "<", "shift-semicolon": ":",
    "pgup": "page-up", "pgdn": "page-down", "ctrl-h": "backspace",
    **{f"shift-{letter}": letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip

DIFFERENCES = {
    "a7_dot0": "a file is judged by its content: KERNEL probe-5.10.0 is a kernel, whatever its name ends in",
    "a7d_bin": "a file is judged by its content: KERNEL probe.bin is a kernel, whatever its name ends in",
    "opt210-ldlinux-missing": "ldlinux.c32 is not fetched: nothing of it would be run",
    "config-is-directory": "a server's error for one name is no reason to hang: the search goes on",
    "a29_sysappend_hex": "the loader cut the line at 255 bytes, all that this kernel took; not so here",
    "a9d_prompt_notimeout": "a prompt that waits for ever boots what Enter would boot",
    "timeout-garbage": "a prompt that waits for ever boots what Enter would boot",
}
"""Cases that end otherwise on purpose, and why."""

AT_A_TERMINAL = {"a9d_prompt_notimeout", "timeout-garbage"}
"""Those of them that are as recorded if there is a terminal: then a prompt does wait for ever."""

_NO_MODULES = "menu.c32 is not fetched, and may be missing: nothing of it would be run"
MENU_DIFFERENCES = dict.fromkeys(
    ("menu-missing", "menu-missing-default-label", "menu-libutil-missing"), _NO_MODULES
)
"""Menus that end otherwise on purpose, even with a terminal."""


@dataclass(frozen=True)
class Expected:
    """What the real loader booted.

    ``kernel`` is the tag of the booted file if known, ``initrd`` the bytes that it was handed; where only
    their number is known it stands in ``initrd_size``. ``program``: a network bootstrap program ran instead.
    """

    booted: bool = False
    kernel: Optional[str] = None
    cmdline: Optional[str] = None
    initrd: Optional[bytes] = None
    initrd_size: int = 0
    local: bool = False
    modules: tuple[str, ...] = ()
    program: bool = False


@dataclass(frozen=True)
class Case:
    """One recorded boot. ``files`` maps the names under the servers' root to their content."""

    name: str
    loader: str
    files: dict[str, bytes]
    expected: Expected
    mac: str
    uuid: str
    address: str
    server: str
    servers: tuple[str, ...]
    gateway: Optional[str]
    bootfile: str
    options: dict[int, bytes]
    next_server: str
    web_servers: tuple[str, ...] = ()
    redirects: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    smbios: dict[str, str] = field(default_factory=dict)
    keys: tuple[Any, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict)
    more: bool = False
    """Whether it is one of the many that were recorded later, for details of the languages."""

    @property
    def menu(self) -> bool:
        """Whether a menu program has a say."""
        return any(MENU_PROGRAMS.search(text.decode("utf-8", "replace")) for text in self._configs())

    def _configs(self) -> list[bytes]:
        return [data for name, data in self.files.items() if not name.endswith(".c32") and len(data) < 60000]

    def served(self, scheme: str, host: str, path: str) -> Optional[bytes]:
        """What the servers answer, None for "no such file"; a web server's path as in the request."""
        host = self.address_of(host)
        if host not in (self.web_servers if scheme == "http" else self.servers if scheme == "tftp" else ()):
            return None
        if scheme == "http":
            path = unquote(path.partition("?")[0])
            path = posixpath.normpath(self.redirects.get(path, path))  # as web servers do
        return self.files.get(re.sub("/+", "/", path).lstrip("/"))

    def address_of(self, host: str) -> str:
        """The address that the case's DNS has for a name; ``#`` is any."""
        return self.names.get(host, host if re.fullmatch("[0-9.]+", host) else self.names.get("#", host))

    @property
    def presses(self) -> list[str]:
        """The keys that were pressed, in pypxeboot's names."""
        words: list[str] = []
        for _, keys in self.raw.get("keys", ()):
            words += keys.split() if isinstance(keys, str) else keys
        return [KEYS.get(word, word) for word in words]

    @property
    def in_scope(self) -> bool:
        """Whether it is a boot without keys and menus: to be matched exactly, or found in DIFFERENCES."""
        return self.loader == "pxelinux" and not self.keys and not self.menu


def kernel(tag: str) -> bytes:
    """A small file with a bzImage header, and the tag in it."""
    head = bytearray(2048)
    head[0x1F1] = 1
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = b"\x0f\x02"
    return bytes(head) + b"TAG=" + tag.encode() + b"\0" + bytes(32)


def tag_of(data: bytes) -> Optional[str]:
    """The tag of a file that stands for a kernel."""
    match = re.search(rb"TAG[=:]([^\0\n]*)[\0\n]", data)
    return match[1].decode() if match else None


def content(name: str, text: str) -> bytes:
    """The bytes that ``text`` of a case file means."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    word, _, value = text[1:].partition(":")
    if word == "kernel":
        return kernel(value or name.rpartition("/")[2])
    if word == "mb":  # a multiboot header, and nothing that runs
        return (
            b"\x02\xb0\xad\x1b"
            + bytes(4)
            + b"\xfe\x4f\x52\xe4TAG="
            + (value or name).encode()
            + b"\0"
            + bytes(64)
        )
    if word == "hex":
        return bytes.fromhex(value)
    return f"{word} {value}".encode() + bytes(64)  # @nbp, @floppy, @module: nothing reads them


def _scenario_content(name: str, text: str) -> bytes:
    if text == PROBE:
        return kernel(name)
    size = re.fullmatch(r"<(\d+) bytes of data>", text)
    if size:
        return (name.encode() * int(size[1]))[: int(size[1])]
    return text.encode("utf-8", "surrogateescape")


def _smbios(arguments: list[str]) -> dict[str, str]:
    values = dict(SEABIOS)
    for argument in arguments:
        pairs = dict(pair.partition("=")[::2] for pair in argument.split(","))
        for key, name in _SMBIOS.get(pairs.get("type", ""), {}).items():
            if key in pairs:
                values[name] = pairs[key]
    return values


_ZEROS = re.compile(r"<(\d+) zeros>")


def _zeros(match: re.Match[str]) -> str:
    return "\0" * int(match[1])


def _load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def case_of(raw: dict[str, Any], loader: str) -> Case:
    dhcp, observed, client = raw["dhcp"], raw["observed"], {**CLIENT, **raw["client"]}
    initrds = observed["initrds"]
    data = None if initrds is None else _ZEROS.sub(_zeros, initrds["data"]).encode("latin-1")
    modules = tuple(module["cmd"] for module in observed.get("modules") or ())
    return Case(
        name=raw["name"],
        loader=loader,
        files={name: content(name, text) for name, text in raw["files"].items()},
        expected=Expected(
            booted=observed["kernel"] is not None,
            kernel=observed["kernel"],
            cmdline=observed["cmdline"],
            initrd=data,
            initrd_size=len(data or b""),
            local=bool(observed["localboot"]),
            modules=modules,
            program=str(observed["other"]).startswith("nbp"),
        ),
        mac=client["mac"],
        uuid=client["uuid"],
        address=client["ip"],
        server="10.77.0.1",
        servers=("10.77.0.1", "10.77.0.3"),
        gateway=None if "--dhcp-option=3" in dhcp.get("extra", ()) else "10.77.0.1",
        bootfile=dhcp["filename"],
        options={int(code): text.encode() for code, text in dhcp.get("options", {}).items()},
        next_server=dhcp.get("next", "10.77.0.1"),
        web_servers=("10.77.0.1", "10.77.0.3") if dhcp.get("http") else (),
        names=dict(dhcp.get("dns", {})),
        smbios=_smbios([word for word in client.get("qemu", ()) if word.startswith("type=")]),
        keys=tuple(raw["keys"]),
        raw=raw,
    )


def _scenario(name: str, raw: dict[str, Any], client: dict[str, Any]) -> Case:
    options: dict[int, bytes] = {}
    words = raw.get("opts", [])
    for at in range(0, len(words), 3):
        options[{"config-file": 209, "path-prefix": 210}[words[at + 1]]] = words[at + 2].encode()
    cmdline = raw["cmdline"]
    asked = [path.lstrip("/") for path in raw["requests_after_first_default_cfg_or_all"]]
    kernels = [path for path in asked if raw["files"].get(path) == PROBE]
    return Case(
        name=name,
        loader="pxelinux",
        files={path: _scenario_content(path, text) for path, text in raw["files"].items()},
        expected=Expected(
            booted=cmdline is not None,
            kernel=kernels[-1] if kernels and cmdline is not None else None,
            cmdline=cmdline,
            initrd_size=raw["initrd_bytes"] or 0,
            local="LOCALBOOT" in str(raw["files"]) and cmdline is None,
        ),
        mac=client["mac"],
        uuid=client["uuid"],
        address=client["ip"],
        server=client["boot_server"],
        servers=(client["boot_server"],),
        gateway=None,
        bootfile=raw.get("bootfile_url") or raw.get("bootfile", "pxelinux.0"),
        options=options,
        next_server=client["boot_server"],
        web_servers=("10.0.2.9",),
        redirects={"redir": "http/probe"},
        smbios=_smbios([raw["smbios"]] if "smbios" in raw else []),
        keys=tuple(map(str, raw.get("keys", ()))),
        raw=raw,
    )


@functools.cache
def cases() -> tuple[Case, ...]:
    """Every recorded boot."""
    found = [case_of(raw, "pxelinux") for raw in _load("pxelinux-cases.json")]
    scenarios = _load("pxelinux-scenarios.json")
    found += [_scenario(name, raw, scenarios["client"]) for name, raw in scenarios["scenarios"].items()]
    found += [case_of(raw, "ipxe") for raw in _load("ipxe-cases.json")]
    found += [case_of(raw, "grub") for raw in _load("grub-cases.json")]
    for loader in ("pxelinux", "ipxe", "grub"):
        found += [replace(case_of(raw, loader), more=True) for raw in _load(f"{loader}-more.json")]
    for loader in ("pxelinux", "ipxe", "grub"):
        found += [case_of(raw, loader) for raw in _load(f"{loader}-newer.json")]
    return tuple(found)
