from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from crossgate.cli.aws import judge
from crossgate.cli.aws.account import FoundImage, Type
from crossgate.cli.aws.needs import Lookup, Machines
from crossgate.cli.findings import Verdict

ZONES = ("us-east-1a", "us-east-1b")
X86 = Type(cpus=2, architectures=frozenset({"x86_64"}), zones=frozenset(ZONES))
ARM = Type(cpus=4, architectures=frozenset({"arm64"}), zones=frozenset(ZONES))
TYPES = {"t3.medium": X86, "m7g.xlarge": ARM}
BY_ID = Lookup(label="ami-1", ids=("ami-1",))
API = Machines(of="api", types=("t3.medium",), image=BY_ID, zones=ZONES, most=6, surge=1)
IMAGE = FoundImage(id="ami-1", name="debian-12", architecture="x86_64", state="available")


def only(findings):
    (found,) = findings
    return found


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("opt-in-not-required", Verdict.OK),
        ("opted-in", Verdict.OK),
        ("not-opted-in", Verdict.MISSING),
    ],
)
def test_a_region_must_be_enabled(status, verdict):
    found = judge.region("ap-east-1", status)
    assert found.verdict is verdict
    assert found.do is None or "enable-region --region-name ap-east-1" in found.do


class TestImages:
    def test_one_that_is_there_is_ok(self):
        assert judge.image(BY_ID, [IMAGE], [API], TYPES).verdict is Verdict.OK

    def test_none_is_missing(self):
        assert judge.image(BY_ID, [], [API], TYPES).verdict is Verdict.MISSING

    def test_one_of_another_architecture_is_missing(self):
        found = judge.image(BY_ID, [replace(IMAGE, architecture="arm64")], [API], TYPES)
        assert found.verdict is Verdict.MISSING
        assert found.do == "an image that t3.medium can boot: x86_64"

    def test_a_type_with_an_image_of_its_own_needs_no_other(self):
        by_arm = replace(BY_ID, ids=("ami-arm",))
        mixed = replace(API, types=("t3.medium", "t4g.medium"), others={"t4g.medium": by_arm})
        kinds = {**TYPES, "t4g.medium": replace(TYPES["t3.medium"], architectures=("arm64",))}
        assert judge.image(BY_ID, [IMAGE], [mixed], kinds).verdict is Verdict.OK
        assert judge.image(by_arm, [IMAGE], [mixed], kinds).verdict is Verdict.MISSING

    def test_one_that_is_still_being_made_is_missing(self):
        found = judge.image(BY_ID, [replace(IMAGE, state="pending")], [API], TYPES)
        assert found.verdict is Verdict.MISSING


class TestTypes:
    def test_one_that_is_offered_where_machines_are_is_ok(self):
        assert only(judge.types([API], TYPES)).verdict is Verdict.OK

    def test_one_that_is_nowhere_is_missing(self):
        assert only(judge.types([replace(API, types=("m9.huge",))], TYPES)).verdict is (
            Verdict.MISSING
        )

    def test_one_that_is_in_other_zones_only_is_missing(self):
        far = replace(X86, zones=frozenset({"us-east-1f"}))
        assert only(judge.types([API], {"t3.medium": far})).verdict is Verdict.MISSING

    def test_one_that_is_in_some_of_the_zones_is_warned_of(self):
        some = replace(X86, zones=frozenset({"us-east-1a"}))
        found = only(judge.types([API], {"t3.medium": some}))
        assert found.verdict is Verdict.WARN
        assert "us-east-1b" in found.do

    def test_where_the_zones_are_not_known_the_region_is_enough(self):
        assert only(judge.types([replace(API, zones=())], TYPES)).verdict is Verdict.OK

    def test_one_that_only_terraform_knows_does_not_pass_silently(self):
        assert only(judge.types([replace(API, types=())], TYPES)).verdict is Verdict.UNASKED


class TestProcessors:
    def test_the_largest_of_several_types_counts(self):
        mixed = replace(API, types=("t3.medium", "m7g.xlarge"))
        assert judge.cpus([mixed], TYPES) == (7 * 4, 0)

    def test_spot_machines_count_apart(self):
        assert judge.cpus([replace(API, base=1)], TYPES) == (2, 6 * 2)

    def test_types_with_a_quota_of_their_own_do_not_count_and_are_told(self):
        gpu = replace(API, types=("g5.xlarge",))
        assert judge.cpus([gpu], {"g5.xlarge": replace(X86, cpus=4)}) == (0, 0)
        assert only(judge.others([gpu])).verdict is Verdict.UNASKED


class TestPrices:
    SPOT = replace(API, base=0, max_price=Decimal("0.02"))

    def test_one_above_what_they_cost_is_ok(self):
        found = judge.price(self.SPOT, {"t3.medium": Decimal("0.0125")})
        assert (found.verdict, found.found) == (Verdict.OK, "t3.medium 0.0125")

    def test_one_below_what_they_cost_is_warned_of(self):
        found = judge.price(self.SPOT, {"t3.medium": Decimal("0.0213")})
        assert found.verdict is Verdict.WARN
        assert "there is no t3.medium" in found.do

    def test_a_type_without_a_price_is_warned_of(self):
        found = judge.price(self.SPOT, {})
        assert found.verdict is Verdict.WARN
        assert found.found == "no price of t3.medium"


def test_a_key_pair_that_is_not_there_is_missing_and_the_nearest_is_named():
    found = only(judge.named("key pair", ["op"], ["ops"], do="import it"))
    assert found.verdict is Verdict.MISSING
    assert "ops" in found.found
