"""Every document is accepted by the programs that will read it."""

from __future__ import annotations

import pytest

from crossgate.boot.document import Command, Document, Unit
from tests.boot import programs

pytestmark = pytest.mark.root


def test_cloud_init_accepts_it(document, tmp_path):
    programs.assert_cloud_init_accepts(document, tmp_path)


def test_systemd_accepts_its_units(document, tmp_path):
    programs.assert_systemd_accepts(document, tmp_path)


def test_shellcheck_accepts_its_scripts(document):
    programs.assert_shellcheck_accepts(document)


def test_fails_on_a_unit_that_systemd_does_not_know(tmp_path):
    wrong = Document(label="x", units=[Unit("x.service", "[Service]\nExecStrat=/bin/true\n")])
    with pytest.raises(AssertionError, match="ExecStrat"):
        programs.assert_systemd_accepts(wrong, tmp_path)


def test_fails_on_a_careless_command():
    wrong = Document(label="x", before=[Command("rm -rf $directory/*")])
    with pytest.raises(AssertionError, match="SC2154"):
        programs.assert_shellcheck_accepts(wrong)
