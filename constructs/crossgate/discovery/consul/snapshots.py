"""Snapshots of what the servers hold: a timer, its program, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from crossgate.boot.document import Command, Document, File, Unit
from crossgate.boot.program import PYTHON, program
from crossgate.boot.systemd import command_line
from crossgate.discovery.consul.acl import MANAGEMENT_TOKEN
from crossgate.discovery.consul.settings import HTTP_ADDRESS
from crossgate.model.snapshots import Snapshots
from crossgate.model.text import Reference, Text
from crossgate.model.units import whole_seconds
from crossgate.per_cloud import PerCloud, by_cloud
from crossgate.specs import Archive
from crossgate.terraform.secrets import random_key
from crossgate.terraform.variables import sensitive_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.contracts import Cloud
    from crossgate.model.text import TextLike
    from crossgate.terraform.engine import Construct

KEY_BYTES = 32
"""Length of a key before base64: what Fernet takes, half to encrypt and half to sign."""

RESTORE = "/usr/local/lib/crossgate/consul-restore"
"""What brings a snapshot back, run by a person as root on one of the servers."""

_FOLDER = "/var/lib/crossgate-snapshots"
_PROGRAM = "/usr/local/lib/crossgate/consul_snapshot.py"
_SETTINGS = "/etc/crossgate/consul-snapshot.json"
_KEY = "/etc/crossgate/consul-snapshot.key"
_STORE = "/usr/local/lib/crossgate/archive.py"
_STORE_SETTINGS = "/etc/crossgate/archive.json"
_NAME = "crossgate-snapshot"


def chosen(
    given: PerCloud[Snapshots | None], clouds: Sequence[Cloud], path: str
) -> dict[Cloud, Snapshots | None]:
    """Return the snapshots of every cloud.

    Where a mapping says nothing of a cloud they are taken if that needs nothing new: where disks
    outlive the machines.

    Raises:
        ConfigError: something else is given, or a mapping names another cloud.

    """
    found = by_cloud(
        given,
        clouds,
        kind=(Snapshots, type(None)),
        default=None,
        argument="snapshots",
        path=path,
    )
    if not isinstance(given, Mapping):
        return found
    return {
        cloud: found[cloud] if cloud in given else (Snapshots() if cloud.keeps_disks else None)
        for cloud in clouds
    }


def archive(snapshots: Snapshots, cluster: str) -> Archive:
    """Return the place for the snapshots of a cluster."""
    return Archive(
        name=cluster,
        keep=snapshots.keep,
        program=(PYTHON, _STORE, _STORE_SETTINGS),
        to=snapshots.to,
    )


def key(scope: Construct, snapshots: Snapshots) -> Reference:
    """Return the key that encrypts them: the user's variable, or one that Terraform makes."""
    variable = snapshots.key_variable
    if variable is None:
        return random_key(scope, "snapshots", length=KEY_BYTES)
    return sensitive_variable(scope, variable, kind="string")


def snapshot_document(
    snapshots: Snapshots, *, key: TextLike, store: Sequence[str], each: bool
) -> Document:
    """Return what has a server take snapshots of the cluster, and bring one back.

    Args:
        snapshots: how often, and how long they are kept.
        key: 32 bytes in base64.
        store: the program that keeps them, and its first words.
        each: whether each server takes its own; otherwise the leader does.

    """
    settings = {
        "agent": f"http://{HTTP_ADDRESS}",
        "consul": "/usr/bin/consul",
        "each": each,
        "folder": _FOLDER,
        "keep": whole_seconds(snapshots.keep, "Snapshots: keep"),
        "key": _KEY,
        "store": list(store),
        "token": MANAGEMENT_TOKEN,
    }
    call = [PYTHON, _PROGRAM, _SETTINGS]
    return Document(
        label="snapshots",
        packages=("python3", "python3-cryptography"),
        files=(
            program(_PROGRAM, "crossgate.discovery.consul.programs", "consul_snapshot"),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
            File(_KEY, Text.of(key, "\n"), mode=0o600),
            File(RESTORE, _RESTORE.format(call=" ".join(call)), mode=0o755),
        ),
        before=(Command(f"install -d -m 0755 {_FOLDER}"),),
        units=(
            Unit(
                f"{_NAME}.service", _UNIT.format(call=command_line([*call, "save"])), enable=False
            ),
            Unit(
                f"{_NAME}.timer",
                _TIMER.format(every=whole_seconds(snapshots.every, "Snapshots: every")),
            ),
        ),
        makes=(_FOLDER,),
    )


_RESTORE = """\
#!/bin/sh
# Brings a snapshot of Consul back, or lists them: consul-restore [list | NAME] [OPTION]...
umask 077
case ${{1-}} in
list) exec {call} list ;;
*) exec {call} restore "$@" ;;
esac
"""

# Consul comes first: what takes snapshots gets what it leaves, a gigabyte of memory and ten
# minutes at most, and no file of it outgrows the largest snapshot that is kept, encrypted.
_UNIT = """\
[Unit]
Description=Takes a snapshot of Consul and keeps it elsewhere
Wants=network-online.target
After=network-online.target consul.service

[Service]
Type=oneshot
ExecStart={call}
TimeoutStartSec=600
Nice=10
IOSchedulingClass=idle
MemoryMax=1G
LimitFSIZE=128M
UMask=0077
CapabilityBoundingSet=CAP_DAC_OVERRIDE
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=full
"""

# The servers start together, and not all of them need to ask at the same second. A snapshot that
# fails is tried again when the next one is due.
_TIMER = """\
[Unit]
Description=When a snapshot of Consul is due

[Timer]
OnActiveSec=5min
OnUnitActiveSec={every}
RandomizedDelaySec=30
AccuracySec=10

[Install]
WantedBy=timers.target
"""
