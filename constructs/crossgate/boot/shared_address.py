"""An address that machines share by VRRP (keepalived): the first of those that are well has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.model.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.text import TextLike

_PROGRAM = "/usr/local/lib/crossgate/vip"
_FIRST = 200

# Unicast, because switches filter multicast; ten advertisements a second, so that a dead machine is
# left after a third of one; nopreempt, so that its return moves nothing. Version 3 is what allows
# less than a second. A balancer's process that is killed is back within half a second, and until
# then clients wait in its sockets, which systemd keeps: were the address to move at the first check
# that fails, they would wait for ever. keepalived takes whole seconds only between two checks.
_FIND = """; do
  found=$(ip -oneline -4 address show to "$machine/32" | awk '{ print $2; exit }')
  if [ -n "$found" ]; then
    own=$machine interface=$found rank=$priority
  else
    peers="$peers        $machine
"
  fi
  priority=$((priority - 1))
done
if [ -z "$own" ]; then
  echo "this machine has no address of those that share one" >&2
  exit 1
fi
cat >/run/crossgate-vip.conf <<END
global_defs {
    router_id $own
    vrrp_version 3
    enable_script_security
    script_user root
}

vrrp_script balancer {
    script "/usr/bin/curl --silent --fail --output /dev/null --max-time 1 @HEALTH@"
    interval 1
    timeout 2
    fall 2
    rise 1
}

vrrp_instance entry {
    state BACKUP
    nopreempt
    interface $interface
    virtual_router_id @ROUTER@
    priority $rank
    advert_int 0.1
    unicast_src_ip $own
    unicast_peer {
$peers    }
    virtual_ipaddress {
        """
_RUN = """
    }
    track_script {
        balancer
    }
}
END
exec /usr/sbin/keepalived --vrrp --dont-fork --log-console \\
  --use-file=/run/crossgate-vip.conf --pid=/run/crossgate-vip.pid \\
  --vrrp_pid=/run/crossgate-vip-vrrp.pid
"""

# Not keepalived.service: that one belongs to whoever already runs keepalived on the machine.
_UNIT = f"""\
[Unit]
Description=Shared address of the balancers of Crossgate
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={_PROGRAM}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def shared_address_document(
    address: TextLike, machines: Sequence[TextLike], *, health: str, router: int
) -> Document:
    """Return what makes a machine share an address with others, the same for all of them.

    Args:
        address: what is shared, with the length of its prefix.
        machines: the machines' own addresses; the first has the shared one to begin with.
        health: where a machine asks itself whether it is well, an HTTP address.
        router: the number of the group in VRRP, 1 to 255.

    """
    listed = [part for machine in machines for part in (" ", machine)]
    head = f"""\
#!/bin/sh
# Shares an address with other machines, on the interface that has this machine's own.
set -eu
own='' interface='' rank='' peers='' priority={_FIRST}
for machine in"""
    find = _FIND.replace("@HEALTH@", health).replace("@ROUTER@", str(router))
    return Document(
        label="vip",
        packages=("curl", "iproute2", "keepalived"),
        files=(File(_PROGRAM, Text.of(head, *listed, find, address, _RUN), mode=0o755),),
        units=(Unit("crossgate-vip.service", _UNIT),),
    )
