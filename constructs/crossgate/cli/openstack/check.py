"""One OpenStack cloud of a stack, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from crossgate.cli.findings import Asker, Finding, Report, quota
from crossgate.cli.openstack import judge, profiles
from crossgate.cli.openstack.facts import Catalogue, Flavor
from crossgate.cli.openstack.login import ERRORS, log_in, sentence
from crossgate.cli.openstack.needs import Image, needs
from crossgate.cli.openstack.orphans import Orphan, judged, orphans
from crossgate.cli.openstack.project import Project, Quota
from crossgate.errors import ToolError

if TYPE_CHECKING:
    from crossgate.cli.openstack.facts import FoundImage
    from crossgate.cli.openstack.login import Login
    from crossgate.cli.synthesized import Cloud

_MORE = "ask the operator for a quota of {most}, or make the stack smaller"
_BALANCING = ("load balancers", "listeners", "pools", "health monitors")


def check(cloud: Cloud, *, state_known: bool) -> Report:
    """Ask an OpenStack cloud for all that the stack needs of it.

    Args:
        cloud: the cloud, with what the stack makes there.
        state_known: whether it is known what is deployed.

    """
    try:
        login = log_in(cloud.provider)
        return _Check(cloud, login, state_known=state_known).report()
    except ERRORS as error:
        return Report(cloud=cloud.name, where="OpenStack", failed=sentence(error))


def removable(cloud: Cloud) -> list[Orphan]:
    """Return the stacks that a failed create has left, and that nobody can miss.

    Raises:
        ToolError: the cloud cannot be asked.

    """
    try:
        project = Project(log_in(cloud.provider))
        return [one for one in orphans(project.heat, needs(cloud).stacks) if one.removable]
    except ERRORS as error:
        raise ToolError(f"{cloud.name} could not be asked: {sentence(error)}") from error


def remove(orphan: Orphan) -> None:
    """Remove an orphan.

    Raises:
        ToolError: Heat does not.

    """
    try:
        orphan.remove()
    except ERRORS as error:
        raise ToolError(f"{orphan.name} could not be removed: {sentence(error)}") from error


class _Check:
    def __init__(self, cloud: Cloud, login: Login, *, state_known: bool) -> None:
        self._cloud = cloud
        self._login = login
        self._state_known = state_known
        self._needs = needs(cloud)
        self._project = Project(login)
        self._asker = Asker(errors=ERRORS, sentence=sentence)
        # What several rows are about is asked once.
        self._services = frozenset(
            service
            for service in {*self._needs.services, *profiles.SERVICES.values()}
            if login.has(service)
        )
        self._flavors: Mapping[str, Flavor] = {}
        self._images: dict[Image, list[FoundImage]] = {}
        self._zones: list[str] = []
        self._external: dict[str, str] = {}
        self._apart = True
        self._together: int | None = None

    def report(self) -> Report:
        login, asker, wanted = self._login, self._asker, self._needs
        asker.findings += judge.credential(wanted, login)
        asker.findings += judge.services(wanted, self._services)
        asker.ask("flavors", "for machines", self._ask_flavors)
        for image in dict.fromkeys(machines.image for machines in wanted.machines):
            if image.id or image.name:
                asker.ask(f"image {image}", "for machines", lambda one=image: self._find(one))
        asker.findings += judge.images(wanted.machines, self._images, self._flavors)
        asker.ask("external network", "named in the stack", self._ask_external)
        asker.ask("zones", "named in the stack", self._ask_zones)
        if wanted.key_pairs:
            asker.ask("key pairs", "named in the stack", self._ask_key_pairs)
        if wanted.volume_types:
            asker.ask("volume types", "named in the stack", self._ask_volume_types)
        self._quotas()
        if wanted.stacks and "orchestration" in self._services:
            asker.ask("Heat stacks", "no others of these names", self._ask_stacks)
        for name in wanted.unread:
            asker.findings.append(judge.unread(name))
        suggestion = None
        if self._flavors:
            catalogue = self._catalogue()
            asker.findings.append(profiles.fitting(catalogue))
            suggestion = profiles.code(profiles.suggested(catalogue, login))
        return Report(
            cloud=self._cloud.name,
            where=f"OpenStack at {login.url}, region {login.region or 'not named'}, "
            f"project {login.project}, as {login.user}",
            findings=asker.findings,
            profile=suggestion,
        )

    def _quotas(self) -> None:
        wanted, asker = self._needs, self._asker
        asker.ask("quotas of Nova", "for machines", self._ask_compute)
        if "network" in self._services:
            asker.ask(
                "quotas of Neutron",
                "for networks and ports",
                lambda: self._rows(self._project.network()),
            )
        if "block-storage" in self._services and wanted.counted.get("volumes"):
            asker.ask(
                "quotas of Cinder", "for volumes", lambda: self._rows(self._project.volumes())
            )
        balancing = [name for name in _BALANCING if wanted.counted.get(name)]
        if "load-balancer" in self._services and balancing:
            asker.ask(
                "quotas of Octavia",
                "for entries",
                lambda: self._rows(dict(self._project.balancers(balancing))),
            )

    def _rows(
        self, quotas: Mapping[str, Quota], more: Mapping[str, int] | None = None
    ) -> Iterator[Finding]:
        counted = {**self._needs.counted, **(more or {})}
        for name, one in quotas.items():
            if counted.get(name):
                yield quota(
                    name,
                    more=counted[name],
                    limit=one.limit,
                    used=one.used,
                    unit="MiB" if name == "memory" else "",
                    do=_MORE,
                )

    def _ask_compute(self) -> Iterator[Finding]:
        quotas, self._together = self._project.compute()
        yield from self._rows(quotas, judge.hardware(self._needs.machines, self._flavors))
        yield from judge.together(self._needs.together, self._together)

    def _ask_flavors(self) -> Iterator[Finding]:
        self._flavors = self._project.flavors()
        return judge.flavors(self._needs.machines, self._flavors)

    def _find(self, image: Image) -> Iterator[Finding]:
        self._images[image] = self._project.images(image)
        return iter(())

    def _ask_external(self) -> Iterator[Finding]:
        self._external = self._project.external()
        return judge.named(
            "external network",
            self._needs.external,
            [*self._external, *self._external.values()],
            do="openstack network list --external; name one of those: external_network=",
        )

    def _ask_zones(self) -> Iterator[Finding]:
        self._zones = self._project.zones()
        self._apart = self._project.apart()
        yield from judge.named(
            "zone",
            self._needs.zones,
            self._zones,
            do="openstack availability zone list --compute; zones= in the profile",
        )
        if self._needs.apart:
            yield judge.apart(has=self._apart)

    def _ask_key_pairs(self) -> Iterator[Finding]:
        return judge.named(
            "key pair",
            self._needs.key_pairs,
            sorted(self._project.key_pairs()),
            do="openstack keypair create --public-key FILE NAME",
        )

    def _ask_volume_types(self) -> Iterator[Finding]:
        return judge.named(
            "volume type",
            self._needs.volume_types,
            sorted(self._project.volume_types()),
            do="openstack volume type list; volume_type= in the profile",
        )

    def _ask_stacks(self) -> Iterator[Finding]:
        for orphan in orphans(self._project.heat, self._needs.stacks):
            yield judged(orphan, state_known=self._state_known)

    def _catalogue(self) -> Catalogue:
        return Catalogue(
            url=self._login.url,
            services=self._services,
            flavors=self._flavors,
            zones=self._zones,
            external=self._external,
            apart=self._apart,
            together=self._together,
        )
