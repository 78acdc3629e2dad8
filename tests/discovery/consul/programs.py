"""The real Consul, which judges an agent's configuration and keeps a catalogue."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crossgate.discovery.consul.settings import CONFIG_DIRECTORY
from crossgate.model.text import Reference, Text
from lab.daemon import free_port
from tools import toolbox

if TYPE_CHECKING:
    from crossgate.boot.document import Document, File


def configuration(document: Document) -> dict[str, File]:
    """Return the files of the agent's configuration by name."""
    return {
        file.path.removeprefix(f"{CONFIG_DIRECTORY}/"): file
        for _, file in document.written()
        if file.path.startswith(f"{CONFIG_DIRECTORY}/")
    }


def assert_consul_accepts(document: Document, folder: Path, known: Mapping[Reference, str]) -> None:
    """Fail unless Consul accepts the document's configuration; `folder` is for it alone."""
    for name, file in configuration(document).items():
        (folder / name).write_text(Text.of(file.text).sample(known=known), encoding="utf-8")
    # This machine may have no private address; the last file has the last word.
    (folder / "zz.json").write_text('{"bind_addr": "127.0.0.1"}', encoding="utf-8")
    done = subprocess.run(
        [toolbox.program("consul"), "validate", folder],
        env=toolbox.environment(), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Configuration is valid!" in done.stdout


class Consul:
    """A Consul of one agent, told what to list."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"

    def put(self, path: str, body: object) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=5)
        with contextlib.closing(connection):
            connection.request("PUT", path, body=json.dumps(body))
            response = connection.getresponse()
            assert response.status == 200, response.read()

    def checks(self) -> dict[str, tuple[str, str]]:
        """Return how the checks of the agent's services are, and what each has said."""
        connection = http.client.HTTPConnection(self.address, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/v1/agent/checks")
            checks = json.load(connection.getresponse()).values()
        return {one["ServiceName"]: (one["Status"], one["Output"]) for one in checks}

    def register(self, node: str, address: str, id: str, port: int, status: str) -> None:
        check = {
            "Node": node,
            "CheckID": "_service_maintenance:api" if status == "maintenance" else f"check:{id}",
            "ServiceID": id,
            "Status": "critical" if status == "maintenance" else status,
        }
        body = {
            "Node": node,
            "Address": address,
            "SkipNodeUpdate": False,
            "Service": {"ID": id, "Service": "api", "Port": port},
            "Check": check,
        }
        self.put("/v1/catalog/register", body)


@contextlib.contextmanager
def running_consul(*more: str) -> Iterator[Consul]:
    """Run a Consul, for as long as it is needed; `more` are words of its command line."""
    http_port = free_port()
    ports = {name: free_port() for name in ("server", "serf-lan", "serf-wan")}
    process = subprocess.Popen(
        [
            toolbox.program("consul"), "agent", "-dev", "-bind=127.0.0.1", "-log-level=error",
            f"-http-port={http_port}", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
            *(f"-{name}-port={port}" for name, port in ports.items()), *more,
        ],
        env=toolbox.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        found = Consul(http_port)
        last = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError, AssertionError):
                found.put("/v1/kv/ready", 1)
                break
            assert process.poll() is None
            assert time.monotonic() < last
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(20)


def rendered(folder: Path, template: str, address: str, *, left: str, right: str) -> str:
    """Return what the real consul-template makes of a template, from the Consul at `address`."""
    source, made = folder / "source.tpl", folder / "made"
    made.unlink(missing_ok=True)
    source.write_bytes(template.encode())
    wanted = {
        "source": str(source),
        "destination": str(made),
        "left_delimiter": left,
        "right_delimiter": right,
    }
    config = {"consul": {"address": address}, "template": [wanted]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    subprocess.run(
        [toolbox.program("consul-template"), "-once", f"-config={folder / 'config.json'}"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return made.read_bytes().decode()
