"""What is written for machines on hosts: where they are, how they are reached, in which order."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Network

import pytest

from crossgate import (
    AutoScalingGroup,
    Capacity,
    ConsulServers,
    HAProxyNodes,
    Listener,
    Machine,
    Ports,
    Reference,
)
from crossgate.specs import Ingress
from tests.clouds.inhouse.hosts import (
    DATA,
    KEY,
    carried,
    entry_spec,
    group_spec,
    host,
    machines_spec,
    part,
    presence,
    rack,
    script,
)
from tools.toolbox import environment, program, run


def grouped(stack, synth, cloud=None, **changes):
    cloud = cloud or rack(stack)
    cloud.group(stack, "group", group_spec(cloud, stack, **changes))
    return synth()


def whole(stack, api, **changes):
    """Build a gateway on seven hosts."""
    cloud = rack(stack, **changes)
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(
        stack, "api", clouds=[cloud], service=api, discovery=consul, capacity=Capacity(2)
    )
    listener = Listener(port=9000, to=api, allow_from=["198.51.100.0/24"])
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=[listener])
    return cloud


def test_the_smallest_hosts_that_are_large_enough_are_taken(stack, synth):
    hosts = [host(11, memory=32), host(12, memory=2), host(13), host(14)]
    assert carried(grouped(stack, synth, rack(stack, hosts=hosts))) == [13, 14]


def test_machines_are_spread_over_racks_before_sizes_count(stack, synth):
    hosts = [host(11, rack="a"), host(12, rack="a"), host(13, rack="b", memory=64)]
    assert carried(grouped(stack, synth, rack(stack, hosts=hosts))) == [11, 13]


@pytest.mark.parametrize(("vip", "at_once"), [(None, True), ("10.0.0.100/24", False)])
def test_an_address_that_is_shared_leads_to_one_balancer_at_a_time(stack, vip, at_once):
    assert rack(stack, vip=vip).spreads_clients is at_once


def test_hosts_that_are_there_for_a_construct_carry_it_and_nothing_else(stack, synth):
    hosts = [host(11), host(12), host(13, only="api", memory=64), host(14, only="edge")]
    assert carried(grouped(stack, synth, rack(stack, hosts=hosts))) == [11, 13]


def test_a_host_carries_one_machine(stack, synth, api):
    whole(stack, api)
    assert carried(synth()) == list(range(11, 18))


def test_members_find_the_servers_at_the_addresses_of_their_hosts(stack, synth, api):
    whole(stack, api, hosts=[host(n, memory=n) for n in range(11, 18)])
    made = synth()
    places = [text for name, text in made["locals"].items() if "places" in name]
    assert sorted(places)[:3] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]


def test_places_wait_for_the_size_of_the_machines(stack, synth):
    cloud = rack(stack, hosts=[host(n, memory=n) for n in range(11, 18)])
    spec = machines_spec(cloud, stack, machine=Machine(cpu=2, memory=15))
    cloud.machines(stack, "servers", spec)
    made = synth()
    assert [text for name, text in made["locals"].items() if "places" in name] == [
        "10.0.0.15",
        "10.0.0.16",
        "10.0.0.17",
    ]


def test_the_host_key_is_checked(stack, synth):
    made = grouped(stack, synth)
    assert part(made, 11, "content")["connection"]["host_key"] == KEY
    assert part(made, 11, "health")["connection"]["host_key"] == KEY
    assert presence(made)["connection"]["host_key"] == "${self.input.host_key}"
    assert presence(made)["for_each"]["10.0.0.11"]["host_key"] == KEY


def test_the_agent_logs_in_unless_there_is_a_key(stack, synth):
    connection = part(grouped(stack, synth), 11, "content")["connection"]
    assert connection["agent"] is True
    assert "private_key" not in connection


def test_a_keys_file_is_read_by_terraform(stack, synth):
    made = grouped(stack, synth, rack(stack, key="~/.ssh/id_ed25519"))
    content = part(made, 11, "content")
    assert content["connection"]["private_key"] == '${file(pathexpand("~/.ssh/id_ed25519"))}'
    assert presence(made)["connection"]["private_key"] == "${file(pathexpand(self.input.key))}"
    assert content["connection"]["agent"] is False


def test_a_key_in_a_variable_is_named(stack, synth):
    made = grouped(stack, synth, rack(stack, key=Reference("${var.rack_key}")))
    assert part(made, 11, "content")["connection"]["private_key"] == "${var.rack_key}"
    assert presence(made)["connection"]["private_key"] == "${self.input.key}"
    assert presence(made)["input"] == "${merge(each.value, {key = local.rack_key_2C7D9DFC})}"
    assert "key" not in presence(made)["for_each"]["10.0.0.11"]


def test_what_runs_at_the_end_refers_to_nothing_but_itself(stack, synth):
    stays = presence(grouped(stack, synth))
    last = stays["provisioner"][-1]["remote-exec"]
    assert last["when"] == "destroy"
    assert last["inline"][-1].endswith("/host.sh remove")
    assert all(
        "${" not in str(value) or "self." in str(value) for value in stays["connection"].values()
    )


def test_a_changed_document_gives_new_content_and_leaves_the_presence(stack, synth):
    made = grouped(stack, synth)
    content = part(made, 11, "content")
    (local,) = [name for name in made["locals"] if "host-10-0-0-11" in name]
    assert content["triggers_replace"][1] == f"${{sha256(local.{local})}}"
    assert "triggers_replace" not in presence(made)


def test_a_host_that_carries_nothing_leaves_the_resource_that_cleans_it(stack, synth):
    """Terraform runs nothing at the end of a resource that is no longer in the configuration."""
    rack(stack)
    assert presence(synth())["for_each"] == "${{}}"


def test_content_is_made_anew_with_the_presence_of_its_host(stack, synth):
    content = part(grouped(stack, synth), 11, "content")
    named = content["triggers_replace"][0]
    assert named.startswith("${terraform_data.rack_presence_")
    assert named.endswith('["10.0.0.11"].id}')


def test_each_host_waits_for_the_one_before(stack, synth):
    made = grouped(stack, synth)
    before, *_ = [name for name in made["resource"][DATA] if "10-0-0-11_content" in name]
    assert f"{DATA}.{before}" in part(made, 12, "content")["depends_on"]


def test_health_is_asked_when_all_machines_of_a_spec_have_their_content(stack, synth):
    made = grouped(stack, synth)
    waits = part(made, 11, "health")["depends_on"]
    assert any("10-0-0-12_content" in name for name in waits)
    assert part(made, 11, "health")["provisioner"][0]["remote-exec"]["inline"][-1].endswith("check")


def test_a_construct_waits_for_the_health_of_the_one_described_before(stack, synth, api):
    whole(stack, api)
    made = synth()
    first = part(made, 14, "content")["depends_on"]
    assert [name for name in first if "consul" in name and "_health" in name]


def test_the_script_keeps_what_terraform_would_evaluate(stack, synth):
    made = grouped(stack, synth)
    assert r'"a = \${b} %{c}' in script(made, 11)


def test_the_health_ports_are_those_that_are_opened_and_the_entrys(stack, synth, api):
    whole(stack, api)
    made = synth()
    assert "\nports='9190'\n" in script(made, 14).replace(" 8301", "").replace("8301 ", "")
    assert "8405" in script(made, 16).partition("\nports=")[2].partition("\n")[0]


def test_the_world_is_shut_out_and_ssh_let_in(stack, synth):
    cloud = rack(stack, hosts=[host(11, port=2222), host(12)])
    made = grouped(stack, synth, cloud)
    assert "policy drop" in script(made, 11)
    assert "tcp dport { 22, 2222 } accept" in script(made, 11)


def test_peers_are_let_in_by_their_hosts_addresses(stack, synth, api):
    whole(stack, api)
    rules = script(synth(), 14)
    assert "ip saddr { 10.0.0.16, 10.0.0.17 } tcp dport 9190 accept" in rules


def test_clients_are_let_in_at_the_balancers(stack, synth, api):
    whole(stack, api)
    made = synth()
    assert "ip saddr { 198.51.100.0/24 } tcp dport 9000 accept" in script(made, 16)
    assert "198.51.100.0/24" not in script(made, 14)


def test_a_rule_that_comes_late_is_in_the_script(stack, synth):
    cloud = rack(stack)
    spec = group_spec(cloud, stack)
    cloud.group(stack, "group", spec)
    peer = IPv4Network("203.0.113.0/24")
    spec.firewalls[0].allow(
        Ingress(peer=peer, ports=Ports(first=53, last=60, transport="udp"), why='it\'s "late"\n')
    )
    assert "ip saddr { 203.0.113.0/24 } udp dport 53-60 accept" in script(synth(), 11)


def test_without_a_firewall_nothing_is_opened_or_closed(stack, synth):
    assert "nftables" not in script(grouped(stack, synth, rack(stack, firewall=False)), 11)


@pytest.mark.root
def test_nftables_takes_the_rules(stack, synth, api, tmp_path):
    whole(stack, api, vip="10.0.0.100/24")
    text = script(synth(), 16)
    start = text.index('"table inet crossgate\n') + 1
    rules = text[start : text.index('\n"\n', start)].replace('\\"', '"')
    file = tmp_path / "rules"
    file.write_text(f"{rules}\n")
    done = subprocess.run(
        ["unshare", "--net", "nft", "--file", str(file)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_balancers_share_an_address_one_behind_the_other(stack, synth, api):
    cloud = whole(stack, api, vip="10.0.0.100/24")
    made = synth()
    first, second = script(made, 16), script(made, 17)
    for line in (
        "advert_int 0.1",
        "vrrp_version 3",
        "nopreempt",
        "fall 2",
        "        10.0.0.100/24",
    ):
        assert line in first
    for text in (first, second):
        assert "for machine in 10.0.0.16 10.0.0.17; do" in text
    assert "ip saddr { 10.0.0.16 } meta l4proto 112 accept" in second
    assert "keepalived" not in script(made, 14)
    assert made["output"]["edge_rack_addresses_" + _suffix(made)]["value"] == ["10.0.0.100"]
    assert cloud.free == []


def _suffix(made) -> str:
    (name,) = [name for name in made["output"] if name.startswith("edge_rack_addresses_")]
    return name.removeprefix("edge_rack_addresses_")


def test_without_a_shared_address_clients_are_told_the_balancers_own(stack, synth):
    cloud = rack(stack)
    spec = machines_spec(cloud, stack, count=2)
    entry = cloud.entry(stack, "entry", entry_spec(spec))
    cloud.machines(stack, "nodes", spec)
    made = synth()
    named = [address.removeprefix("${local.").removesuffix("}") for address in entry.addresses]
    assert [made["locals"][name] for name in named] == ["10.0.0.11", "10.0.0.12"]


@pytest.mark.terraform
@pytest.mark.parametrize("agent", [True, False])
def test_terraform_validates_and_plans_it_without_a_host(stack, app, api, tmp_path, agent):
    key = tmp_path / "key"
    key.write_text("not used before a host is there")
    whole(stack, api, vip="10.0.0.100/24", key=None if agent else str(key))
    app.synth()
    folder = tmp_path / "cdktf.out" / "stacks" / "test"

    def terraform(*words):
        return run([program("terraform"), *words], cwd=folder, env=environment(), do="see above")

    terraform("init", "-input=false")
    assert "is valid" in terraform("validate", "-no-color")
    assert " 0 to change, 0 to destroy" in terraform("plan", "-no-color", "-input=false")
