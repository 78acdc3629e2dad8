"""Whole stacks, against the provider's schema and the real provider."""

from __future__ import annotations

import json

import pytest

from crossgate import ExistingVpc, OwnVpc, TerraformStack, VpcByName
from tests.clouds.aws.test_network import by_ids, cloud, gateway
from tests.terraform.conformity import nonconforming, schemas
from tools.toolbox import environment, program, run

VARIANTS = {
    "own": lambda _: {"network": OwnVpc("10.20.0.0/16", nat="single")},
    "looked up": lambda _: {
        "network": VpcByName(name="main"),
        "image": "debian-12",
        "root_device": None,
    },
    "by ids": lambda _: {
        "network": ExistingVpc(vpc_id="vpc-1", private=["subnet-1"], public=["subnet-2"]),
        "root_device": None,
        "tags": {"team/cost centre": "x"},
    },
    "by lists of another's": lambda stack: {"network": by_ids(stack)},
    "zones of the account": lambda _: {"zones": None},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_block_conforms(stack, api, synth, variant):
    gateway(stack, cloud(stack, **VARIANTS[variant](stack)), api)
    known = schemas()
    assert any(name.startswith("aws-") for name in known)
    assert nonconforming(synth(), known) == []


@pytest.mark.terraform
@pytest.mark.parametrize("stack_id", ["internal", "sg"])
def test_the_real_provider_finds_every_variant_valid(app, api, tmp_path, stack_id):
    for number, variant in enumerate(VARIANTS.values()):
        # The names that AWS keeps to itself are made of the stack's id.
        made = TerraformStack(app, f"{stack_id}-{number}")
        gateway(made, cloud(made, **variant(made)), api)
    app.synth()
    for number, variant in enumerate(VARIANTS):
        folder = tmp_path / "cdktf.out" / "stacks" / f"{stack_id}-{number}"
        run(
            [program("terraform"), "init", "-input=false"],
            cwd=folder,
            env=environment(),
            do="see above",
        )
        found = json.loads(
            run(
                [program("terraform"), "validate", "-json"],
                cwd=folder,
                env=environment(),
                do="see above",
            )
        )
        assert found["diagnostics"] == [], variant
