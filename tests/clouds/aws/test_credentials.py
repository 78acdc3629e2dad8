"""Programs on machines that the metadata service gives no credentials, as when it is slow."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from crossgate.clouds.aws.programs import cloudwatch_figures, lifecycle, own_verdict


def goes_on(_: float) -> None:
    raise AssertionError("it goes on without credentials")


@pytest.mark.parametrize(
    "program", [cloudwatch_figures, lifecycle, own_verdict], ids=lambda one: one.__name__
)
def test_a_program_without_credentials_ends_so_that_systemd_starts_it_anew(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    instance = tmp_path / "instance"
    instance.write_text("i-1", encoding="ascii")
    settings = {"region": "us-east-1", "instance": str(instance), "service": "api", "unfit": 1}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**settings, "cut": 0.5}), encoding="utf-8")
    monkeypatch.setattr("time.sleep", goes_on)
    with pytest.raises(SystemExit, match="no credentials"):
        program.main(str(path))
