"""A line with delay and loss, where the kernel was built without netem: `python -m lab.delay`.

Packets that leave an interface are led to a tap device that this program reads, and come out of
that same interface when their time has come, past its queueing disciplines. It ends by SIGKILL;
the `clsact` discipline with the filter that leads to it is taken away by whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import random
import socket
import struct

from lab.command import output

# linux/if_tun.h, linux/if_packet.h: a tap without headers of its own; past the discipline, so that
# what is sent is not led back here. A tap takes no unfinished packets: the kernel splits large ones
# and fills checksums in before it hands them over.
_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_SOL_PACKET = 263
_PACKET_QDISC_BYPASS = 20
_LARGEST_FRAME = 65536


def main() -> None:
    """Delay the packets that leave one interface, until killed."""
    parser = argparse.ArgumentParser(prog="python -m lab.delay", description=__doc__)
    parser.add_argument("interface")
    parser.add_argument("--tap", required=True, help="name of the tap device to make")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds; default 0")
    parser.add_argument("--loss", type=float, default=0, help="per cent; default 0")
    given = parser.parse_args()
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", given.tap.encode(), _IFF_TAP | _IFF_NO_PI))
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    line.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
    line.bind((given.interface, 0))
    line.settimeout(0)
    output("ip", "link", "set", given.tap, "addrgenmode", "none", "up")
    output("tc", "qdisc", "add", "dev", given.interface, "clsact")
    redirect = ("action", "mirred", "egress", "redirect", "dev", given.tap)
    filtered = (
        "dev",
        given.interface,
        "egress",
        "protocol",
        "all",
        "u32",
        "match",
        "u32",
        "0",
        "0",
    )
    output("tc", "filter", "add", *filtered, *redirect)
    asyncio.run(_carry(tap, line, given.delay / 1000, given.loss / 100))


async def _carry(tap: int, line: socket.socket, delay: float, loss: float) -> None:
    loop = asyncio.get_running_loop()

    def send(frame: bytes) -> None:
        try:
            line.send(frame)
        except OSError:
            return  # the queue of the interface is full, or it is down: a packet is lost

    def take() -> None:
        while True:
            try:
                frame = os.read(tap, _LARGEST_FRAME)
            except BlockingIOError:
                return
            if random.random() >= loss:  # noqa: S311  (which packets are lost is no secret)
                loop.call_later(delay, send, frame)

    loop.add_reader(tap, take)
    await loop.create_future()


if __name__ == "__main__":
    main()
