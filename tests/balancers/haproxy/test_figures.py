"""What a balancer tells of what HAProxy says; tests/lab asks a real HAProxy."""

from __future__ import annotations

import json
from datetime import timedelta

from crossgate.balancers.haproxy.document import figures_document
from crossgate.balancers.haproxy.programs.haproxy_figures import added_up, figures
from crossgate.boot.document import Document
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import Watch

SAID = """\
# pxname,svname,qcur,qmax,scur,smax
api-9000,one,1,1,5,9
api-9000,two,0,0,3,9
api-9000,BACKEND,3,7,12,20
api-9001,BACKEND,0,0,3,4
stats,BACKEND,0,0,1,1
"""
API = Service(name="api", port=9190, command=["/usr/bin/api"])
WATCH = Watch(
    cluster="gw", program=("/usr/bin/python3", "/opt/watch.py"), document=Document(label="watch")
)


def test_the_connections_of_all_listeners_of_a_service_are_added_up():
    found = figures(SAID, {"api-9000": "api", "api-9001": "api"})
    assert found == {"api": {"connections": 15, "queue": 4}}


def test_what_old_processes_still_hold_counts_too():
    old, new = {"connections": 3, "queue": 1}, {"connections": 9, "queue": 0}
    assert added_up([{"api": old}, {"api": new}]) == {"api": {"connections": 12, "queue": 1}}


def test_a_service_without_a_connection_is_told_too():
    assert figures(SAID, {"web-80": "web"}) == {"web": {"connections": 0, "queue": 0}}


def test_it_is_told_which_backends_lead_to_which_service():
    listeners = [Listener(port=port, to=API, idle=timedelta(minutes=5)) for port in (9000, 9001)]
    files = {file.path: file for _, file in figures_document(listeners, WATCH).written()}
    settings = json.loads(Text.of(files["/etc/crossgate/haproxy-figures.json"].text).sample())
    assert settings["service_of"] == {"api-9000": "api", "api-9001": "api"}
    assert settings["watch"] == ["/usr/bin/python3", "/opt/watch.py"]
