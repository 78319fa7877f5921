"""``pypxeboot-virt check``: what of a domain's definition will surprise, before it is started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from pypxeboot.config.retry import NEVER
from pypxeboot.config.settings import BootSettings
from pypxeboot.doctor.findings import Finding, fail, ok, warn
from pypxeboot.errors import NoLease, PxeBootError, UsageError
from pypxeboot.text import printable
from pypxeboot.virt import boot, domain_xml, hook_paths, live_xml
from pypxeboot.virt.admin import domains
from pypxeboot.virt.connection import Connection, DomainHandle
from pypxeboot.virt.domain_xml import Domain, Interface
from pypxeboot.virt.records import marks

_KINDS = ("bridge", "network", "direct")


def findings(connection: Connection, target: DomainHandle, settings: BootSettings) -> Iterator[Finding]:
    """Yield what is found of a domain; the hint of each says what to do. Raises HandoverError."""
    root = domain_xml.parse(target.stored_xml())
    try:
        about = domain_xml.domain(root)
    except UsageError as why:
        yield fail("opt-in", why)
        return
    yield from _opt_in(root, about, target)
    yield from _boot_order(root, about, target)
    yield from _interfaces(connection, about)
    yield from _actions(root, about)
    yield from _saved(target)
    policy = boot.retry_policy(settings, about, rebooted=False)
    if policy == NEVER:
        yield warn(
            "retry",
            "a start that fails is not tried again (a reboot that fails is, by watch and run)",
            'retry="10,300" in the metadata, or in pypxeboot.conf, where the servers may come up later',
        )
    else:
        yield ok("retry", f"a boot that fails is tried again: {policy}")


def _opt_in(root: Element, about: Domain, target: DomainHandle) -> Iterator[Finding]:
    shown = printable(target.name)
    if about.wish is None:
        hint = f"virsh metadata {shown} {domain_xml.NAMESPACE} --config --key pypxeboot --set '<boot/>'"
        yield warn("opt-in", "it does not opt in: only pypxeboot-virt start and run boot it", hint)
        return
    persistent, files = target.is_persistent(), hook_paths.files(root)
    served = domains.served_by(root, persistent=persistent)
    if served:
        yield ok("opt-in", f"it opts in, and is booted by {' and '.join(served)}")
    elif not persistent:
        yield warn("opt-in", "it is transient (virsh create): watch boots defined domains", "virsh define it")
    elif files is not None:
        hint = (
            "install scripts/libvirt-hook as /etc/libvirt/hooks/qemu.d/pypxeboot; systemctl reload libvirtd"
        )
        yield warn(
            "opt-in", f"it names {files.config or files.kernel}, but there is no hook to fill it", hint
        )
    else:
        hint = "systemctl enable --now pypxeboot-virt"
        alone = domain_xml.without_us(root)
        text = f"it opts in, but no pypxeboot-virt watch runs: with virsh start {alone}"
        if domains.has_hook():
            hint += "; or name the hook's file, with xmlns:qemu on <domain>, without which libvirt drops it"
            text = f"it opts in, but names no file for the hook, and no pypxeboot-virt watch runs: {alone}"
            if marks.is_service_enabled():
                text = "watch is enabled and does not run: the hook refuses the start until it does"
                hint = "systemctl status pypxeboot-virt"
        yield warn("opt-in", text, hint)
    if root.findtext("os/kernel") and (files is None or not files.direct):
        yield warn("kernel", "its own <kernel> is not what the network gives", "remove <kernel> and <initrd>")
    if live_xml.told(root) is not None:
        yield warn(
            "definition",
            "it was made of the XML of a run: it names the files of that boot, which therefore stay",
            "virsh edit: remove <kernel>, <initrd>, <cmdline> and <pypxeboot-live:booted>",
        )


def _boot_order(root: Element, about: Domain, target: DomainHandle) -> Iterator[Finding]:
    devices = {element.get("dev", "") for element in root.findall("os/boot")}
    others = devices - {"network"} or {e.tag for e in root.findall("devices/*[boot]") if e.tag != "interface"}
    if not others:
        yield ok("order", "the network is its only boot device")
    elif about.wish is not None and not domains.has_hook() and about.has_disk:
        text = f"{', '.join(sorted(others))} is in its boot order, and may begin to boot before watch"
        if target.starts_with_host():
            text += " is there at all, when the host comes up (virsh autostart): no hook is installed"
        else:
            text += " has suspended it, on a busy host where no hook is installed"
        hint = "let <boot dev='network'/> be the only one: LOCALBOOT boots the disk all the same"
        yield warn("order", text, hint)


def _interfaces(connection: Connection, about: Domain) -> Iterator[Finding]:
    if not about.interfaces:
        yield fail("link", UsageError("it has no network interface", hint="virsh attach-interface"))
    for interface in about.interfaces:
        yield _interface(connection, interface)


def _interface(connection: Connection, interface: Interface) -> Finding:
    where = (
        interface.source.get("bridge") or interface.source.get("dev") or interface.source.get("network", "")
    )
    shown = f"interface {interface.mac} ({printable(interface.kind, 40)} {printable(where, 60)})"
    if interface.kind not in _KINDS:
        text = f"{shown} is on no bridge that is known here"
        return fail("link", UsageError(text, hint="--bridge or --interface names it to start and run"))
    if interface.down:
        return fail(
            "link", NoLease(f"the link of {shown} is down", hint="virsh domif-setlink ... up --config")
        )
    try:
        if interface.kind == "network":
            connection.network_xml(where)
        elif not Path("/sys/class/net", where or "-").exists():
            return warn(
                "link", f"{shown}: there is no {printable(where, 60)} on this host", "ip link lists them"
            )
    except PxeBootError as why:
        return fail("link", why)
    return ok("link", f"{shown} is there")


def _actions(root: Element, about: Domain) -> Iterator[Finding]:
    if root.findtext("on_reboot") == "destroy":
        hint = "<on_reboot>restart</on_reboot>; watch and run see to reboots by themselves"
        yield warn(
            "actions", "on_reboot is destroy: after start or the hook, a reboot turns the guest off", hint
        )
    for name in ("on_poweroff", "on_crash"):
        if root.findtext(name) == "restart":
            hint = f"<{name}>destroy</{name}>"
            yield warn("actions", f"{name} is restart: QEMU then boots the same kernel again", hint)
    firmware = root.find("os")
    if firmware is not None and (firmware.get("firmware") == "efi" or firmware.find("loader") is not None):
        hint = "it has to have an EFI stub; with Secure Boot, a signature that the firmware trusts"
        yield warn("firmware", "its firmware is UEFI, which starts the kernel itself", hint)


def _saved(target: DomainHandle) -> Iterator[Finding]:
    if target.has_saved_state():
        hint = f"virsh managedsave-remove {printable(target.name)} gives it up"
        yield warn("saved", "its next start goes on from its saved state: the network is not asked", hint)
