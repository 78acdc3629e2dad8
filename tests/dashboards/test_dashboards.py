"""The dashboard, the alerts and the example of scraping: what they name is there, and rings."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from crossgate import ConfigError, Listener, Service, write_dashboards
from crossgate.boot.metrics import METRICS_PORT, METRICS_USER
from crossgate.boot.programs.metrics_page import PATHS, units
from crossgate.cli.app import run
from crossgate.clouds.openstack.programs.heat_keeper.__main__ import look
from crossgate.clouds.openstack.programs.heat_keeper.log import Log
from crossgate.dashboards import FILES
from crossgate.discovery.consul.settings import HTTP_PORT, METRICS_URL
from lab.daemon import free_port
from tests.clouds.openstack.test_heat_keeper import FOUR, Heard
from tests.dashboards.watched import Watched, get, names, until
from tools import toolbox
from tools.toolbox import ROOT

API = Service(name="api", port=9190, command=["/usr/bin/api"])
TESTS = Path(__file__).with_name("alerts.test.yaml")
PAGE = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
HEALING = (ROOT / "docs" / "groups" / "healing.md").read_text(encoding="utf-8")

_KEPT_SECONDS = 30

# What programs of others or ours tell; `up` is Prometheus' own.
_NAME = re.compile(r"\b((?:haproxy|consul|crossgate)_\w+)\b")


def text(name: str) -> str:
    return files("crossgate.dashboards").joinpath(name).read_text(encoding="utf-8")


RULES = [rule for group in yaml.safe_load(text("alerts.yaml"))["groups"] for rule in group["rules"]]
PANELS = json.loads(text("grafana.json"))["panels"]


def asked() -> dict[str, set[str]]:
    """Return the figures that rules and panels ask for, by their names."""
    questions = {rule["alert"]: rule["expr"] for rule in RULES}
    for panel in PANELS:
        questions[panel["title"]] = " ".join(one["expr"] for one in panel.get("targets", ()))
    for variable in json.loads(text("grafana.json"))["templating"]["list"]:
        if variable["type"] == "query":
            questions[variable["label"]] = variable["query"]["query"]
    return {name: set(_NAME.findall(question)) for name, question in questions.items()}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> list[str]:
    """Return what real programs tell at the one place of a balancer."""
    listener = Listener(port=free_port(), to=API)
    with Watched(tmp_path_factory.mktemp("machine")) as machine:
        # Some of Consul's figures are told only after they have changed, and then forgotten: nobody
        # may ask for those.
        http, begun = machine.consul(kept=f"{_KEPT_SECONDS}s"), time.monotonic()
        (machine.folder / "run" / "heat-keeper").mkdir()
        keeper = Log(machine.folder / "run" / "heat-keeper" / "metrics.prom")
        look(Heard(FOUR, alive={}), Heard(FOUR, alive={}), keeper, lambda: 1000.0)
        machine.look([listener], ["/bin/true"])
        machine.haproxy([listener], {"api": [free_port()]})
        consul = METRICS_URL.replace(f":{HTTP_PORT}/", f":{http}/")
        machine.page({"consul": consul}, {"crossgate_consul_servers_wanted": 1})
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as client:
            client.recv(1)
        until(lambda: "failed_sessions" in machine.metrics.read_text())
        time.sleep(max(0.0, begun + _KEPT_SECONDS + 1 - time.monotonic()))
        told = [get(machine.stats_port, path) for path in ("/metrics", "/metrics/machine")]
    assert [status for status, _ in told] == [200, 200]
    return [page for _, page in told]


@pytest.fixture(scope="module")
def scraped(pages) -> set[str]:
    """Return the names of all figures on these pages; systemd is asked on whole machines only."""
    of_units = names(units("Id=x\nLoadState=loaded\nNRestarts=0"))
    return of_units.union(*map(names, pages))


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("question", sorted(asked()))
def test_every_figure_that_is_asked_for_is_told_by_the_real_programs(question, scraped):
    assert not asked()[question] - scraped


def test_every_rule_and_every_panel_asks_for_something():
    rows = {panel["title"] for panel in PANELS if panel["type"] == "row"}
    nothing = {name for name, found in asked().items() if not found}
    assert nothing == rows | {"CrossgateTargetDown", "Targets down"}


def promtool(*words: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [toolbox.program("promtool"), *words]
    return subprocess.run(command, input=given, check=False, capture_output=True, text=True)


@pytest.mark.live
@pytest.mark.root
def test_prometheus_reads_the_pages(pages):
    for page in pages:
        done = promtool("check", "metrics", given=page)
        # Others' names are not all as it would have them, and ours lack their descriptions: 3.
        assert done.returncode in {0, 3}, done.stderr
        assert "error while linting" not in done.stderr


@pytest.mark.root
def test_prometheus_accepts_the_rules(tmp_path):
    write_dashboards(tmp_path)
    done = promtool("check", "rules", tmp_path / "alerts.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(RULES)} rules found" in done.stdout


@pytest.mark.root
def test_prometheus_understands_what_every_panel_asks(tmp_path):
    questions = [one["expr"] for panel in PANELS for one in panel.get("targets", ())]
    assert len(questions) > 20
    for name, value in (("gateway", ".*"), ("cloud", ".*"), ("__rate_interval", "5m")):
        questions = [question.replace(f"${name}", value) for question in questions]
    rules = [{"record": f"panel:{n}", "expr": asks} for n, asks in enumerate(questions)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", "--lint=none", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(questions)} rules found" in done.stdout


@pytest.mark.root
def test_prometheus_accepts_the_example_of_scraping(tmp_path):
    write_dashboards(tmp_path)
    for who in ("balancers", "consul"):
        (tmp_path / f"aws-{who}.password").write_text("secret")
    done = promtool("check", "config", tmp_path / "prometheus.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "SUCCESS" in done.stdout


@pytest.mark.root
def test_each_alert_rings_when_it_should_and_not_otherwise():
    done = promtool("test", "rules", TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
def test_an_alert_that_never_rings_is_found(tmp_path):
    write_dashboards(tmp_path)
    rules = tmp_path / "alerts.yaml"
    rules.write_text(text("alerts.yaml").replace("crossgate_list_frozen == 1", "vector(1) == 0"))
    tests = tmp_path / "tests.yaml"
    tests.write_text(re.sub(r"- \S+alerts\.yaml", f"- {rules}", TESTS.read_text(), count=1))
    done = promtool("test", "rules", tests)
    assert done.returncode != 0
    assert "alertname: CrossgateListFrozen" in done.stdout + done.stderr


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_each_alert_is_tested_both_ways(alert):
    tested = [
        bool(one["exp_alerts"])
        for group in yaml.safe_load(TESTS.read_text())["tests"]
        for one in group["alert_rule_test"]
        if one["alertname"] == alert
    ]
    quiet = {"CrossgateUnitRestarts"}  # it is silent about the other unit of the same moment
    assert set(tested) == ({True} if alert in quiet else {True, False})


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_the_page_says_what_to_do_when_an_alert_rings(alert):
    assert f"`{alert}`" in PAGE


def test_every_figure_of_ours_is_described_on_a_page():
    ours = {n for found in asked().values() for n in found if n.startswith("crossgate_")}
    assert not [name for name in sorted(ours) if f"`{name}" not in PAGE + HEALING]


def test_every_alert_says_how_bad_it_is_and_what_it_is():
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_example_scrapes_the_one_place_with_the_login_that_exists():
    for job in yaml.safe_load(text("prometheus.yaml"))["scrape_configs"]:
        assert job["job_name"].startswith("crossgate-")
        assert job["metrics_path"] in PATHS
        assert job["basic_auth"]["username"] == METRICS_USER
        for group in job["static_configs"]:
            assert {target.rpartition(":")[2] for target in group["targets"]} == {str(METRICS_PORT)}
            assert set(group["labels"]) == {"gateway", "cloud"}


def test_panels_lie_beside_each_other_and_have_names_of_their_own():
    assert len({panel["id"] for panel in PANELS}) == len({p["title"] for p in PANELS})
    taken = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_files_are_written_into_a_folder_that_is_made(tmp_path):
    written = write_dashboards(tmp_path / "new" / "folder")
    assert [path.name for path in written] == list(FILES)
    assert [path.read_text(encoding="utf-8") for path in written] == [text(n) for n in FILES]


def test_fails_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        write_dashboards(tmp_path / "file")
    assert str(caught.value).startswith("write_dashboards: dashboards cannot be written\n  got:  ")


def test_a_command_writes_them_and_says_where(tmp_path, capsys):
    assert run(["dashboards", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in FILES]


def test_the_command_says_in_a_sentence_what_is_in_its_way(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["dashboards", "--out", str(tmp_path / "file")]) == 2
    assert "dashboards cannot be written" in capsys.readouterr().err
