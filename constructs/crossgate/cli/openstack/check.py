"""One OpenStack cloud of a stack, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from crossgate.cli.findings import Asker, Finding, Report, quota
from crossgate.cli.openstack import judge, profiles
from crossgate.cli.openstack.facts import Catalogue, Flavor
from crossgate.cli.openstack.login import ERRORS, log_in, sentence
from crossgate.cli.openstack.orphans import Orphan, judged, orphans
from crossgate.cli.openstack.project import Project, Quota
from crossgate.cli.openstack.resources import needs
from crossgate.errors import ToolError

if TYPE_CHECKING:
    from crossgate.cli.openstack.facts import FoundImage
    from crossgate.cli.openstack.login import Login
    from crossgate.cli.openstack.needs import Image
    from crossgate.cli.synthesized import Cloud

_MORE = "ask the operator for a quota of {most}, or make the stack smaller"
_ASKED = ("block-storage", "compute", "image", "network")
_BALANCING = ("load balancers", "listeners", "pools", "members", "health monitors")


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
            for service in {*_ASKED, *self._needs.services, *profiles.SERVICES.values()}
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
        asker.findings += judge.region(login.region, login.regions)
        asker.findings += judge.services(wanted, self._services)
        self._ask("compute", "flavors", "for machines", self._ask_flavors)
        for image in dict.fromkeys(machines.image for machines in wanted.machines):
            if image.id or image.name:
                self._ask("image", f"image {image}", "for machines", partial(self._find, image))
        asker.findings += judge.images(wanted.machines, self._images, self._flavors)
        self._ask("network", "external network", "named in the stack", self._ask_external)
        self._ask("compute", "zones", "named in the stack", self._ask_zones)
        if wanted.key_pairs:
            self._ask("compute", "key pairs", "named in the stack", self._ask_key_pairs)
        if wanted.volume_types:
            self._ask("block-storage", "volume types", "named", self._ask_volume_types)
        self._ask("compute", "quotas of Nova", "for machines", self._ask_compute)
        for service, name, quotas in (
            ("network", "Neutron", self._project.network),
            ("block-storage", "Cinder", self._project.volumes),
            ("load-balancer", "Octavia", self._balancers),
        ):
            self._ask(service, f"quotas of {name}", "enough", partial(self._ask_quotas, quotas))
        self._ask("orchestration", "Heat stacks", "no others of these names", self._ask_stacks)
        asker.findings += map(judge.unread, wanted.unread)
        suggestion = None
        if self._flavors:
            asker.findings.append(profiles.fitting(self._catalogue()))
            suggestion = profiles.code(profiles.suggested(self._catalogue(), login))
        return Report(
            cloud=self._cloud.name,
            where=f"OpenStack at {login.url}, region {login.region or 'not named'}, "
            f"project {login.project}, as {login.user}",
            findings=asker.findings,
            profile=suggestion,
        )

    def _ask(
        self, service: str, what: str, needed: str, question: Callable[[], Iterable[Finding]]
    ) -> None:
        """Ask a service that is there; one that is not and is needed has a row already."""
        if service in self._services:
            self._asker.ask(what, needed, question)

    def _balancers(self) -> Mapping[str, Quota]:
        wanted = [name for name in _BALANCING if self._needs.counted.get(name)]
        return dict(self._project.balancers(wanted)) if wanted else {}

    def _ask_quotas(self, quotas: Callable[[], Mapping[str, Quota]]) -> Iterator[Finding]:
        return self._rows(quotas())

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
