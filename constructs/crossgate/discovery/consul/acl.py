"""Who may ask what of Consul: tokens that machines are born with, and servers make good.

A token is worked out from a secret of the cloud and the role that it is for. Terraform does that
for each machine, and the servers do it again when a machine says in its node's metadata what its
role is: so a group that comes later needs no change of the servers, and whoever claims a role has
no token of it by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.boot.document import Document, File
from crossgate.boot.program import OWN_USER, PYTHON, program, program_unit
from crossgate.discovery.consul.programs.consul_tokens import (
    AGENT,
    BALANCER,
    MANAGEMENT,
    NUMBER,
    ROLE,
    SERVER,
    SERVICES,
)
from crossgate.discovery.consul.settings import CONFIG_DIRECTORY, HTTP_ADDRESS, USER
from crossgate.model.text import Text, json_text
from crossgate.terraform.secrets import uuid_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossgate.model.service import Service
    from crossgate.model.text import Reference, TextLike

MANAGEMENT_TOKEN = "/etc/crossgate/consul-management.token"  # noqa: S105  (where it is)
"""On servers, what may do anything; for root alone."""

KEYRING = "/etc/crossgate/consul-gossip.keyring"
"""The keys of gossip that an agent begins with; what it has later lies in its data directory."""

_SECRETS = "/etc/crossgate/consul-tokens.secrets"
_PROGRAM = "/usr/local/lib/crossgate/consul_tokens.py"
# Another server at an address that was a dead one's: see the program.
_ANEW = "ExecStopPost=+/bin/sh -c 'test \"$$EXIT_STATUS\" != 75 || systemctl restart consul'"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of a datacenter.

    Attributes:
        number: how often they have been exchanged, and one.
        secret: what they are worked out from: letters and digits.
        before: the one before; None where there was none.

    """

    number: int
    secret: Reference
    before: Reference | None = None

    def of(self, role: str) -> Reference:
        """Return the token of a role, a UUID."""
        return uuid_of(self.secret, role)

    def marks(self, role: str) -> Mapping[str, str]:
        """Return what a node's metadata say of its tokens."""
        return {ROLE: role, NUMBER: str(self.number)}


@dataclass(frozen=True, kw_only=True)
class Gossip:
    """The keys with which the agents of a datacenter encrypt their gossip: 32 bytes in base64 each.

    Attributes:
        key: the newest, which the servers have all use when no machine of before is left.
        before: the one before, with which all begin; None where there was none.

    """

    key: TextLike
    before: TextLike | None = None

    def keyring(self) -> File:
        """Return both as Consul keeps them in its data directory; it encrypts with the first.

        One setting of Consul, `encrypt`, holds one key, and who has one cannot read what others
        encrypt with the other: a machine would be locked out that comes during an exchange.
        """
        keys = [self.key] if self.before is None else [self.before, self.key]
        return File(KEYRING, json_text(keys) + "\n", mode=0o640, owner=f"root:{USER}")


def role_of(services: Sequence[Service]) -> str:
    """Return the role of a machine that runs some services; of none, that it balances."""
    names = sorted({service.name for service in services})
    return f"{SERVICES}{','.join(names)}" if names else BALANCER


def acl_file(tokens: Tokens, role: str) -> File:
    """Return the agent's settings: nobody may do anything that no token of theirs allows."""
    management = {"initial_management": tokens.of(MANAGEMENT)} if role == SERVER else {}
    settings = {
        "acl": {
            "enabled": True,
            "default_policy": "deny",
            # While no server answers, what was allowed before is.
            "down_policy": "extend-cache",
            "tokens": {"agent": tokens.of(AGENT), "default": tokens.of(role), **management},
        }
    }
    text = json_text(settings, indent=2) + "\n"
    return File(f"{CONFIG_DIRECTORY}/acl.json", text, mode=0o640, owner=f"root:{USER}")


def tokens_document(tokens: Tokens) -> Document:
    """Return what has servers make the tokens of all roles, and forget what is exchanged."""
    secrets = Text.of(f"{tokens.number} ", tokens.secret, "\n")
    if tokens.before is not None:
        secrets = Text.of(secrets, f"{tokens.number - 1} ", tokens.before, "\n")
    name = "consul-tokens"
    return Document(
        label=name,
        packages=("python3",),
        files=(
            program(_PROGRAM, "crossgate.discovery.consul.programs", "consul_tokens"),
            File(_SECRETS, secrets, mode=0o600),
            File(MANAGEMENT_TOKEN, Text.of(tokens.of(MANAGEMENT), "\n"), mode=0o600),
        ),
        units=(
            program_unit(
                name,
                [PYTHON, _PROGRAM, f"http://{HTTP_ADDRESS}"],
                description="Makes good the tokens and the gossip key that machines are born with",
                lines=(
                    *OWN_USER,
                    f"LoadCredential=known:{_SECRETS}",
                    f"LoadCredential=gossip:{KEYRING}",
                    _ANEW,
                ),
            ),
        ),
    )
