"""U-Boot: what ``pxe get`` and ``pxe boot`` make of ``pxelinux.cfg`` when nobody types.

The rules are those of U-Boot's boot/pxe_utils.c and cmd/pxe.c: fewer words than PXELINUX, and some of its
own. Its menu, which waits for a person, is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.bootsource import BootRequest, BootSource, Kind, not_a_configuration
from pypxeboot.dataclass import replace
from pypxeboot.effects import Load, Loaded, Log, Steps
from pypxeboot.entry import Action, BootMenu, Choice, Entry, Reason
from pypxeboot.errors import (
    ConfigError,
    InternalError,
    NoBootSource,
    NoConfiguration,
    PxeBootError,
    joined_hints,
)
from pypxeboot.guest import soc_and_board
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.search import uboot_names
from pypxeboot.text import encode, printable
from pypxeboot.uboot.config import UbootConfig, UbootLabel, UbootParser
from pypxeboot.url import Location, as_prefix, is_absolute, parse, resolve

# MAX_TFTP_PATH_LEN (boot/pxe_utils.c).
PATH_LIMIT = 512
# CONFIG_SYS_CBSIZE of most boards, less the NUL.
CMDLINE_LIMIT = 2047
# Labels that are tried one after the other; a configuration that no label of boots has a few.
TRY_LIMIT = 32


def entries(request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
    """List the labels of the configuration, and where it is; nothing is loaded."""
    loader = _UbootBoot(replace(request, append=""))
    yield from loader.begin()
    return loader.main, loader.menu()


def boot(request: BootRequest) -> Steps[Choice]:
    """Boot what U-Boot boots from the configuration; with a label, that entry and no other.

    Raises NoBootSource if there is no configuration, ConfigError if it is rejected or nothing in it boots,
    and what the driver says of an entry that cannot be loaded.
    """
    loader, label = _UbootBoot(request), request.label
    if request.interactive and label is None:
        yield Log("U-Boot's menu is not drawn: booting what boots when nobody chooses", warning=True)
    yield from loader.begin()
    choice = yield from (loader.boot_default() if label is None else loader.boot_label(label))
    return choice


class _UbootFiles(ServerFiles):
    def locate(self, name: str) -> Location:
        """Put ``name`` behind the boot file's directory, a URL or a leading slash included."""
        full = self.prefix + name
        if len(encode(full)) > PATH_LIMIT:
            raise ConfigError(f"the file name {printable(full)!r} is longer than {PATH_LIMIT} bytes")
        return parse(full, self.server)


