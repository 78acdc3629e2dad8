from __future__ import annotations

import pytest

from crossgate.errors import ConfigError
from crossgate.terraform.engine import Construct, TerraformStack, claim, stack_of


def test_a_claim_returns_the_path(stack: TerraformStack) -> None:
    assert claim(stack, "it") == "test/it"
    assert claim(Construct(stack, "group"), "it") == "test/group/it"


def test_a_claim_of_a_taken_id_is_refused(stack: TerraformStack) -> None:
    Construct(stack, "it")

    with pytest.raises(ConfigError) as refused:
        claim(stack, "it")
    assert str(refused.value) == (
        "test/it: the id is taken\n  got:  'it'\n"
        "  want: an id that no other child of test has\n"
        "  do:   give one of the two constructs another id"
    )


def test_the_stack_of_a_construct_is_the_nearest_above_it(stack: TerraformStack) -> None:
    assert stack_of(Construct(Construct(stack, "a"), "b")) is stack
    assert stack_of(stack) is stack
