"""A stack that the real `cdktf deploy` applies: by Terraform, with the real providers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.toolbox import ROOT, ToolError, program, run

_PROJECT = "5b5c1f4e-6f0e-4c43-9d1e-2f6d9f0f0f00"
_TERRAFORM_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A stack that `cdktf deploy` has applied.

    Attributes:
        folder: where it was deployed from: `cdktf.json`, `cdktf.out` and the state.
        name: the stack's name.
        environment: that of Terraform; it leads the providers to their control planes.
        output: what the CLI printed.

    """

    folder: Path
    name: str
    environment: Mapping[str, str] = field(repr=False)
    output: str = field(repr=False)

    @property
    def stack(self) -> Path:
        """The folder that Terraform ran in."""
        return self.folder / "cdktf.out" / "stacks" / self.name

    @property
    def json(self) -> dict[str, Any]:
        """What was applied."""
        made: dict[str, Any] = json.loads((self.stack / "cdk.tf.json").read_text(encoding="utf-8"))
        return made

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs and their values."""
        shown = json.loads(self.terraform("output", "-json").stdout)
        return {name: output["value"] for name, output in shown.items()}

    def terraform(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Terraform once more on the same stack; the caller looks at its exit status."""
        return subprocess.run(  # noqa: S603  (the toolbox's own Terraform)
            [str(program("terraform")), *arguments],
            cwd=self.stack,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TERRAFORM_SECONDS,
        )

    def destroy(self) -> None:
        """Take everything down again.

        Raises:
            ToolError: Terraform could not.

        """
        done = self.terraform("destroy", "-auto-approve", "-no-color")
        if done.returncode:
            raise ToolError(
                f"`terraform destroy` of {self.name} failed:",
                do=f"look at the state in {self.stack}, mend what it names and destroy again.",
                output=done.stdout + done.stderr,
            )


def deploy(
    app: Path,
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    context: Mapping[str, object] | None = None,
) -> Deployed:
    """Deploy the stack `name` of the program `app` from `folder`, and return it.

    Args:
        app: the program that synthesizes it.
        name: the stack's name in it.
        folder: where `cdktf.json`, `cdktf.out` and the state go; made when it is absent.
        environment: what the program, the CLI and Terraform see. It must name the control planes:
            nothing here keeps a provider from a real account.
        context: what the program finds with `app.node.get_context(key)`; default nothing.

    Raises:
        ToolError: synthesis or Terraform failed, with the last lines that the CLI printed.

    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "language": "python",
        "app": f"{sys.executable} {app}",
        "projectId": _PROJECT,
        "sendCrashReports": "false",
        "context": context or {},
    }
    (folder / "cdktf.json").write_text(json.dumps(settings), encoding="utf-8")
    command: list[str | Path] = [
        program("cdktf"), "deploy", name, "--auto-approve",
        # Without it the CLI locks providers over the network, for platforms that are not ours.
        "--skip-provider-lock",
    ]  # fmt: skip
    path = f"{ROOT / 'constructs'}:{ROOT}"
    full = {**environment, "PYTHONPATH": path}
    output = run(command, cwd=folder, env=full, do="read what Terraform says above, and mend it.")
    return Deployed(folder=folder, name=name, environment=full, output=output)
