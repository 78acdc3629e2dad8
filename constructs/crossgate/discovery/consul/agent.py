"""The Consul agent of a machine, server or client: its configuration files and its unit."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from crossgate.boot.document import Command, Document, File, Unit, User
from crossgate.boot.hashicorp import hashicorp
from crossgate.boot.program import program
from crossgate.discovery.consul.acl import (
    KEYRING,
    Gossip,
    Tokens,
    acl_file,
    role_of,
    tokens_document,
)
from crossgate.discovery.consul.leaving import leaving_document
from crossgate.discovery.consul.programs.consul_tokens import SERVER
from crossgate.discovery.consul.registration import registration
from crossgate.discovery.consul.settings import (
    CONFIG_DIRECTORY,
    DATA_DIRECTORY,
    DOMAIN,
    FELLOWS,
    NODE,
    SERF_WAN,
    TLS_DIRECTORY,
    USER,
    Versions,
)
from crossgate.model.text import json_text
from crossgate.specs import Tagged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.model.service import Service
    from crossgate.model.text import Reference, TextLike
    from crossgate.specs import Join

WATCH = "/usr/local/lib/crossgate/consul_watch.py"
"""Where the program lies by which others on the machine ask Consul who is alive."""

_Settings = dict[str, object]
_KEPT = f"{DATA_DIRECTORY}/serf/local.keyring"
_KEPT_WAN = f"{DATA_DIRECTORY}/serf/remote.keyring"
_WAN_DROP_IN = "/etc/systemd/system/consul.service.d/crossgate-wan.conf"
_PORTS = {"grpc": -1, "grpc_tls": -1}
_INSTANCE = "/var/lib/cloud/data/instance-id"
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+,-]+\Z")


def server_document(
    *,
    datacenter: str,
    gossip: Gossip,
    authority: TextLike,
    certificate: TextLike,
    key: TextLike,
    tokens: Tokens,
    join: Join,
    expected: int,
    wan: Sequence[TextLike] | None = None,
    versions: Versions | None = None,
) -> Document:
    """Return what makes a machine a Consul server.

    A new cluster elects its first leader when `expected` servers see each other. A server that
    replaces another carries the same number and does not start a second cluster: Consul drops it
    when there is raft data on the disk, or when any server it sees reports raft peers
    (`maybeBootstrap` in agent/consul/server_serf.go; tests/live proves both). What is left is a
    survivor that answers gossip but no RPC for over a minute.

    Args:
        datacenter: its name, that of the cloud.
        gossip: its keys.
        authority: certificates of who signs the servers' ones, PEM.
        certificate: that of a server, good for `server_name(datacenter)`, PEM.
        key: its private key, PEM.
        tokens: those of the datacenter.
        join: how the servers find each other.
        expected: how many servers there are.
        wan: servers of other datacenters, of those that can be known before; None (default): this
            datacenter stands for itself.
        versions: what to install; default the ones of `Versions()`.

    """
    settings = _common(datacenter, join) | _server(expected) | _federated(wan)
    files = [
        _secret("ca.pem", authority),
        _secret("server.pem", certificate),
        _secret("server.key", key),
    ]
    return Document.merge(
        _document(settings, gossip, tokens, SERVER, files, versions),
        *([] if wan is None else [_wan_document()]),
        tokens_document(tokens),
    )


def client_document(
    *,
    datacenter: str,
    gossip: Gossip,
    authority: TextLike,
    tokens: Tokens,
    join: Join,
    services: Sequence[Service] = (),
    tags: Mapping[str, Reference] = MappingProxyType({}),
    balancer: str | None = None,
    versions: Versions | None = None,
) -> Document:
    """Return what makes a machine a member that announces its services.

    Args:
        datacenter: its name, that of the cloud.
        gossip: its keys.
        authority: certificates of who signs the servers' ones, PEM; they give it its own one.
        tokens: those of the datacenter.
        join: how it finds the servers.
        services: what the machine runs; each is registered with its check.
        tags: a list in JSON of all tags of a service, by its name; default: its own alone.
        balancer: what the balancers are called of which it is one; default: it is none.
        versions: what to install; default the ones of `Versions()`.

    """
    settings = _common(datacenter, join) | _client()
    marks = {} if balancer is None else {FELLOWS: balancer}
    announced = [registration(service, tags.get(service.name)) for service in services]
    files = [_secret("ca.pem", authority), *announced]
    role = role_of(services)
    return _document(settings, gossip, tokens, role, files, versions, services, marks)


def watch_document() -> Document:
    """Return the program by which others on the machine ask Consul who is alive."""
    return Document(
        label="consul-watch",
        packages=("python3",),
        files=(program(WATCH, "crossgate.discovery.consul.programs", "consul_watch"),),
    )


def _document(
    settings: Mapping[str, object],
    gossip: Gossip,
    tokens: Tokens,
    role: str,
    more: Sequence[File],
    versions: Versions | None,
    services: Sequence[Service] = (),
    marks: Mapping[str, str] = MappingProxyType({}),
) -> Document:
    of = versions or Versions()
    # Keys have a file of their own: whoever shows the settings does not show the secret.
    return Document.merge(
        hashicorp("consul", of.consul if role == SERVER else of.of_agents),
        Document(
            label="consul",
            users=(User(USER, home=DATA_DIRECTORY),),
            before=(Command(f"install -d -o {USER} -g {USER} -m 0750 {DATA_DIRECTORY}"),),
            files=(
                _file("agent.json", {**settings, "node_meta": {**tokens.marks(role), **marks}}),
                gossip.keyring(),
                acl_file(tokens, role),
                *more,
            ),
            units=(Unit("consul.service", _UNIT.format(after="" if role == SERVER else _WAITS)),),
        ),
        *([leaving_document(services)] if services else []),
    )


def server_name(datacenter: str) -> str:
    """Return the name by which agents know a server of a datacenter, in its certificate."""
    return f"server.{datacenter}.{DOMAIN}"


def _secret(name: str, text: TextLike) -> File:
    return File(f"{TLS_DIRECTORY}/{name}", text, mode=0o640, owner=f"root:{USER}")


def _file(name: str, settings: Mapping[str, object]) -> File:
    text = json_text(settings, indent=2) + "\n"
    return File(f"{CONFIG_DIRECTORY}/{name}", text, mode=0o640, owner=f"root:{USER}")


def _common(datacenter: str, join: Join) -> _Settings:
    return {
        "datacenter": datacenter,
        "data_dir": DATA_DIRECTORY,
        # The private address of the interface with the default route: not a container bridge.
        "bind_addr": "{{ GetPrivateIP }}",
        "client_addr": "127.0.0.1",
        "ports": {**_PORTS, "serf_wan": -1},
        "retry_join": _retry_join(join),
        "retry_interval": "5s",
        "rejoin_after_leave": True,
        # A new machine gets a new identity; a copied or reused one could not rejoin before the old
        # one is reaped (hashicorp/consul#3070, #13037).
        "disable_host_node_id": True,
        "encrypt_verify_incoming": True,
        "encrypt_verify_outgoing": True,
        "tls": _tls(),
        "enable_script_checks": False,
        "enable_local_script_checks": False,
        "disable_remote_exec": True,
        "disable_update_check": True,
        "peering": {"enabled": False},
        "ui_config": {"enabled": False},
        # A dead machine is found in 1 to 3 seconds instead of 5 to 8. It costs each agent two
        # small packets a second instead of one, and a machine that stands still for longer than
        # that (a live migration) counts as dead until it answers again.
        "gossip_lan": {"probe_interval": "500ms", "probe_timeout": "200ms"},
        # Any server answers, not the leader alone, so reads outlive the loss of a leader.
        "discovery_max_stale": "10m",
        "dns_config": {"allow_stale": True, "max_stale": "10m", "only_passing": True},
        "telemetry": {"prometheus_retention_time": "10m", "disable_hostname": True},
        "log_level": "INFO",
    }


def _federated(wan: Sequence[TextLike] | None) -> _Settings:
    if wan is None:
        return {}
    # By their private addresses, as within a datacenter: that these are routed is what was said.
    return {
        "ports": {**_PORTS, "serf_wan": SERF_WAN[0].first},
        "retry_join_wan": list(wan),
        "retry_interval_wan": "5s",
    }


def _wan_document() -> Document:
    """Return what gives a server its keys for the gossip between datacenters."""
    keys = f"test -e {_KEPT_WAN} || install -D -m 0600 {KEYRING} {_KEPT_WAN}"
    return Document(
        label="consul-wan",
        files=[File(_WAN_DROP_IN, f"[Service]\nExecStartPre=/bin/sh -c '{keys}'\n")],
    )


def _tls(**own: object) -> _Settings:
    return {
        "defaults": {
            "ca_file": f"{TLS_DIRECTORY}/ca.pem",
            "tls_min_version": "TLSv1_2",
            "verify_outgoing": True,
            **own,
        },
        # Who has a certificate of the authority is not yet a server: the name says it.
        "internal_rpc": {"verify_server_hostname": True},
    }


def _server(expected: int) -> _Settings:
    return {
        "server": True,
        "tls": _tls(
            cert_file=f"{TLS_DIRECTORY}/server.pem",
            key_file=f"{TLS_DIRECTORY}/server.key",
            verify_incoming=True,
        ),
        # Agents have certificates of three days from the authority of Connect, of which nothing
        # else is used.
        "auto_encrypt": {"allow_tls": True},
        "connect": {"enabled": True},
        "bootstrap_expect": expected,
        # A server that restarts stays a voter; one that is gone for good is removed by autopilot,
        # as soon as a new one stands in for it and never below `expected`.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        "performance": {"raft_multiplier": 1},
        "autopilot": {
            "cleanup_dead_servers": True,
            # One election timeout at raft_multiplier 1: later than that a follower is not healthy.
            "last_contact_threshold": "1s",
            "server_stabilization_time": "10s",
            "min_quorum": expected,
        },
        # Dead servers are forgotten after the least time that Consul documents; see `_client`.
        "reconnect_timeout": "8h",
    }


def _client() -> _Settings:
    return {
        "server": False,
        "auto_encrypt": {"tls": True},
        "connect": {"enabled": False},
        "leave_on_terminate": True,
        "skip_leave_on_interrupt": False,
        # A machine that vanished without a word is reaped after this; the default is 72 hours
        # (hashicorp/consul#2982). `reconnect_timeout` itself must not go below 8 hours; this one,
        # which a client asks of the others for itself, may.
        "advertise_reconnect_timeout": "15m",
        "reconnect_timeout": "8h",
    }


def _retry_join(join: Join) -> list[TextLike]:
    if isinstance(join, Tagged):
        settings = {"provider": join.provider, **join.settings}
        return [" ".join(f"{key}={_discover_value(text)}" for key, text in settings.items())]
    return list(join.addresses)


def _discover_value(text: str) -> str:
    # go-discover splits at blanks and takes backslashes inside double quotes.
    if _PLAIN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# The first machine of a role waits until a server has made its token. What the agent has tried
# before it tries again in a minute, or when it is told to.
_WAITS = """\
ExecStartPost=/bin/sh -c 'until consul acl token read -self >/dev/null 2>&1; do \
test -n "$$waits" || echo "waits for its token of Consul"; waits=1; sleep 1; done; \
test -z "$$waits" || kill -HUP $MAINPID'
"""

# A unit of our own rather than a drop-in for the package's: that one differs between releases
# (its type, a condition on a file that we do not write), and this one serves a binary from
# anywhere. It is named alike and so takes the other's place. By the cloud's own id of the machine,
# which cloud-init writes, programs and people find its node.
_UNIT = f"""\
[Unit]
Description=Consul agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
User={USER}
Group={USER}
ExecStartPre=/bin/sh -c 'test -e {_KEPT} || install -D -m 0600 {KEYRING} {_KEPT}'
ExecStart=/bin/sh -c 'id=$$(cat {_INSTANCE} 2>/dev/null) && set -- -node-meta="instance:$$id"; \
exec /usr/bin/consul agent -config-dir={CONFIG_DIRECTORY} \
-node={NODE} "$$@"'
{{after}}ExecReload=/bin/kill -HUP $MAINPID
TimeoutStartSec=infinity
KillMode=mixed
Restart=on-failure
RestartSec=2s
LimitNOFILE=65536
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""
