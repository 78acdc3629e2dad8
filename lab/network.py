"""The networks of a lab: a switch for each site, and one router between them.

All of it is in network namespaces of its own, so that nothing of the host's network is touched:
`cg-NAME` is the router, which has a bridge for each site and the first address of each site's
range; a machine is in a namespace of its own, `cg-NAME.MACHINE`; clients that are no machines, a
load generator, are in `cg-NAME.clients`.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.command import output, said
from lab.registry import NAMESPACES, Order, check_name, delete_namespace
from tools.toolbox import ToolError

CLIENTS = "clients"
"""The site, and the namespace, that load is sent from."""

_CLONE_NEWNET = 0x40000000
# What is cut off vanishes without a word: packets from one range to another, both ways. And no
# router of a cloud tells a client that a machine is gone, as Linux does when its ARP has no answer.
_FILTER = """\
table inet lab {
  set cut { type ipv4_addr . ipv4_addr; flags interval; }
  chain arriving { type filter hook prerouting priority raw; ip saddr . ip daddr @cut drop; }
  chain leaving {
    type filter hook output priority raw;
    ip saddr . ip daddr @cut drop
    icmp type destination-unreachable drop
  }
}
"""
_DISABLED, _FORWARDING = "0", "3"  # bridge(8), "state"
_ROUTER = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
)


class Network:
    """The networks of one lab.

    Args:
        router: name of the router's namespace.
        sites: the range of each site, by name; one may be called `clients`.

    """

    def __init__(self, router: str, sites: Mapping[str, str]) -> None:
        self.router = router
        self.clients = self.namespace(CLIENTS)
        self.sites = {}
        for name, given in sites.items():
            try:
                self.sites[check_name(name, "site")] = ipaddress.IPv4Network(given)
            except ValueError as error:
                raise ToolError(
                    f"site {name}: {error}.", do="write a range such as 10.20.0.0/16."
                ) from error

    def create(self) -> None:
        """Make the router, the sites, and the clients' namespace when there is such a site."""
        output("ip", "netns", "add", self.router)
        with entered(self.router):
            for name, value in _ROUTER:
                # Seen through /proc, settings of the network are those of the thread that looks.
                Path("/proc/sys", name).write_text(value)
        lines = ["link set lo up"]
        for name, network in self.sites.items():
            lines += [
                f"link add br-{name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"address add {network[1]}/{network.prefixlen} dev br-{name}",
                f"link set br-{name} up",
            ]
        _batch(self.router, lines)
        output("ip", "netns", "exec", self.router, "nft", "-f", "-", given=_FILTER)
        if CLIENTS in self.sites:
            self.attach(CLIENTS, CLIENTS, str(self.sites[CLIENTS][2]))

    def namespace(self, machine: str) -> str:
        """Return the name of a machine's network namespace."""
        return f"{self.router}.{machine}"

    def check(self, order: Order) -> None:
        """Raise ToolError when a machine cannot be put where it is ordered to be."""
        if order.site not in self.sites:
            raise ToolError(
                f"{order.name}: no site {order.site!r}.", do=f"have one of {', '.join(self.sites)}."
            )
        network = self.sites[order.site]
        try:
            address = ipaddress.IPv4Address(order.address)
        except ValueError:
            address = network[0]
        if address not in network or address in (network[0], network[1], network[-1]):
            raise ToolError(
                f"{order.name}: {order.address} is no address for a machine of site {order.site}.",
                do=f"take one from {network[2]} to {network[-2]}.",
            )

    def attach(self, name: str, site: str, address: str) -> None:
        """Make the namespace of a machine anew and connect it to its site.

        The hardware address follows from the IP address: a machine that takes the place of another
        is known to its neighbours at once, as it is in a cloud.
        """
        own = self.namespace(name)
        # The kernel takes its time to clear a deleted namespace, and so the link that leads there.
        said("ip", "-netns", self.router, "link", "delete", f"v-{name}")
        delete_namespace(own)
        network = self.sites[site]
        mac = "02:00:" + ipaddress.IPv4Address(address).packed.hex(":")
        output("ip", "netns", "add", own)
        peer = f"peer name eth0 address {mac} netns {own}"
        _batch(
            self.router,
            [f"link add v-{name} type veth {peer}", f"link set v-{name} master br-{site} up"],
        )
        _batch(
            own,
            [
                "link set lo up",
                f"address add {address}/{network.prefixlen} dev eth0",
                "link set eth0 up",
                f"route add default via {network[1]}",
            ],
        )

    def silence(self, name: str) -> None:
        """Take a machine off the network so that no frame of it leaves any more."""
        if (NAMESPACES / self.router).exists():
            output("ip", "-netns", self.router, "link", "set", f"v-{name}", "down")

    def cut_off(self, name: str, *, cut: bool) -> None:
        """Swallow all frames to and from a machine, which keeps its link, or pass them again."""
        if not self._is_up(name):
            return  # it is off, and its link is made anew when it starts
        state = _DISABLED if cut else _FORWARDING
        link = ("link", "set", "dev", f"v-{name}")
        output("bridge", "-netns", self.router, *link, "state", state)

    def _is_up(self, name: str) -> bool:
        told = said("ip", "-netns", self.router, "-oneline", "link", "show", f"v-{name}")
        return ",UP" in told

    def cut_between(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Have packets between these pairs of ranges vanish, both ways, and no others."""
        both = [f"{a} . {b}, {b} . {a}" for a, b in pairs]
        lines = ["flush set inet lab cut"]
        if both:
            lines.append(f"add element inet lab cut {{ {', '.join(both)} }}")
        given = "\n".join(lines) + "\n"
        output("ip", "netns", "exec", self.router, "nft", "-f", "-", given=given)


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Make the sockets that this thread opens belong to a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open("rb") as home,
        (NAMESPACES / namespace).open("rb") as away,
    ):
        _set_namespace(libc, away.fileno())
        try:
            yield
        finally:
            _set_namespace(libc, home.fileno())


def _set_namespace(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _batch(namespace: str, lines: list[str]) -> None:
    output("ip", "-netns", namespace, "-batch", "-", given="\n".join(lines) + "\n")
