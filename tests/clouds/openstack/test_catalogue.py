from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate.clouds.openstack import JETSTREAM2, Flavor, OpenStackProfile
from crossgate.clouds.openstack.catalogue import carrier, is_id, named_image
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.machine import Machine

BARE = OpenStackProfile(name="Bare")


@pytest.mark.parametrize(
    ("cpu", "memory", "flavor"),
    [
        (1, 1, "m3.tiny"),
        (2, 4, "m3.small"),
        (2, 7, "m3.quad"),
        (4, 15, "m3.quad"),
        (5, 1, "m3.medium"),
        (64, 250, "m3.2xl"),
    ],
)
def test_a_need_gets_the_smallest_flavor_that_meets_it(cpu, memory, flavor):
    assert carrier(JETSTREAM2, Machine(cpu=cpu, memory=memory)).flavor == flavor


def test_a_flavor_is_taken_by_name():
    assert carrier(JETSTREAM2, Machine(size=["m3.large"])).flavor == "m3.large"


def test_a_profile_without_flavors_takes_any_name_and_the_flavors_own_disk():
    found = carrier(BARE, Machine(size=["gp1.small"], disk=500))
    assert (found.flavor, found.volume) == ("gp1.small", None)


def test_the_flavors_own_disk_is_used_where_it_is_large_enough():
    assert carrier(JETSTREAM2, Machine(cpu=2, memory=4, disk=20)).volume is None


def test_a_larger_disk_is_a_volume():
    assert carrier(JETSTREAM2, Machine(cpu=2, memory=4, disk=21)).volume == 21


def test_a_flavor_without_a_disk_boots_from_a_volume():
    profile = replace(BARE, flavors={"v": Flavor(cpu=2, memory=4)})
    assert carrier(profile, Machine(cpu=1, memory=1)).volume == 20


REFUSED = [
    (JETSTREAM2, Machine(size=["m3.smal"]), "Jetstream2 has no such flavor"),
    (JETSTREAM2, Machine(size=["m3.smal"]), "want: m3.small"),
    (JETSTREAM2, Machine(size=["m3.smal"]), "do:   if the cloud has it: add it to the flavors"),
    (JETSTREAM2, Machine(size=["m3.small", "m3.quad"]), "a machine has one flavor"),
    (JETSTREAM2, Machine(cpu=65, memory=4), "Jetstream2 has no flavor that is large enough"),
    (JETSTREAM2, Machine(cpu=65, memory=4), "want: at most m3.2xl: cpu=64, memory=250 GiB"),
    (
        JETSTREAM2,
        Machine(cpu=1, memory=1, architecture="arm64"),
        "got:  'cpu=1, memory=1 GiB, arm64'",
    ),
    (
        JETSTREAM2,
        Machine(size=["m3.small"], architecture="arm64"),
        "the flavor is not for arm64",
    ),
    (BARE, Machine(cpu=2, memory=4), "the profile 'Bare' lists no flavors"),
]


@pytest.mark.parametrize(("profile", "machine", "message"), REFUSED)
def test_fails_with_the_way_out(profile, machine, message):
    with pytest.raises(RefusedError) as caught:
        carrier(profile, machine)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["ubuntu-24.04", "Featured-Ubuntu24"])
def test_an_image_is_named_in_our_words_or_the_clouds(name):
    assert named_image(JETSTREAM2, name, "gw/nova").name == "Featured-Ubuntu24"


def test_a_profile_without_images_takes_any_name():
    assert named_image(BARE, "debian-12", "gw/nova").name == "debian-12"


def test_an_unknown_image_fails_with_those_there_are():
    with pytest.raises(ConfigError) as caught:
        named_image(JETSTREAM2, "ubuntu-2404", "gw/nova")
    assert str(caught.value) == (
        "gw/nova: image: Jetstream2 has no image of this name\n"
        "  got:  'ubuntu-2404'\n"
        "  want: ubuntu-22.04, ubuntu-24.04, or an id\n"
        '  do:   write "ubuntu-24.04", or look up one of your own: Image(name="ubuntu-2404")'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5f3c1d2e-8a4b-4c6d-9e7f-0a1b2c3d4e5f", True),
        ("${data.openstack_images_image_v2.it.id}", True),
        ("debian-12", False),
    ],
)
def test_ids_and_tokens_are_told_from_names(text, expected):
    assert is_id(text) is expected
