from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossgate.discovery.consul.template import LEFT, RIGHT, keep_document, template
from crossgate.errors import ConfigError
from crossgate.model.service import Service
from crossgate.model.text import Quoted, Reference, Text
from crossgate.specs import FellowLines, ServerLines, WatchedFile
from tests.discovery.consul import programs
from tests.discovery.consul.programs import Consul, running_consul
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

API = Service(name="api", port=9190, command=["/usr/bin/x"])
LINES = ServerLines(service=API, line="    server {name} {address}:{port} tcp-ut 500ms\n")
FILE = WatchedFile(
    path="/var/lib/crossgate/balancer.cfg",
    pieces=(Text.of("before\n"), LINES, Text.of("after\n")),
    apply="test -s /var/lib/crossgate/balancer.cfg && systemctl reload balancer",
    owner="root:adm",
    mode=0o640,
)


def files(file: WatchedFile = FILE) -> dict[str, str]:
    return {
        Path(part.path).name: Text.of(part.text).sample()
        for label, part in keep_document(file).written()
        if "balancer" in part.path
    }


def rendered(
    folder: Path, pieces: list[Text | ServerLines | FellowLines], address: str = "127.0.0.1:9"
) -> str:
    """Return what the real consul-template makes of `pieces`."""
    text = template(pieces).sample()
    return programs.rendered(folder, text, address, left=LEFT, right=RIGHT)


@pytest.mark.live
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(
        st.text(st.sampled_from(f"{LEFT}{RIGHT}{{}} \n\"'`\\-%$ö/*" + "aå"))
        | st.sampled_from([LEFT, RIGHT, "{{", "}}", f"{LEFT} 1 {RIGHT}", "[cross", "gate:"]),
        min_size=1,
    ).filter(any)
)
@example(texts=['{{ key "x" }}'])
@example(texts=["[cross", "gate: 1 :]"])
@example(texts=[f"{LEFT}{LEFT}{RIGHT}"])
def test_text_comes_out_as_it_went_in(tmp_path: Path, texts: list[str]) -> None:
    assert rendered(tmp_path, [Text.of(text) for text in texts]) == "".join(texts)


@pytest.mark.live
@pytest.mark.parametrize("style", ["json", "yaml", "shell"])
def test_quoted_text_comes_out_as_it_went_in(tmp_path: Path, style: Any) -> None:
    text = Text.of(Quoted(Text.of(f"{LEFT} 1 {RIGHT}", Reference("${a.b}")), style))
    assert rendered(tmp_path, [text]) == text.sample()


def test_fails_on_a_line_that_says_no_address() -> None:
    with pytest.raises(ConfigError) as caught:
        template([ServerLines(service=API, line="server {name}\n")])
    assert "ServerLines('api'): a line for every machine must say where" in str(caught.value)
    assert "'server {name}\\n'" in str(caught.value)


def test_consul_template_never_gives_up() -> None:
    found = json.loads(files()["balancer.json"])
    assert found["consul"]["address"] == "127.0.0.1:8500"
    assert found["consul"]["retry"]["attempts"] == 0
    assert found["consul"]["retry"]["enabled"] is True


def test_the_file_gets_its_owner_and_mode() -> None:
    (found,) = json.loads(files()["balancer.json"])["template"]
    assert (found["destination"], found["perms"]) == (FILE.path, "0640")
    assert (found["user"], found["group"]) == ("root", "adm")


def test_the_command_is_run_with_a_limit() -> None:
    (found,) = json.loads(files()["balancer.json"])["template"]
    assert found["exec"]["command"] == ["/etc/consul-template/balancer.apply"]
    assert found["exec"]["timeout"] == "60s"
    assert FILE.apply in files()["balancer.apply"]


def test_the_template_is_for_root_only_because_it_may_hold_secrets() -> None:
    (found,) = [f for _, f in keep_document(FILE).written() if f.path.endswith(".tpl")]
    assert (found.mode, found.owner) == (0o600, "root:root")


