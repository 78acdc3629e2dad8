"""Names in Designate that lead to entries; nobody looks whether these are well."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from crossgate.clouds.openstack.bindings.data import DataDnsZoneV2
from crossgate.clouds.openstack.bindings.names import DnsRecordsetV2
from crossgate.errors import RefusedError
from crossgate.model.argument import checked
from crossgate.model.names import dns_name
from crossgate.terraform.engine import Construct, path_of

if TYPE_CHECKING:
    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.specs import NameSpec


class Designate:
    """A zone of Designate, which answers with all addresses of all entries.

    It neither checks nor weighs them: clients should try another address when one does not take
    their connection.
    """

    checkers: Sequence[IPv4Network] = ()

    def __init__(self, cloud: OpenStackCloud, zone: str, zone_id: str | None) -> None:
        """Remember the zone.

        Args:
            cloud: with the project that has it.
            zone: its name, "example.org".
            zone_id: its id; None: Terraform looks it up by the name.

        Raises:
            ConfigError: one of them is wrong.

        """
        path = f"{path_of(cloud)}: zone({zone!r})"
        self.scope = cloud
        self._cloud = cloud
        self.name = dns_name(zone, path)
        self._id = checked((str, type(None)), zone_id, argument="zone_id", path=path)

    def refusals(self, spec: NameSpec) -> Sequence[RefusedError]:
        """Return why it cannot lead anybody so."""
        found = []
        profile = self._cloud.profile
        if not profile.designate:
            found.append(
                RefusedError(
                    f"{profile.name} has no Designate",
                    path=spec.name,
                    do="if the cloud has it: designate=True in the profile",
                )
            )
        if len(set(spec.weights.values())) > 1:
            found.append(
                RefusedError(
                    "Designate answers with all addresses, and prefers none",
                    path=spec.name,
                    got=dict(spec.weights),
                    do="leave weights= and first= out, or take a zone that looks at entries",
                )
            )
        return found

    def lead(self, scope: Construct, id: str, spec: NameSpec) -> None:
        """Make the record."""
        inner = Construct(scope, id)
        DnsRecordsetV2(
            inner,
            "record",
            zone_id=self._id or self._found(inner),
            name=f"{spec.name}.",
            type="A",
            ttl=spec.ttl,
            records=[address for addresses in spec.entries.values() for address in addresses],
            provider=self._cloud.provider,
        )

    def _found(self, scope: Construct) -> str:
        found = DataDnsZoneV2(scope, "zone", name=f"{self.name}.", provider=self._cloud.provider)
        return found.id
