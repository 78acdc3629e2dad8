"""Provisioners: what Terraform does on a machine over SSH as a resource is made or destroyed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from crossgate.errors import ArgumentError
from crossgate.model.text import Text
from crossgate.terraform.engine import path_of
from crossgate.terraform.resource import Resource
from crossgate.terraform.text import template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crossgate.model.text import TextLike
    from crossgate.terraform.engine import Construct

_OTHERS = re.compile(r"\$\{(?![^}]*\bself\.)")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How Terraform reaches a machine by SSH. Without `private_key` the agent logs in.

    Attributes:
        host: address.
        user: who logs in.
        host_key: the machine's public key. Terraform checks none when it is given none, so this
            is no choice.
        port: default 22.
        private_key: a reference, or an expression of Terraform such as `${file("...")}`.
        timeout: seconds for which an unreachable machine is tried; default 60.

    """

    host: TextLike
    user: TextLike
    host_key: TextLike
    port: TextLike = "22"
    private_key: TextLike | None = None
    timeout: int = 60

    def written(self) -> dict[str, object]:
        """Return the block."""
        block: dict[str, object] = {
            "type": "ssh",
            "host": _text(self.host),
            "port": _text(self.port),
            "user": _text(self.user),
            "host_key": _text(self.host_key),
            "agent": self.private_key is None,
            "timeout": f"{self.timeout}s",
        }
        if self.private_key is not None:
            block["private_key"] = _text(self.private_key)
        return block


@dataclass(frozen=True, kw_only=True)
class FileProvisioner:
    """Writes a file on the machine.

    Attributes:
        content: what is in it.
        destination: its path; a relative one is below the user's home directory.

    """

    content: TextLike
    destination: str

    def written(self) -> dict[str, object]:
        """Return the block, below its type."""
        return {"file": {"content": _text(self.content), "destination": self.destination}}


@dataclass(frozen=True, kw_only=True)
class RemoteExec:
    """Runs one script of POSIX shell on the machine.

    Attributes:
        lines: its lines.
        at_destroy: run it when the resource is destroyed, not when it is made; default False.

    """

    lines: Sequence[TextLike]
    at_destroy: bool = False

    def written(self) -> dict[str, object]:
        """Return the block, below its type."""
        block: dict[str, object] = {"inline": [_text(line) for line in self.lines]}
        return {"remote-exec": block | ({"when": "destroy"} if self.at_destroy else {})}


class ProvisionedResource(Resource):
    """A resource with provisioners, which the engine is not asked to write.

    cdktf 0.21 takes provisioners and connections for whichever of its types comes first: it drops
    `host_key`, so that no host key would be checked, and `when`, so that what is meant for the end
    would run at once.

    Terraform runs nothing at destruction for a resource that has gone from the configuration, only
    for an instance that has. So a resource whose end matters stays, and `for_each` says late which
    instances it has: key to what `each.value` is.

    Raises:
        ArgumentError: something that runs at destruction refers to anything but the resource
            itself, which Terraform refuses.

    """

    terraform_type: ClassVar[str]
    arguments: ClassVar[type]

    def __init__(
        self,
        scope: Construct,
        id: str,
        given: Mapping[str, Any],
        connection: Connection,
        provisioners: Sequence[FileProvisioner | RemoteExec],
        for_each: Callable[[], Mapping[str, Mapping[str, str]]] | None = None,
        /,
    ) -> None:
        self._for_each = for_each
        self._connection = connection.written()
        self._provisioners = [provisioner.written() for provisioner in provisioners]
        last = [p.written() for p in provisioners if isinstance(p, RemoteExec) and p.at_destroy]
        if last and (found := _OTHERS.search(str([self._connection, last]).replace("$${", ""))):
            raise ArgumentError(
                "what runs at destruction may refer to the resource itself only",
                path=f"{path_of(scope)}/{id}",
                got=str([self._connection, last])[found.start() :],
                want="${self....}",
            )
        super().__init__(scope, id, given)

    def written(self) -> dict[str, Any]:
        """Return its arguments, its connection and its provisioners."""
        made = super().written()
        for blocks in made.get("resource", {}).values():
            for block in blocks.values():
                block |= {"connection": self._connection, "provisioner": self._provisioners}
                if self._for_each is not None:
                    # The engine drops what is empty, and one instance is not none.
                    block["for_each"] = dict(self._for_each()) or "${{}}"
        return made


def _text(text: TextLike) -> str:
    return template(Text.of(text))
