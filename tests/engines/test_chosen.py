"""Which engine this very run of the tests is on."""

from __future__ import annotations

import os
import sys

from crossgate.terraform.engine import ENGINE


def test_this_run_is_on_the_engine_that_was_asked_for():
    """A test module that imported the other engine first would have had its way."""
    assert os.environ.get("CROSSGATE_ENGINE", "cdktf") == ENGINE
    assert {"cdktf", "cdktn"} & set(sys.modules) == {ENGINE}
