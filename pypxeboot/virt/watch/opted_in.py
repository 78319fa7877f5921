"""The domains that opt in, kept by libvirt's events: to be known before anything is asked when one starts."""

from __future__ import annotations

import logging
from typing import Optional

from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.text import printable
from pypxeboot.virt import boot_files, domain_xml, hook_paths, start
from pypxeboot.virt.connection import DomainHandle
from pypxeboot.virt.hook import files as hook_files
from pypxeboot.virt.hook_paths import HookFiles
from pypxeboot.virt.records import record

log = logging.getLogger(__name__)


class OptedIn:
    """UUIDs of domains that opt in, each with the files that the hook fills for it, if any."""

    def __init__(self) -> None:
        self._known: dict[str, Optional[HookFiles]] = {}
        self._told: dict[str, str] = {}
        self._errors: dict[str, str] = {}

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._known

    def read(self, target: DomainHandle) -> None:
        """Read what a domain's definition says; tell, once, what of it is not understood.

        Raises HandoverError.
        """
        self.forget(target.uuid)
        try:
            text, said = target.stored_xml(), ""
            if domain_xml.OURS not in text:  # whatever else is in it
                self._told.pop(target.uuid, None)
                return
            root = domain_xml.parse(text)
            wish = domain_xml.domain(root).wish
            if wish is not None and target.is_persistent():
                self._known[target.uuid] = hook_paths.files(root)
            elif wish is not None and hook_paths.files(root) is None:
                alone = domain_xml.without_us(root)
                said = f"it is transient (virsh create), and {alone}: virsh define it first"
                log.warning("domain %s: %s", printable(target.name), said)
        except UsageError as why:
            said = self._errors[target.uuid] = why.message
            if self._told.get(target.uuid) != said:
                log.error("domain %s: %s: it is not let boot its disk", printable(target.name), said)
        self._told[target.uuid] = said

    def forget(self, uuid: str) -> None:
        """Forget a domain."""
        self._known.pop(uuid, None)
        self._errors.pop(uuid, None)

    def error(self, uuid: str) -> str:
        """Return what of a domain's opt-in is not understood; "" where there is nothing."""
        return self._errors.get(uuid, "")

    def waits_for_boot(self, uuid: str) -> bool:
        """Whether a domain that begins to run opts in, and was booted neither by the hook nor by start."""
        if uuid not in self._known:
            return False
        files = self._known[uuid]
        if boot_files.is_being_booted(uuid) or (files is not None and hook_files.exist(files)):
            return False
        return not record.is_fresh(uuid)  # else start was quicker than libvirt's word of it


def is_served(target: DomainHandle) -> bool:
    """Whether a domain that runs was booted by us, or by the hook."""
    try:
        live = domain_xml.parse(target.live_xml())
        files = hook_paths.files(live)
        hooked = files is not None and hook_files.exist(files)
        return target.is_active() and (hooked or start.is_booted(target, live))
    except HandoverError:  # it is gone
        return False
