"""``pypxeboot-virt migrate``: a guest goes to another host, with the kernel and initrd that it runs by.

libvirt wants to find both under the names that they have here, and QEMU reads the initrd again when the guest
is reset. They are sent through libvirt itself, as volumes, whatever way leads to the other host; their
digests are in the metadata of the running domain, and are compared before, and by the other host's hook.
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from pypxeboot.errors import UsageError
from pypxeboot.text import printable
from pypxeboot.virt import arrival, boot_files, domain_xml
from pypxeboot.virt.connection import DomainHandle, MigrationOptions, RemoteHost


def migrate(target: DomainHandle, uri: str, options: MigrationOptions) -> str:
    """Migrate a domain; return the line that tells. Raises PxeBootError before anything is lost."""
    shown, active = printable(target.name), target.is_active()
    offline = "offline" in options.words
    if active == offline:
        state, hint = ("runs", "leave --offline out") if active else ("is off", "--offline --persistent")
        raise UsageError(f"domain {shown} {state}", hint=hint)
    if offline and "persistent" not in options.words:
        raise UsageError("without --persistent nothing is left of a domain that is off")
    xml: Optional[str] = None
    text = target.stored_xml() if target.is_persistent() else ""
    if active:
        root = domain_xml.parse(target.migratable_xml())
        arrival.check_files(root)
        if arrival.reboots_by_itself(root):
            xml = domain_xml.serialised(root)
        text += target.migratable_xml()
    remote = RemoteHost(uri)
    files = sorted({Path(name) for name in boot_files.named(text)})
    for directory in sorted({path.parent for path in files}):
        remote.put(directory, [path for path in files if path.parent == directory])
    target.migrate(remote, xml, options)
    sent = f", with {len(files)} files" if files else ""
    return f"domain {shown} is migrated{sent}\n"
