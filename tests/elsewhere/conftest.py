from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.toolbox import ROOT, environment, program, run

HERE = Path(__file__).parent
PREBUILT = "cdktf-cdktf-provider-random"


@dataclass(frozen=True)
class Elsewhere:
    """A machine that is not ours, as far as Python can tell: an environment and a home."""

    environment: Path
    home: Path

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def ran(
        self, *arguments: str, cwd: Path, path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run its Python, with a PATH, a home and nothing else."""
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd,
            env={"HOME": str(self.home), "PATH": path or str(self.environment / "bin")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def synthesized(
        self, app: str, folder: Path, *, path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run an app of this folder as its owner would."""
        shutil.copy(HERE / app, folder / "main.py")
        return self.ran("main.py", cwd=folder, path=path)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel that users get."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    run([sys.executable, *words], do="see the last lines above")
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Install the wheel and a prebuilt provider package where nothing of ours is.

    The versions are those of Pipfile.lock, so that what is published tomorrow fails no test.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    lock = json.loads((ROOT / "Pipfile.lock").read_text(encoding="utf-8"))
    pinned = {**lock["default"], **lock["develop"]}.items()
    constraints = folder / "constraints.txt"
    constraints.write_text(
        "".join(f"{name}{entry['version']}\n" for name, entry in pinned if "version" in entry)
    )
    made = Elsewhere(environment=folder / "environment", home=folder / "home")
    made.home.mkdir()
    venv.create(made.environment, with_pip=False, symlinks=os.name != "nt")
    run(
        [
            *(sys.executable, "-m", "pip", "--python", made.python, "install", "--quiet"),
            *("--disable-pip-version-check", "--constraint", constraints, wheel, PREBUILT),
        ],
        do="see that this machine reaches a Python package index",
    )
    return made


def terraform(folder: Path, *words: str) -> str:
    return run(
        [program("terraform"), *words], cwd=folder, env=environment(), do="read the lines above"
    )


def assert_terraform_accepts(folder: Path, made: dict[str, Any]) -> None:
    """Fail unless the real Terraform and the real providers find nothing wrong with the JSON."""
    (folder / "cdk.tf.json").write_text(json.dumps(made))
    # The prebuilt package asks for exactly the version that it was made from, and the mirror has
    # the one that our tables were made from. What is used here is the same in both.
    wanted = {"source": "hashicorp/random", "version": "~> 3.1"}
    override = {"terraform": {"required_providers": {"random": wanted}}}
    (folder / "version_override.tf.json").write_text(json.dumps(override))
    terraform(folder, "init", "-backend=false", "-input=false", "-no-color")
    assert json.loads(terraform(folder, "validate", "-json"))["diagnostics"] == []
