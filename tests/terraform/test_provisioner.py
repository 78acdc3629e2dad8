"""Connections and provisioners, which the engine would write with parts missing."""

from __future__ import annotations

import pytest

from crossgate import ArgumentError, Reference
from crossgate.clouds.inhouse.bindings.data import TerraformData
from crossgate.model.text import Text
from crossgate.terraform.provisioner import Connection, FileProvisioner, RemoteExec

HERE = Connection(host="10.0.0.1", user="a", host_key="ssh-ed25519 AAAA")
OWN = Connection(
    host=Reference("${self.input.host}"), user="a", host_key=Reference("${self.input.key}")
)


def written(synth) -> dict:
    (block,) = synth()["resource"]["terraform_data"].values()
    return block


def test_the_host_key_is_written(stack, synth):
    TerraformData(stack, "a", HERE, [])
    assert written(synth)["connection"] == {
        "type": "ssh", "host": "10.0.0.1", "port": "22", "user": "a",
        "host_key": "ssh-ed25519 AAAA", "agent": True, "timeout": "60s",
    }  # fmt: skip


def test_provisioners_keep_their_order_and_when_they_run(stack, synth):
    last = RemoteExec(lines=["rm x"], at_destroy=True)
    TerraformData(stack, "a", OWN, [FileProvisioner(content="x", destination="y"), last])
    assert written(synth)["provisioner"] == [
        {"file": {"content": "x", "destination": "y"}},
        {"remote-exec": {"inline": ["rm x"], "when": "destroy"}},
    ]


def test_shell_is_no_template(stack, synth):
    TerraformData(stack, "a", HERE, [RemoteExec(lines=["echo ${HOME} %{x}"])])
    assert written(synth)["provisioner"][0]["remote-exec"]["inline"] == ["echo $${HOME} %%{x}"]


def test_a_reference_stays_one(stack, synth):
    line = Text.of("echo ", Reference("${var.x}"))
    TerraformData(stack, "a", HERE, [RemoteExec(lines=[line])])
    assert written(synth)["provisioner"][0]["remote-exec"]["inline"] == ["echo ${var.x}"]


def test_a_resource_that_is_moved_is_written_nowhere_else(stack, synth):
    TerraformData(stack, "a", HERE, []).move_to_id("terraform_data.b")
    assert "a" not in synth().get("resource", {}).get("terraform_data", {})


@pytest.mark.parametrize(
    ("connection", "line"),
    [
        (OWN, Reference("${var.x}")),
        (Connection(host=Reference("${var.h}"), user="a", host_key="k"), "true"),
    ],
)
def test_the_end_knows_nothing_but_the_resource_itself(stack, connection, line):
    with pytest.raises(ArgumentError, match="the resource itself only"):
        TerraformData(stack, "a", connection, [RemoteExec(lines=[line], at_destroy=True)])


def test_the_beginning_may_refer_to_anything(stack, synth):
    TerraformData(stack, "a", HERE, [RemoteExec(lines=[Reference("${var.x}")])])
    synth()
