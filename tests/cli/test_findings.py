from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from crossgate.cli.findings import Asker, Exit, Finding, Report, Verdict, exit_code, quota
from crossgate.cli.rendering import as_json, show

OK = Finding(what="flavor m3.small", needed="for api", found="2 cpu")
GONE = Finding(
    what="image [x]", needed="for api", found="none", verdict=Verdict.MISSING, do="make one"
)


def report(*findings: Finding, **more) -> Report:
    return Report(cloud="nova", where="OpenStack", findings=findings, **more)


def shown(*reports: Report) -> str:
    screen = io.StringIO()
    show(Console(file=screen, width=120), reports)
    return screen.getvalue()


class TestQuota:
    DO = "ask for {most}"

    @pytest.mark.parametrize("limit", [None, -1])
    def test_where_there_is_no_limit_there_is_enough(self, limit):
        found = quota("ports", more=10, limit=limit, used=3, do=self.DO)
        assert (found.verdict, found.found) == (Verdict.OK, "3 in use, no limit")

    def test_what_just_fits_is_ok(self):
        assert quota("ports", more=7, limit=10, used=3, do=self.DO).verdict is Verdict.OK

    def test_what_does_not_fit_is_missing_and_says_how_many_are_wanted(self):
        found = quota("ports", more=8, limit=10, used=3, unit="MiB", do=self.DO)
        assert found.verdict is Verdict.MISSING
        assert (found.needed, found.found, found.do) == (
            "8 MiB more",
            "3 of 10 MiB in use",
            "ask for 11",
        )


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([], Exit.FINE),
        ([report(OK)], Exit.FINE),
        ([report(Finding(what="", needed="", found="", verdict=Verdict.WARN))], Exit.FINE),
        ([report(Finding(what="", needed="", found="", verdict=Verdict.UNASKED))], Exit.FINE),
        ([report(OK), report(GONE)], Exit.MISSING),
        ([report(GONE), report(failed="no credentials")], Exit.NOT_RUN),
    ],
)
def test_the_shell_is_told_the_worst(reports, code):
    assert exit_code(reports) is code


def an_asker() -> Asker:
    return Asker(errors=(OSError,), sentence=lambda error: f"it said {error}")


class TestAsker:
    def test_an_answer_is_a_finding(self):
        asker = an_asker()
        asker.ask("ports", "3 more", lambda: [OK])
        assert asker.findings == [OK]

    def test_no_answer_is_a_row_with_the_reason(self):
        def refused():
            raise OSError("no rights")

        asker = an_asker()
        asker.ask("ports", "3 more", refused)
        (found,) = asker.findings
        assert found.verdict is Verdict.UNASKED
        assert (found.what, found.needed) == ("ports", "3 more")
        assert found.found == "could not be asked: it said no rights"

    def test_what_was_answered_late_is_a_row_too(self):
        def half():
            yield OK
            raise OSError("gone")

        asker = an_asker()
        asker.ask("ports", "3 more", half)
        assert [one.verdict for one in asker.findings] == [Verdict.UNASKED]

    def test_a_fault_of_our_own_is_not_hidden(self):
        with pytest.raises(ZeroDivisionError):
            an_asker().ask("ports", "3 more", lambda: [1 / 0])


def test_each_thing_is_a_row_and_each_failure_says_what_to_do():
    text = shown(report(OK, GONE))
    assert "flavor m3.small" in text
    assert "missing: image [x]\n  do: make one\n" in text
    assert text.rstrip().endswith("1 ok, 1 missing")


def test_a_cloud_that_did_not_answer_is_told():
    text = shown(report(failed="no password"))
    assert "could not be asked: no password" in text
    assert "nova not checked" in text


def test_where_there_is_no_cloud_that_is_told():
    assert shown() == "nothing to check\n"


def test_the_same_is_there_as_data():
    data = json.loads(as_json("gateway", [report(OK, GONE, profile="OpenStackProfile()")]))
    assert (data["stack"], data["exit"]) == ("gateway", 1)
    (nova,) = data["clouds"]
    assert nova["profile"] == "OpenStackProfile()"
    assert nova["findings"][1] == {
        "what": "image [x]",
        "needed": "for api",
        "found": "none",
        "verdict": "missing",
        "do": "make one",
    }
