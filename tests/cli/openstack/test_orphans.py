from __future__ import annotations

from dataclasses import replace

import pytest

from crossgate.cli.findings import Verdict
from crossgate.cli.openstack.orphans import Orphan, judged

FAILED = Orphan(
    id="s-1", name="gateway-gw-api", status="ROLLBACK_COMPLETE", ours=True, serves=False
)


@pytest.mark.parametrize(
    "status",
    [
        *("CREATE_FAILED", "DELETE_FAILED"),
        *("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS"),
    ],
)
def test_what_failed_is_removed(status):
    assert replace(FAILED, status=status).removable


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "CREATE_COMPLETE"},
        {"status": "UPDATE_FAILED"},
        {"status": "UPDATE_COMPLETE"},
        {"serves": True},
        {"ours": False},
    ],
)
def test_what_may_serve_or_is_not_ours_is_not(changed):
    assert not replace(FAILED, **changed).removable


def test_the_command_that_removes_it_is_named():
    found = judged(FAILED, state_known=True)
    assert found.verdict is Verdict.MISSING
    assert "crossgate check --remove-orphans" in found.do
    assert "openstack stack delete s-1" in found.do


def test_one_that_serves_is_to_be_looked_at():
    found = judged(replace(FAILED, serves=True), state_known=True)
    assert "with machines" in found.found
    assert "--remove-orphans" not in found.do


def test_one_of_somebody_else_makes_the_name_taken():
    found = judged(replace(FAILED, ours=False), state_known=True)
    assert found.verdict is Verdict.MISSING
    assert "another name" in found.do


def test_without_a_state_nobody_knows_whether_it_is_an_orphan():
    found = judged(FAILED, state_known=False)
    assert found.verdict is Verdict.UNASKED
    assert "--state" in found.do
