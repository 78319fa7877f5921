"""The kinds of link by what ``--link`` says of them: one row each.

A new kind is a module with a subclass of :class:`~pypxeboot.links.link.Link`, and a row here; what is to be
found without being asked for stands in the row of ``auto`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping

LINKS: Mapping[str, tuple[str, ...]] = {
    "auto": ("bridge.LinuxBridge", "openvswitch.OpenVSwitch", "macvlan.Macvlan"),
    "veth": ("bridge.LinuxBridge", "openvswitch.OpenVSwitch"),
    "macvlan": ("macvlan.Macvlan",),
    "routed": ("routed.Routed",),
    "host": ("host.HostLink",),
}
"""The choices of ``--link``, and the classes of this package that each may mean: the first that fits."""
