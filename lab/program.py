"""The app that the lab deploys; what it depends on is in the context of its `cdktf.json`."""

from crossgate import App, Artifact, Host
from stacks.lab import LabStack
from stacks.lab_inhouse import InHouseLabStack

app = App()
given = app.node.try_get_context("lab")
if given:
    LabStack(
        app,
        "gateway",
        artifact=Artifact(url=given["url"], sha256=given["sha256"]),
        clouds=given["clouds"],
        image=given.get("image", ""),
        external_network_id=given.get("external_network_id", ""),
        keystone=given.get("keystone", ""),
    )
given = app.node.try_get_context("rack")
if given:
    InHouseLabStack(
        app,
        "inhouse",
        hosts=[Host(**host) for host in given["hosts"]],
        user=given["user"],
        key=given["key"],
        vip=given["vip"],
        artifact=Artifact(url=given["url"], sha256=given["sha256"]),
        clients=given["clients"],
        rotation=given["rotation"],
    )
app.synth()
