"""consul-template: what keeps a balancer's file true while members come and go."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File, Unit
from crossgate.boot.hashicorp import hashicorp
from crossgate.discovery.consul.settings import FELLOWS, HTTP_ADDRESS, NODE, Versions
from crossgate.errors import ConfigError
from crossgate.model.text import Quoted, Reference, Text, json_text
from crossgate.specs import FellowLines, ServerLines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.specs import WatchedFile

DIRECTORY = "/etc/consul-template"
"""Where consul-template's own files lie."""

# Go's usual {{ }} may stand in a balancer's text, or arrive in a reference, which nobody can escape
# here. The left one must not end as it begins: otherwise text before it could join in.
LEFT = "[crossgate:"
RIGHT = ":]"
_PARTED = f"{LEFT[:3]}{LEFT}/**/{RIGHT}{LEFT[3:]}"

_PLACES = {
    "{name}": 'template "name" .',
    "{address}": ".Address",
    "{port}": ".Port",
}
_NODE = {"{name}": ".Node", "{address}": ".Address"}
_OWN = "CONSUL_NODE"
"""In the program's environment: the machine's own name, whether its agent is there or not."""

_OWN_NODE = {"{name}": "."}
# The node's name and the service's id, so that two instances on one node differ. A character that a
# balancer may not take is replaced, and then a hash of the whole keeps two names apart.
_NAME = """\
$node := .Node | regexReplaceAll "[^A-Za-z0-9.-]" "-"
$id := .ID | regexReplaceAll "[^A-Za-z0-9.-]" "-"
$node
"_"
$id
if or (ne $node .Node) (ne $id .ID)
printf "%s/%s" .Node .ID | sha256Hex | printf "_%.8s"
end
"""
_PLACE = re.compile(r"(\{name\}|\{address\}|\{port\})")
_APPLY_SECONDS = 60


def keep_document(file: WatchedFile, *, versions: Versions | None = None) -> Document:
    """Return consul-template, keeping `file` true from the agent on the same machine.

    The file is first written when Consul has answered for every service in it. While the agent is
    away, or the cluster has no leader for longer than ten minutes, it stays as it is. A failing
    member stays listed, because the balancer's own check decides and a total outage must not leave
    an empty list; a member in maintenance is left out, which drains it: established connections
    stay, new ones go elsewhere.

    Args:
        file: the file, and the command that makes the balancer use it. When the command fails,
            consul-template is started again and the command is run once more; then the next
            change runs it.
        versions: what to install; default the ones of `Versions()`.

    Raises:
        ConfigError: a line leaves out the address.

    """
    stem = PurePosixPath(file.path).stem
    source = f"{DIRECTORY}/{stem}.tpl"
    settings = f"{DIRECTORY}/{stem}.json"
    apply = f"{DIRECTORY}/{stem}.apply"
    unit = f"consul-template-{stem}.service"
    return Document.merge(
        hashicorp("consul-template", (versions or Versions()).consul_template),
        Document(
            label=f"consul-template for {file.path}",
            files=(
                File(source, template(file.pieces), mode=0o600),
                File(settings, _settings(file, source, apply), mode=0o644),
                File(apply, f"#!/bin/sh\nset -eu\n{file.apply}\n", mode=0o755),
            ),
            units=(Unit(unit, _unit(file.path, settings, apply)),),
        ),
    )


def template(pieces: Sequence[Text | ServerLines | FellowLines]) -> Text:
    """Return consul-template's template: `pieces` as they are, with loops for those that repeat.

    Raises:
        ConfigError: a line leaves out the address.

    """
    parts: list[Text] = []
    for kind, group in itertools.groupby(pieces, type):
        if kind is ServerLines:
            parts += [_loop(piece) for piece in group if isinstance(piece, ServerLines)]
        elif kind is FellowLines:
            parts += [_fellows(piece) for piece in group if isinstance(piece, FellowLines)]
        else:
            parts.append(_literal(Text.of(*(p for p in group if isinstance(p, Text)))))
    return Text.of(_defined("name", _NAME), *parts)


def _defined(name: str, actions: str) -> str:
    body = "".join(_action(line) for line in actions.splitlines())
    return _action(f'define "{name}"') + body + _action("end")