def test_the_shell_lines_are_clean() -> None:
    done = subprocess.run(
        [toolbox.program("shellcheck"), "-"],
        input=files()["balancer.apply"], check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.root
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    (unit,) = keep_document(FILE).units
    # The program is not on this machine's path, and verify looks for it.
    text = str(unit.text).replace(
        "/usr/bin/consul-template", str(toolbox.program("consul-template"))
    )
    (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [toolbox.program("systemd-analyze"), "verify", unit.name],
        env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{tmp_path}:"),
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def consul() -> Iterator[Consul]:
    with running_consul() as found:
        yield found


@pytest.mark.live
def test_lines_stand_for_all_but_those_in_maintenance(consul: Consul, tmp_path: Path) -> None:
    consul.register("api-b-1", "10.0.0.2", "api", 9190, "critical")
    consul.register("api-a-1", "10.0.0.1", "api", 9190, "passing")
    consul.register("api-c-1", "10.0.0.3", "api", 9190, "maintenance")
    assert rendered(tmp_path, [*FILE.pieces], consul.address) == (
        "before\n"
        "    server api-a-1_api 10.0.0.1:9190 tcp-ut 500ms\n"
        "    server api-b-1_api 10.0.0.2:9190 tcp-ut 500ms\n"
        "after\n"
    )


@pytest.mark.live
def test_a_service_that_nobody_runs_has_no_line(consul: Consul, tmp_path: Path) -> None:
    assert rendered(tmp_path, [*FILE.pieces], consul.address) == "before\nafter\n"


@pytest.mark.live
def test_names_differ_and_are_ones_that_haproxy_takes(consul: Consul, tmp_path: Path) -> None:
    node = "api-a-1"
    consul.register(node, "10.0.0.1", "api", 9190, "passing")
    consul.register(node, "10.0.0.1", "api:2/x", 9191, "passing")
    consul.register(node, "10.0.0.1", "api/2/x", 9192, "passing")
    consul.register(node, "10.0.0.1", "api_2", 9193, "passing")
    names = [line.split()[1] for line in rendered(tmp_path, [LINES], consul.address).splitlines()]
    assert len(set(names)) == 4
    assert names[0] == "api-a-1_api"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for name in names)
    assert sum(name.startswith("api-a-1_api-2-x_") for name in names) == 2


@pytest.fixture
def balancers(consul: Consul) -> Iterator[Consul]:
    """Return the Consul, with nodes that say what they are, or nothing."""
    nodes = {"one": {"balancer": "edge"}, "two": {"balancer": "edge"}, "x": {"balancer": "other"}}
    for number, (name, meta) in enumerate({**nodes, "plain": {}}.items()):
        node = {"Node": name, "Address": f"10.0.0.{number}", "NodeMeta": meta}
        consul.put("/v1/catalog/register", node)
    yield consul
    for name in (*nodes, "plain"):
        consul.put("/v1/catalog/deregister", {"Node": name})


@pytest.mark.live
def test_balancers_of_a_name_stand_for_each_other_and_the_machine_for_itself(
    balancers: Consul, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_NODE", "one")
    pieces: list[Text | ServerLines | FellowLines] = [
        FellowLines(balancer="edge", own="localpeer {name}\n"),
        Text.of("peers\n"),
        FellowLines(balancer="edge", own="server {name}\n", others="server {name} {address}:1\n"),
        FellowLines(balancer="none", others="server {name}\n"),
        Text.of("end\n"),
    ]
    assert rendered(tmp_path, pieces, balancers.address).splitlines() == [
        "localpeer one",
        "peers",
        "server one",
        "server two 10.0.0.1:1",
        "end",
    ]


@pytest.mark.live
def test_a_balancer_whose_agent_has_left_still_stands_for_itself(
    balancers: Consul, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_NODE", "away")
    said = rendered(tmp_path, [FellowLines(balancer="edge", own="{name}\n")], balancers.address)
    assert said == "away\n"


@pytest.mark.live
def test_a_node_whose_name_no_balancer_has_stands_in_no_file(
    balancers: Consul, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any machine may write nodes: such a one could give the file a name twice."""
    monkeypatch.setenv("CONSUL_NODE", "one")
    odd = {"Node": "two_", "Address": "10.0.0.8", "NodeMeta": {"balancer": "edge"}}
    balancers.put("/v1/catalog/register", odd)
    lines = FellowLines(balancer="edge", own="{name}\n", others="{name} {address}\n")
    said = rendered(tmp_path, [lines], balancers.address).splitlines()
    balancers.put("/v1/catalog/deregister", {"Node": "two_"})
    assert said == ["one", "two 10.0.0.1"]