class _UbootBoot:
    """One boot by U-Boot: its configuration, and what it knows of the guest."""

    def __init__(self, request: BootRequest) -> None:
        self._source, self._guest, self._lease = request.source, request.guest, request.lease
        self._arch, self._user_append = request.arch, request.append
        self._files = _UbootFiles(request.source)
        self._config: UbootConfig
        self.main: Location

    def begin(self) -> Steps[None]:
        """Find and read the configuration."""
        data = yield from self._search()
        yield Log(f"configuration {self.main}, read as U-Boot does")
        parser = UbootParser(self._files.read)
        yield from parser.file(data, printable(str(self.main)))
        self._config = parser.config
        if not self._config.labels:
            raise not_a_configuration(self.main, data)
        for text in parser.skipped.told():
            yield Log(text, warning=True)

    def _search(self) -> Steps[bytes]:
        """Get the configuration as ``pxe get``: option 209 alone if there is one, else the names.

        With option 209 "failure = error".
        """
        files, name = self._files, self._source.config_file
        if name is not None:
            self.main = resolve(name, files.prefix, files.server) if is_absolute(name) else files.locate(name)
            data = yield from files.load(self.main)
            if data is None:
                raise NoBootSource(f"no boot configuration: {self.main} is not there")
            return data
        directory = self._source.config_directory
        names = uboot_names(self._guest, self._lease, self._arch, directory)
        for name in names:
            data = yield from files.read(name)
            if data is not None:
                self.main = files.locate(name)
                return data
        tried = " ".join(printable(name) for name in names)
        raise NoConfiguration("no boot configuration on the server for U-Boot", hint=f"tried {tried}")

    def boot_default(self) -> Steps[Choice]:
        """Boot the default label; if it fails, or there is none, "every label in order"."""
        config = self._config
        default = config.label(config.default)
        if config.default is not None and default is None:
            yield Log(f"U-Boot's default {printable(config.default)!r} is not a label", warning=True)
        order = [label for label in config.labels if label is not default]
        error: Optional[PxeBootError] = None
        for label in [*([] if default is None else [default]), *order][:TRY_LIMIT]:
            if error is not None:
                yield Log(f"{error.message}; trying the next label", warning=True)
            choice, error = yield from self._try(label, self._reason())
            if choice is not None:
                return choice
        raise error or ConfigError(f"{self.main} has no label that U-Boot would see")

    def _reason(self) -> Reason:
        if not self._config.prompt:
            return Reason.DEFAULT
        return Reason.TIMEOUT if self._config.timeout else Reason.WAITS_FOREVER

    def boot_label(self, wanted: str) -> Steps[Choice]:
        """Boot the label that ``wanted`` means: by name, title, or number from 1."""
        labels = self._config.labels
        number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 0
        found = self._config.label(wanted) or next((item for item in labels if item.title == wanted), None)
        if found is None and 0 < number <= len(labels):
            found = labels[number - 1]
        if found is None:
            names = ", ".join(printable(label.name) for label in labels[:30])
            raise ConfigError(f"{self.main} has no entry {printable(wanted)!r}", hint=f"it has {names}")
        choice, error = yield from self._try(found, Reason.LABEL)
        if choice is None:
            assert error is not None
            raise error
        return choice

    def _try(
        self, label: UbootLabel, reason: Reason
    ) -> Steps[tuple[Optional[Choice], Optional[PxeBootError]]]:
        """Boot ``label``, or say why not."""
        where = f"label {printable(label.name)!r}"
        if label.localboot is not None:
            # Whatever its number: $localcmd, or back to the order of boot devices, where the disk is next.
            entry = Entry(label.name, Action.LOCALBOOT, title=label.title)
            return Choice(entry, reason, self.main), None
        try:
            entry = self._entry(label)
            tree = yield from self._device_tree(label)
        except ConfigError as why:
            return None, ConfigError(f"{where}: {why.message}", hint=why.hint)
        except PxeBootError:
            raise
        except Exception as why:  # what nobody foresaw is the failure of this label, as of any other
            error = InternalError.of(why)
            return None, InternalError(f"{where}: {error.message}", hint=error.hint)
        entry = Entry(
            entry.label, entry.action, entry.kernel, entry.initrds, entry.cmdline, title=label.title, dtb=tree
        )
        reply: Loaded = yield Load(entry)
        if not reply.ok:
            return None, reply.kind(
                f"{where}: {printable(reply.error)}",
                hint=joined_hints(reply.hint, f"it stands in {self.main}"),
            )
        return Choice(entry, reason, self.main), None

    def _entry(self, label: UbootLabel) -> Entry:
        if label.kernel is None:
            raise ConfigError("it names no kernel")
        cmdline = self._cmdline(label)
        if len(encode(cmdline)) > CMDLINE_LIMIT:
            raise ConfigError(
                f"its command line is longer than {CMDLINE_LIMIT} bytes: U-Boot does not boot it"
            )
        initrds = () if label.initrd is None else (self._files.locate(label.initrd),)
        # "kernel#config" names a part of a FIT image.
        kernel = self._files.locate(label.kernel.partition("#")[0])
        return Entry(label.name, Action.BOOT, kernel, initrds, cmdline, title=label.title)

    def _cmdline(self, label: UbootLabel) -> str:
        """Make the command line: APPEND, ``ip=``, ``BOOTIF=``, with variables replaced; ``initrd=`` stays."""
        values = self._variables()
        text = label.append
        if label.ipappend & 1 and self._lease.address.version == 4:
            text += " ip=" + ":".join(values[name] for name in ("ipaddr", "serverip", "gatewayip", "netmask"))
        if label.ipappend & 2:
            text += f" BOOTIF=01-{self._guest.mac.replace(':', '-')}"
        text = expanded(text, values)
        return f"{text} {self._user_append}".strip(" ") if self._user_append else text

    def _variables(self) -> Mapping[str, str]:
        lease, (soc, board) = self._lease, soc_and_board(self._guest.board)
        gateway = str(lease.routers[0]) if lease.routers else "0.0.0.0"
        return {
            "ipaddr": str(lease.address),
            "serverip": self._source.server or "0.0.0.0",
            "gatewayip": gateway,
            "netmask": lease.netmask,
            "ethaddr": self._guest.mac,
            "pxeuuid": self._guest.uuid or "",
            "soc": soc,
            "board": board,
        }

    def _device_tree(self, label: UbootLabel) -> Steps[Optional[Location]]:
        """Find the device tree: FDT has to be there; of FDTDIR ``<soc>-<board>.dtb`` may."""
        if label.overlays:
            yield Log("FDTOVERLAYS are not applied", warning=True)
        if label.fdt is not None:
            return None if label.fdt == "-" else self._files.locate(label.fdt)
        soc, board = soc_and_board(self._guest.board)
        if label.fdtdir is None or not (soc or board):
            return None
        slash = "" if label.fdtdir.endswith("/") else "/"
        name = f"{label.fdtdir}{slash}{soc}{'-' if soc and board else ''}{board}.dtb"
        if (yield from self._files.exists(name)):
            return self._files.locate(name)
        yield Log(f"no device tree {printable(name)!r}: going on without", warning=True)
        return None

    def menu(self) -> BootMenu:
        """List the labels in order."""
        config = self._config
        return BootMenu(
            tuple(self._list_entry(label) for label in config.labels), config.default, config.title
        )

    def _list_entry(self, label: UbootLabel) -> Entry:
        if label.localboot is not None:
            return Entry(label.name, Action.LOCALBOOT, title=label.title)
        try:
            return self._entry(label)
        except ConfigError:  # listed all the same: it was not chosen
            return Entry(label.name, Action.BOOT, cmdline=label.append, title=label.title)


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Replace ``${name}`` and ``$(name)`` as U-Boot's simple parser does; unknown ones are empty.

    It also takes one level of backslashes away, and single quotes, between which nothing is replaced
    (common/cli_simple.c).
    """
    out: list[str] = []
    at = 0
    quoted = False
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\" and not quoted:
            out.append(text[at : at + 1])
            at += 1
        elif char == "'":
            quoted = not quoted
        elif char == "$" and not quoted and text[at : at + 1] in ("(", "{"):
            end = min((i for i in (text.find(")", at), text.find("}", at)) if i >= 0), default=len(text))
            out.append(values.get(text[at + 1 : end], "") if end < len(text) else "")
            at = end + 1
        else:
            out.append(char)
    return "".join(out)


def uboot_source(source: BootSource, path_prefix: Optional[str]) -> BootSource:
    """Give ``source`` as U-Boot sees it: names stand in the boot file's directory; it knows no option 210."""
    location, prefix = source.bootfile, path_prefix
    if prefix is None and location is not None:
        directory = str(location).partition("?")[0].rpartition("/")[0] + "/"
        if location.scheme == "tftp":
            directory = f"{location.host}::{''.join(location.path.rpartition('/')[:2])}"
        prefix = directory
    return replace(source, kind=Kind.PXELINUX, prefix=as_prefix(prefix or ""))
