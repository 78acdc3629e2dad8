"""The page of what each cloud does says what the clouds say."""

from __future__ import annotations

import pytest

from crossgate import App, TerraformStack
from tools.clouds_table import FEATURES, TARGET, asked, clouds, text

PLAIN = [features[0] for name, features in FEATURES.items() if name in {"Size", "Machine"}]


def test_it_is_fresh():
    assert TARGET.read_text(encoding="utf-8") == text(), "python -m tools.clouds_table"


@pytest.mark.parametrize("feature", PLAIN, ids=lambda one: one.said)
def test_what_is_plain_every_cloud_does(tmp_path, feature):
    stack = TerraformStack(App(outdir=str(tmp_path / "out")), "asked")
    assert {name: list(asked(one, feature)) for name, one in clouds(stack).items()} == {
        "AWS": [],
        "OpenStack": [],
        "in-house": [],
    }
