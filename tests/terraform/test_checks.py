from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate.clouds.aws.bindings.network import Vpc
from crossgate.clouds.aws.bindings.provider import AwsProvider
from crossgate.errors import ConfigError, SynthesisError
from crossgate.terraform import engine
from crossgate.terraform.checks import late_check
from crossgate.terraform.engine import TerraformStack

if TYPE_CHECKING:
    from crossgate.terraform.app import App

FIRST = ConfigError("nobody runs it", path="test/edge", got="api", do="add it")
SECOND = ConfigError("the network is full", path="test/net")
BOTH = "test/edge: nobody runs it\n  got:  'api'\n  do:   add it\ntest/net: the network is full"


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def stack(stack: TerraformStack) -> TerraformStack:
    AwsProvider(stack, "aws", region="us-east-1")
    return stack


def test_all_problems_come_at_once_and_nothing_is_written(
    app: App, stack: TerraformStack, tmp_path: Path
) -> None:
    late_check(stack, lambda: [FIRST])
    late_check(stack, lambda: [SECOND, FIRST])

    with pytest.raises(SynthesisError) as refused:
        app.synth()

    assert str(refused.value) == f"2 problems; nothing was written:\n{BOTH}"
    assert refused.value.problems == (FIRST, SECOND)
    assert written(tmp_path) == []


def test_a_passing_check_lets_the_stack_be_written(
    app: App, stack: TerraformStack, tmp_path: Path
) -> None:
    asked = []
    late_check(stack, lambda: asked.append(1) or [])

    app.synth()

    assert asked
    assert (tmp_path / "cdktf.out" / "stacks" / "test" / "cdk.tf.json") in written(tmp_path)


def test_an_app_of_the_engine_shows_the_same_text_and_writes_nothing(tmp_path: Path) -> None:
    app = engine.App(outdir=str(tmp_path))
    one, two = TerraformStack(app, "one"), TerraformStack(app, "two")
    late_check(two, lambda: [FIRST])
    late_check(one, lambda: [SECOND])

    with pytest.raises(RuntimeError) as refused:
        app.synth()

    assert str(FIRST) in str(refused.value)
    assert str(SECOND) in str(refused.value)
    assert written(tmp_path) == []


def test_a_wrong_late_argument_is_one_of_the_problems(app: App, stack: TerraformStack) -> None:
    late_check(stack, lambda: [SECOND])
    Vpc(stack, "it", cidr_block=lambda: 7)  # type: ignore[arg-type, return-value]

    with pytest.raises(SynthesisError) as refused:
        app.synth()

    wrong = "test/it: cidr_block: is of the wrong type\n  got:  7\n  want: text"
    assert str(refused.value).endswith(f"{SECOND}\n{wrong}")


def test_a_wrong_late_argument_is_readable_in_an_app_of_the_engine(tmp_path: Path) -> None:
    app = engine.App(outdir=str(tmp_path))
    stack = TerraformStack(app, "test")
    AwsProvider(stack, "aws", region="us-east-1")
    late_check(stack, lambda: [SECOND])
    Vpc(stack, "it", cidr_block=lambda: 7)  # type: ignore[arg-type, return-value]

    with pytest.raises(RuntimeError) as refused:
        app.synth()

    wrong = "test/it: cidr_block: is of the wrong type\n  got:  7\n  want: text"
    assert f"2 problems; nothing was written:\n{SECOND}\n{wrong}" in str(refused.value)
    assert written(tmp_path) == []


def test_a_check_outside_of_any_stack_is_refused(app: App) -> None:
    with pytest.raises(ConfigError, match="the app: is in no stack"):
        late_check(app, list)
