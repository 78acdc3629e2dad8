"""The app that the lab deploys; what it depends on is in the context of its `cdktf.json`."""

from crossgate import App, Artifact
from stacks.lab import LabStack

app = App()
given = app.node.get_context("lab")
LabStack(
    app,
    "gateway",
    artifact=Artifact(url=given["url"], sha256=given["sha256"]),
    clouds=given["clouds"],
    image=given.get("image", ""),
    external_network_id=given.get("external_network_id", ""),
)
app.synth()
