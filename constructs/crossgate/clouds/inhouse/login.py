"""How Terraform logs in to the hosts: by an SSH agent, a key's file, or a sensitive variable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossgate.errors import ConfigError
from crossgate.model.text import Reference, Text
from crossgate.terraform.locals import local_text
from crossgate.terraform.provisioner import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossgate.clouds.inhouse.catalogue import Host
    from crossgate.model.text import TextLike
    from crossgate.terraform.engine import Construct

_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_PATH = re.compile(r"~?(/[A-Za-z0-9._@+-]+)+")


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who logs in, and with which key.

    Attributes:
        user: root, or somebody who may use sudo without a password.
        key: the path of a private key's file, a reference to the key, or None for the SSH agent.
        timeout: seconds for which a host that does not answer is tried.

    """

    user: str
    key: str | Reference | None
    timeout: int

    def check(self, path: str) -> None:
        """Refuse a user that is none, and a key where its path should be.

        Raises:
            ConfigError: either.

        """
        given: object = self.user
        if not isinstance(given, str) or not _USER.fullmatch(given):
            raise ConfigError(
                "is no user name", path=f"{path}: user", got=given, want='a name such as "deploy"'
            )
        key: object = self.key
        if key is None or isinstance(key, Reference):
            return
        if not isinstance(key, str) or not _PATH.fullmatch(key):
            shown = key if isinstance(key, str) and len(key) < _SHOWN else "..."
            raise ConfigError(
                "is neither the path of a private key nor a reference to one",
                path=f"{path}: key",
                got=shown,
                want='nothing (the SSH agent), "~/.ssh/id_ed25519", or '
                'Reference("${var.rack_key}") of a sensitive variable',
                do="never write a key itself: the program and the JSON are no place for it",
            )

    def remembered(self, host: Host) -> Mapping[str, str]:
        """Return what the resource keeps, because what runs at destruction knows nothing else."""
        kept = {
            "host": host.address,
            "port": str(host.port),
            "host_key": host.host_key,
            "user": self.user,
        }
        return kept | ({"key": self.key} if isinstance(self.key, str) else {})

    def input(self, scope: Construct) -> Reference:
        """Return what says so: a key out of a variable is added, for it can be in no `for_each`."""
        if not isinstance(self.key, Reference):
            return Reference("${each.value}")
        name = local_text(scope, "key", Text.of(self.key))
        return Reference(f"${{merge(each.value, {{key = {name}}})}}")

    def connection(self, host: Host) -> Connection:
        """Return how a host is reached."""
        key: TextLike | None = self.key
        if isinstance(key, str):
            key = Reference(f'${{file(pathexpand("{key}"))}}')
        return Connection(
            host=host.address,
            port=str(host.port),
            host_key=host.host_key,
            user=self.user,
            private_key=key,
            timeout=self.timeout,
        )

    def remembered_connection(self) -> Connection:
        """Return the same out of what the resource keeps."""
        key = None
        if self.key is not None:
            kept = "self.input.key"
            is_path = isinstance(self.key, str)
            key = Reference(f"${{file(pathexpand({kept}))}}" if is_path else f"${{{kept}}}")
        return Connection(
            host=_kept("host"),
            port=_kept("port"),
            host_key=_kept("host_key"),
            user=_kept("user"),
            private_key=key,
            timeout=self.timeout,
        )


def _kept(name: str) -> Text:
    return Text.of(Reference(f"${{self.input.{name}}}"))


_SHOWN = 64
