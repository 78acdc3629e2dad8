"""What a spot machine is given so that it hears that EC2 takes it back."""

from __future__ import annotations

import pytest

from crossgate.boot.document import Command, Document
from crossgate.clouds.aws.spot import heard
from crossgate.model.capacity import Capacity
from crossgate.model.machine import Machine
from crossgate.model.market import OnDemand, Spot
from crossgate.model.text import Text
from crossgate.specs import GroupSpec

WORK = Document(label="agent", leave=[Command("agent leave"), Command("sleep 3")])


def group(document=WORK, market=None):
    return GroupSpec(
        name="test-api",
        machine=Machine(cpu=2, memory=4),
        document=document,
        firewalls=(),
        capacity=Capacity(2, 4),
        market=market or Spot(),
    )


def files(spec):
    return {file.path: file for _, file in heard(spec).document.written()}


def test_on_the_notice_it_does_what_takes_it_out_of_its_work():
    (path,) = (path for path in files(group()) if path.endswith("spot-leave"))
    text = Text.of(files(group())[path].text).sample()
    assert text == "#!/bin/sh\nset -e\nagent leave\nsleep 3\n"


def test_a_service_of_its_own_hears_the_notice():
    (unit,) = heard(group()).document.units
    assert unit.text.count("spot_notice.py /usr/local/lib/crossgate/spot-leave") == 1


@pytest.mark.parametrize("spec", [group(market=OnDemand()), group(document=Document(label="idle"))])
def test_what_is_not_taken_back_or_has_no_work_hears_nothing(spec):
    assert heard(spec) is spec
