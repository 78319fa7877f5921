"""What the hook leaves to a process that outlives it: only that can ask libvirt for anything.

It has a domain that was started tell by which files it runs, or reboot where nobody waits for that; or it
removes files that nothing needs any more.
"""

from __future__ import annotations

import logging

from pypxeboot.errors import HandoverError, PxeBootError
from pypxeboot.privsep import fork
from pypxeboot.text import printable
from pypxeboot.virt import arrival, boot_files, domain_xml, live_xml, start
from pypxeboot.virt.connection import Connection
from pypxeboot.virt.domain_xml import LIVE_NAMESPACE
from pypxeboot.virt.hook import hooked_boot

log = logging.getLogger(__name__)

_URI = "qemu:///system"  # the one whose hooks are in /etc
_TRIES = 10  # of half a minute each, by libvirt's own patience with what else is done to a domain


def begin(uuid: str, run: str) -> None:
    """Begin that process for the domain ``uuid``; ``run`` is libvirt's number of its run, "" if it is off."""
    try:
        fork.leave_behind(lambda: _see_to(uuid, run))
    except OSError as why:
        log.warning("cannot look after the files of the boot: %s", why.strerror)


def _see_to(uuid: str, run: str) -> None:
    """Be that process."""
    try:
        connection = Connection(_URI)
        if run.isdecimal():
            _on_run(connection, uuid, int(run))
        else:
            boot_files.sweep(lambda: start.needed(connection))
    except PxeBootError as why:
        log.warning("%s", printable(why.message, 2000))


def _on_run(connection: Connection, uuid: str, run: int) -> None:
    """Do what the run of a domain has to be told, unless it is over."""
    told = hooked_boot.find(uuid)
    for number in range(_TRIES):
        target = connection.target(uuid)
        if target.number() != run:
            return
        try:
            if told is not None:
                target.show(LIVE_NAMESPACE, live_xml.KEY, live_xml.shown(told))
            elif arrival.reboots_by_itself(domain_xml.parse(target.live_xml())):
                target.set_on_reboot(restart=True)
        except HandoverError:
            if number + 1 == _TRIES:
                raise
            continue
        hooked_boot.forget(uuid)
        return
