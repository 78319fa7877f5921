"""The test ground: network namespaces with real servers, and a kernel that says what it was handed.

    tools.py     what must be installed, and where the cache is
    net.py       Site: hypervisor and server namespaces, and runs of pypxeboot in them
    servers.py   dnsmasq, ISC dhcpd, Kea, tftpd-hpa, atftpd, nginx, lighttpd, and DHCP by a script
    site6.py     IPv6 at a site: addresses, DHCPv6 servers, routers
    simple.py    the site that most tests serve, and what a boot of it must have left
    ovs.py       a switch of Open vSwitch in user space
    guests.py    a guest that is already running: one more port with the same MAC
    kernels.py   the probe kernel, and QEMU to boot it
    libvirt.py   a libvirtd of the tests' own, with domains on a bridge and on a libvirt network
    sources.py   sources of other projects, with our patches on them
"""  # fmt: skip

from tests.support.ground.net import BRIDGE, MAC, SECOND_SERVER, SERVER, UUID, Run, Site, wait_until

__all__ = ["BRIDGE", "MAC", "SECOND_SERVER", "SERVER", "UUID", "Run", "Site", "wait_until"]
