"""How a machine leaves: out of the balancers' lists first, then its services stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.boot.document import Command, Document, File, Unit
from crossgate.model.units import whole_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.model.service import Service

_LEAVE = "/usr/local/lib/crossgate/leave"
# In maintenance a service leaves the balancers' lists. It takes them up to a second to notice
# (consul-template's `wait`) and some more to tell HAProxy.
_LEAVE_TEXT = """\
#!/bin/sh
# Takes this machine out of the balancers' lists; then what is in hand has some time to end.
if systemctl --quiet is-active consul; then
{enable}
fi
sleep 3
drain() {{ # SECONDS PORT
  left=$1
  # What comes from the machine itself are its checks.
  while [ "$left" -gt 0 ] &&
    ss -Hnt state established "( sport = :$2 and not dst 127.0.0.0/8 )" | grep -q .; do
    sleep 1
    left=$((left - 1))
  done
}}
"""
_STOP_SECONDS = 15  # beside the drain

# Maintenance outlives a reboot, so it ends where the machine starts.
_LEAVING = f"""\
[Unit]
Description=Out of the balancers' lists before the services stop
After=consul.service {{after}}

[Service]
Type=oneshot
RemainAfterExit=yes
{{starts}}
ExecStop=/bin/sh {_LEAVE}
TimeoutStopSec={{seconds}}

[Install]
WantedBy=multi-user.target
"""


def leaving_document(services: Sequence[Service]) -> Document:
    """Return what takes a machine that is being stopped out of the balancers' lists first.

    systemd stops what is ordered after others before them: the machine is gone from the lists, and
    its connections have had their time, when its services are told to end, whoever stops it: a
    person, its cloud as a group shrinks or rolls, or a spot market.
    """
    drains = {service.port: whole_seconds(service.drain) for service in services}
    enable = "\n".join(f"  {_maintenance(one, 'enable')} -reason=leaving" for one in services)
    disable = [_maintenance(one, "disable") for one in services]
    script = _LEAVE_TEXT.format(enable=enable)
    script += "".join(f"drain {long} {port}\n" for port, long in drains.items())
    unit = _LEAVING.format(
        starts="\n".join(
            f"ExecStart=/bin/sh -c 'until {one}; do sleep 1; done'" for one in disable
        ),
        after=" ".join(f"{service.name}.service" for service in services),
        seconds=_STOP_SECONDS + sum(drains.values()),
    )
    return Document(
        label="leave",
        packages=("iproute2",),
        files=(File(_LEAVE, script, mode=0o755),),
        units=(Unit("crossgate-leave.service", unit),),
        leave=(Command(_LEAVE),),
        rejoin=[Command(line) for line in disable],
    )


def _maintenance(service: Service, what: str) -> str:
    return f"consul maint -{what} -service={service.name}"
