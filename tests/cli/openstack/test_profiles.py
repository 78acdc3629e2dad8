from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate import DEVSTACK, JETSTREAM2, OpenStackProfile
from crossgate.cli.openstack import profiles
from crossgate.cli.openstack.facts import MEBI, Catalogue, Flavor
from crossgate.clouds.openstack import profile as ready
from tests.cli.openstack.test_judge import LOGIN


def offering(profile: OpenStackProfile, **more) -> Catalogue:
    """Return the catalogue of a cloud that is just as a profile says."""
    given = {
        "url": profile.auth_url or "http://192.0.2.5/identity/v3",
        "services": frozenset(
            service for name, service in profiles.SERVICES.items() if getattr(profile, name)
        ),
        "flavors": {
            name: Flavor(
                id=name, name=name, cpu=one.cpu, memory=round(one.memory * MEBI), disk=one.disk
            )
            for name, one in profile.flavors.items()
        },
        "zones": list(profile.zones),
        "external": {profile.external_network: "net-1"},
    } | more
    return Catalogue(**given)


@pytest.mark.parametrize("name", ready.PROFILES)
def test_a_ready_profile_fits_the_cloud_that_it_describes(name):
    catalogue = offering(ready.PROFILES[name])
    assert profiles.lacks(ready.PROFILES[name], catalogue) == []
    assert profiles.fitting(catalogue).found == name


@pytest.mark.parametrize(
    ("changed", "lack"),
    [
        ({"services": frozenset({"orchestration", "dns"})}, "no Octavia"),
        ({"flavors": {}}, "no flavor m3.tiny"),
        ({"zones": []}, "no zone nova"),
        ({"external": {"campus": "net-1"}}, "no external network public"),
        ({"apart": False}, "no soft-anti-affinity"),
        ({"together": 4}, "server groups of 4 members"),
        ({"url": "https://elsewhere.example.org/v3"}, "another Keystone than js2.jetstream"),
    ],
)
def test_what_a_cloud_lacks_of_a_profile_is_told(changed, lack):
    found = profiles.lacks(JETSTREAM2, offering(JETSTREAM2, **changed))
    assert any(one.startswith(lack) for one in found), found


def test_a_flavor_of_another_size_is_another_one():
    catalogue = offering(DEVSTACK)
    changed = replace(catalogue.flavors["m1.tiny"], memory=1024)
    catalogue = replace(catalogue, flavors={**catalogue.flavors, "m1.tiny": changed})
    assert profiles.lacks(DEVSTACK, catalogue) == [
        "flavor m1.tiny has 1 cpu, 1 GiB memory, 1 GiB disk"
    ]


def test_where_none_fits_the_nearest_is_named_with_what_it_lacks():
    catalogue = offering(DEVSTACK, zones=[])
    assert profiles.fitting(catalogue).found == (
        "none; the nearest is devstack, but here: no zone nova"
    )


@pytest.mark.parametrize("profile", ready.PROFILES.values(), ids=lambda one: one.name)
def test_what_is_suggested_fits(profile):
    catalogue = offering(profile, together=profile.server_group_members)
    found = profiles.suggested(catalogue, replace(LOGIN, url=catalogue.url))
    assert profiles.lacks(found, catalogue) == []
    for field in ("flavors", "heat", "octavia", "aodh", "barbican", "designate", "swift", "zones"):
        assert getattr(found, field) == getattr(profile, field)


def test_an_application_credential_is_suggested_to_who_uses_one():
    login = replace(LOGIN, application_credential={"name": "ci"})
    found = profiles.suggested(offering(JETSTREAM2), login)
    assert found.credential == "application-credential"


def test_the_network_that_leads_out_is_the_clouds():
    found = profiles.suggested(offering(JETSTREAM2, external={"campus": "net-9"}), LOGIN)
    assert (found.external_network, found.external_network_id) == ("campus", "net-9")


@pytest.mark.parametrize("profile", ready.PROFILES.values(), ids=lambda one: one.name)
def test_the_code_of_a_profile_makes_it(profile):
    known = {"OpenStackProfile": OpenStackProfile, "Flavor": ready.Flavor}
    plain = replace(profile, images={})
    assert eval(profiles.code(plain), known) == plain  # noqa: S307  (our own text)
