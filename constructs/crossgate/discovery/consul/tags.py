"""What machines say of their services beside names and ports, which balancers may add to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossgate.discovery.consul.registration import own_tags
from crossgate.model.text import Reference, json_text
from crossgate.terraform.locals import late_texts

if TYPE_CHECKING:
    from crossgate.model.service import Service
    from crossgate.terraform.engine import Construct


class Tags:
    """The tags of services, which are complete when the stack is synthesized.

    Machines that run a service are told of it before the balancers are, so their documents name a
    local value that is written last.
    """

    def __init__(self, scope: Construct) -> None:
        """Begin with none; `scope` is what the local values belong to."""
        self._scope = scope
        self._said: dict[str, list[str]] = {}
        self._named: dict[str, Reference] = {}

    def add(self, service: Service, tag: str) -> None:
        """Have all machines that run a service say one thing more of it."""
        said = self._said.setdefault(service.name, own_tags(service))
        if tag not in said:
            said.append(tag)

    def of(self, service: Service) -> Reference:
        """Return a list of them in JSON."""
        name = service.name
        if name not in self._named:
            said = self._said.setdefault(name, own_tags(service))
            # No cloud has an underscore in its name, and so none the same id.
            (local,) = late_texts(self._scope, f"tags_{name}", 1, lambda: [json_text(said)])
            self._named[name] = Reference(f"${{{local}}}")
        return self._named[name]