def _action(words: str) -> str:
    return f"{LEFT} {words} {RIGHT}"


def _literal(text: Text) -> Text:
    return Text.of(*(_escaped(piece) for piece in text.pieces))


def _escaped(piece: str | Reference | Quoted) -> str | Reference | Quoted:
    if isinstance(piece, Quoted):
        return replace(piece, text=_literal(piece.text))
    # A comment, which holds nothing that a `Quoted` around it would escape.
    return piece.replace(LEFT, _PARTED) if isinstance(piece, str) else piece


def _loop(lines: ServerLines) -> Text:
    if "{address}" not in lines.line:
        raise ConfigError(
            "a line for every machine must say where the machine is",
            path=f"ServerLines({lines.service.name!r})",
            got=lines.line,
            want="{address} and {port} in it, and {name} where a unique name goes",
        )
    line = "".join(
        _action(_PLACES[part]) if part in _PLACES else str(_escaped(part))
        for part in _PLACE.split(lines.line.rstrip("\n") + "\n")
    )
    # `any`: the default would leave failing members out. consul-template sorts by node and id, so
    # a change moves no other line.
    return Text.of(
        _action(f'range service "{lines.service.name}|any"'),
        _action('if ne .Status "maintenance"'),
        line,
        _action("end"),
        _action("end"),
    )


def _fellows(lines: FellowLines) -> Text:
    """Return the machine's own line, and a loop over nodes that say that they are such balancers.

    Of one that is gone the line stays until Consul forgets it.
    """
    such = f'eq (index .Meta "{FELLOWS}") "{lines.balancer}"'
    parts: list[str | Text] = []
    if lines.own:
        parts += [_action(f'with env "{_OWN}"'), _node_line(lines.own, _OWN_NODE), _action("end")]
    if lines.others:
        parts += [
            _action("range nodes"),
            # Any machine may write nodes, whose name and address would be words of the file.
            _action(
                f'if and ({such}) (ne .Node (env "{_OWN}")) '
                '(.Node | regexMatch "^[A-Za-z0-9.-]+$") (.Address | regexMatch "^[0-9.]+$")'
            ),
            _node_line(lines.others, _NODE),
            _action("end"),
            _action("end"),
        ]
    return Text.of(*parts)


def _node_line(text: str, places: Mapping[str, str]) -> Text:
    parts = _PLACE.split(text)
    return Text.of(*(_action(places[one]) if one in places else _escaped(one) for one in parts))


def _settings(file: WatchedFile, source: str, apply: str) -> Text:
    user, _, group = file.owner.partition(":")
    settings: Mapping[str, object] = {
        "consul": {
            "address": HTTP_ADDRESS,
            # Attempts without end: the program must outlive any outage of the agent.
            "retry": {"enabled": True, "attempts": 0, "backoff": "100ms", "max_backoff": "1s"},
        },
        # Any server may answer while there is no leader.
        "max_stale": "10m",
        # A burst of changes is one change, but the first is applied at once.
        "wait": {"min": "100ms", "max": "1s"},
        "kill_signal": "SIGTERM",
        "log_level": "INFO",
        "template": [
            {
                "source": source,
                "destination": file.path,
                "perms": f"{file.mode:04o}",
                "user": user,
                "group": group,
                "left_delimiter": LEFT,
                "right_delimiter": RIGHT,
                "error_on_missing_key": True,
                "exec": {
                    "command": [apply],
                    "timeout": f"{_APPLY_SECONDS}s",
                    "kill_signal": "SIGTERM",
                    "kill_timeout": "5s",
                },
            }
        ],
    }
    return json_text(settings, indent=2) + "\n"


def _unit(path: str, settings: str, apply: str) -> str:
    # Not ordered after the agent, which counts as started only when it has joined: consul-template
    # waits for it by itself. It runs as root, because the command reloads a unit. The command
    # runs before the start too: the last one may have failed, and a file that has not changed
    # would not run it again.
    return f"""\
[Unit]
Description=consul-template keeps {path} true
Wants=consul.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStartPre=-/bin/sh -c 'test ! -e {path} || exec {apply}'
ExecStart=/bin/sh -c 'export {_OWN}={NODE}; exec /usr/bin/consul-template -config={settings}'
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2s
NoNewPrivileges=yes
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""
