"""The app: one stack, one JSON, two clouds."""

from crossgate import App
from stacks.gateway import GatewayStack

app = App()
GatewayStack(app, "gateway")
app.synth()
