"""What a balancer tells of what HAProxy says; tests/lab asks a real HAProxy."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from crossgate.balancers.haproxy.document import figures_document
from crossgate.balancers.haproxy.programs.haproxy_figures import added_up, figures, limited
from crossgate.boot.document import Document
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Text
from crossgate.specs import Watch

SAID = """\
# pxname,svname,qcur,qmax,scur,smax,slim
api-9000,one,1,1,5,9,10
api-9000,two,0,0,3,9,10
api-9000,BACKEND,3,7,12,20,200
api-9001,BACKEND,0,0,3,4,200
stats,BACKEND,0,0,1,1,200
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


def test_a_new_process_may_send_a_server_what_the_old_ones_leave():
    assert limited({"api-9000": 10}, SAID, [SAID]) == [
        "set maxconn server api-9000/one 5\n",
        "set maxconn server api-9000/two 7\n",
    ]


def test_it_may_always_send_one_for_none_would_be_no_limit():
    (one, _) = limited({"api-9000": 10}, SAID, [SAID, SAID, SAID])
    assert one == "set maxconn server api-9000/one 1\n"


def test_when_the_old_ones_have_ended_it_may_send_all():
    assert limited({"api-9000": 10}, SAID.replace(",9,10", ",9,5"), []) == [
        "set maxconn server api-9000/one 10\n",
        "set maxconn server api-9000/two 10\n",
    ]


def test_what_is_as_it_should_be_and_what_has_no_limit_is_left_alone():
    assert limited({"api-9000": 10}, SAID, []) == []
    assert limited({}, SAID, [SAID]) == []


def test_it_knows_the_limits_of_servers_and_where_nobody_asks_it_tells_nothing():
    listeners = [Listener(port=9000, to=replace(API, max_connections=100))]
    document = figures_document(listeners, None, balancers=3)
    files = {file.path: file for _, file in document.written()}
    settings = json.loads(Text.of(files["/etc/crossgate/haproxy-figures.json"].text).sample())
    assert (settings["limits"], settings["watch"]) == ({"api-9000": 34}, [])
