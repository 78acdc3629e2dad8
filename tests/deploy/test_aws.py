"""What boto3 finds in the emulator after the real deploy; the last test takes it all down."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from crossgate.cli import following
from crossgate.cli.app import run
from crossgate.clouds.aws.names import Route53
from crossgate.discovery.consul.programs.consul_tokens import Secret

if TYPE_CHECKING:
    from tests.deploy.conftest import OnAws

pytestmark = pytest.mark.terraform

API = "gateway-gw-api"
BATCH = "gateway-gw-batch"
CONSUL = "gateway-gw-discovery"
EDGE = "gateway-gw-edge"
MIXED = "gateway-mixed"
WARM = "gateway-warm"

SESSIONS = {
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
COMPLETE = "autoscaling:CompleteLifecycleAction"

# What moto says and AWS does not, as a second plan shows it: resource type, argument, reason.
KNOWN_UNTRUTHS = {
    ("aws_vpc_security_group_ingress_rule", "description"): (
        "moto forgets the description of a rule whose peer is a security group"
    ),
    ("aws_autoscaling_group", "instance_maintenance_policy"): "moto knows no such policy",
    ("aws_autoscaling_group", "max_instance_lifetime"): "moto forgets the lifetime",
    ("aws_autoscaling_policy", "enabled"): "moto forgets that a policy is enabled",
    ("aws_autoscaling_policy", "predictive_scaling_configuration"): "moto shows an empty one",
    ("aws_autoscaling_group", "capacity_reservation_specification"): (
        "computed anew whenever the group changes at all"
    ),
}


# A value inside quotes: as often escaped as it is nested.
_VALUE = re.compile(
    r'\$\{(?:trimsuffix\(trimprefix\(jsonencode\()+"\$\{([^{}]+)\}"'
    r'(?:\), "\\""\), "\\""\))+\}'
)
_TOKEN = re.compile(r'uuidv5\("dns", join\("/", \[(.*)\.result, "(.*)"\]\)\)')


def test_a_name_leads_to_each_address_of_the_entry_that_is_looked_at(deployed):
    route53 = deployed.aws.client("route53")
    (zone,) = route53.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    records = [one for one in found if one["Name"] == "api.example.org."]
    checks = {
        one["Id"]: one["HealthCheckConfig"] for one in route53.list_health_checks()["HealthChecks"]
    }
    led = {one["ResourceRecords"][0]["Value"]: one for one in records}
    entry = {
        one["PublicIp"] for one in deployed.aws.client("ec2").describe_addresses()["Addresses"]
    }
    assert len(led) == 2
    assert set(led) <= entry
    for address, one in led.items():
        check = checks[one["HealthCheckId"]]
        assert (check["IPAddress"], check["Port"], check["Type"]) == (address, 9000, "TCP")
        assert (one["Weight"], one["TTL"]) == (1, 30)


def group(deployed: OnAws, name: str):
    found = deployed.aws.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[name]
    )
    return found["AutoScalingGroups"][0]


def template(deployed: OnAws, name: str):
    versions = deployed.aws.client("ec2").describe_launch_template_versions(
        LaunchTemplateName=name, Versions=["$Latest"]
    )
    return versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]


def security_group(deployed: OnAws, name: str):
    found = deployed.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [name]}]
    )
    return found["SecurityGroups"][0]


def ingress(deployed: OnAws, name: str) -> set[tuple[str, int, int, str]]:
    names = {
        g["GroupId"]: g["GroupName"]
        for g in deployed.aws.client("ec2").describe_security_groups()["SecurityGroups"]
    }
    return {
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], peer)
        for rule in security_group(deployed, name)["IpPermissions"]
        for peer in (
            *(r["CidrIp"] for r in rule["IpRanges"]),
            *(names[p["GroupId"]] for p in rule["UserIdGroupPairs"]),
        )
    }


def user_data(deployed: OnAws, name: str) -> str:
    return gzip.decompress(base64.b64decode(template(deployed, name)["UserData"])).decode()


def fetched(deployed: OnAws, name: str) -> str:
    """Return the files that hold secrets, as a machine fetches them: those of its version."""
    settings = next(
        yaml.safe_load(one["content"])
        for one in yaml.safe_load(user_data(deployed, name))["write_files"]
        if one["path"] == "/etc/crossgate/secrets.json"
    )
    answer = deployed.aws.client("secretsmanager").get_secret_value(
        SecretId=settings["secret"], VersionId=settings["version"]
    )
    files = json.loads(answer["SecretString"])
    assert sorted(files) == sorted(settings["files"])
    return "\n".join(files.values())


def state(deployed: OnAws) -> dict[str, object]:
    shown = json.loads(deployed.terraform("show", "-json").stdout)
    return {r["address"]: r["values"] for r in shown["values"]["root_module"]["resources"]}


def _changed(change):
    before, after, unknown = change["before"], change["after"], change["after_unknown"]
    return {
        name
        for name in {*before, *after, *unknown}
        if (before.get(name) != after.get(name) and name in after) or _any_true(unknown.get(name))
    }


def _any_true(unknown):
    if isinstance(unknown, dict):
        return any(map(_any_true, unknown.values()))
    return any(map(_any_true, unknown)) if isinstance(unknown, list) else unknown is True


@pytest.mark.parametrize(("name", "least", "most"), [(API, 2, 6), (CONSUL, 3, 3), (EDGE, 2, 2)])
def test_each_group_runs_its_machines(deployed, name, least, most):
    found = group(deployed, name)
    assert (found["MinSize"], found["MaxSize"]) == (least, most)
    assert len(found["Instances"]) == least


@pytest.mark.parametrize("name", [API, CONSUL, EDGE, MIXED, WARM])
def test_all_machines_have_the_clouds_disk_key_and_metrics_by_the_minute(deployed, name):
    found = template(deployed, name)
    (disk,) = found["BlockDeviceMappings"]
    assert disk["Ebs"]["KmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:alias/gateway"
    assert found["Monitoring"] == {"Enabled": True}


def test_a_mixture_on_demand_counts_weights_and_starts_each_type_from_its_image(deployed):
    policy = group(deployed, MIXED)["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert policy["InstancesDistribution"]["OnDemandAllocationStrategy"] == "prioritized"
    intel, arm = policy["LaunchTemplate"]["Overrides"]
    assert (intel["InstanceType"], intel["WeightedCapacity"]) == ("m7i.large", "1")
    assert "LaunchTemplateSpecification" not in intel
    assert (arm["InstanceType"], arm["WeightedCapacity"]) == ("m7g.xlarge", "2")
    found = template(deployed, f"{MIXED}-arm64")
    assert found["ImageId"] == "ami-0000000000000a64"
    templates = deployed.aws.client("ec2").describe_launch_templates(
        LaunchTemplateNames=[f"{MIXED}-arm64"]
    )["LaunchTemplates"]
    used = arm["LaunchTemplateSpecification"]
    assert (used["LaunchTemplateId"], used["Version"]) == (templates[0]["LaunchTemplateId"], "1")


def test_protected_machines_stay_when_their_group_shrinks(deployed):
    found = group(deployed, MIXED)
    assert found["NewInstancesProtectedFromScaleIn"] is True
    assert [one["ProtectedFromScaleIn"] for one in found["Instances"]] == [True] * 3


def test_a_warm_pool_is_as_asked(deployed):
    asked = deployed.aws.client("autoscaling").describe_warm_pool(AutoScalingGroupName=WARM)
    assert asked["WarmPoolConfiguration"] == {
        "MinSize": 2,
        "MaxGroupPreparedCapacity": 5,
        "PoolState": "Hibernated",
        "InstanceReusePolicy": {"ReuseOnScaleIn": True},
    }


def test_a_group_spans_both_private_subnets(deployed):
    assert len(group(deployed, API)["VPCZoneIdentifier"].split(",")) == 2
    zones = {i["AvailabilityZone"] for i in group(deployed, API)["Instances"]}
    assert zones <= {"us-east-1a", "us-east-1b"}


def test_a_schedule_changes_the_bounds_and_not_the_size(deployed):
    asked = deployed.aws.client("autoscaling").describe_scheduled_actions(AutoScalingGroupName=API)
    (action,) = asked["ScheduledUpdateGroupActions"]
    assert (action["Recurrence"], action["TimeZone"]) == ("0 7 * * *", "Europe/Berlin")
    assert (action["MinSize"], action["MaxSize"]) == (4, 6)
    assert "DesiredCapacity" not in action


def test_which_machine_goes_first(deployed):
    found = group(deployed, API)
    assert found["TerminationPolicies"] == ["OldestLaunchTemplate"]


def test_the_spot_and_on_demand_split(deployed):
    distribution = group(deployed, API)["MixedInstancesPolicy"]["InstancesDistribution"]
    assert distribution["OnDemandBaseCapacity"] == 1
    assert distribution["OnDemandPercentageAboveBaseCapacity"] == 0
    assert distribution["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert distribution["SpotMaxPrice"] == "0.05"


def test_a_spot_group_chooses_among_several_types(deployed):
    overrides = group(deployed, API)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert len({o["InstanceType"] for o in overrides}) > 1


def test_consul_servers_and_balancers_are_not_spot(deployed):
    for name in (CONSUL, EDGE):
        assert "MixedInstancesPolicy" not in group(deployed, name)


@pytest.mark.parametrize("name", [API, CONSUL, EDGE])
def test_a_group_follows_a_numbered_version_of_its_template(deployed, name):
    found = group(deployed, name)
    used = (
        found.get("LaunchTemplate")
        or found["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    )
    assert used["Version"] == "1"


@pytest.mark.parametrize("name", [API, CONSUL, EDGE])
def test_machines_ask_for_session_tokens_and_have_encrypted_disks(deployed, name):
    found = template(deployed, name)
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert found["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (disk,) = found["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True


def test_the_newest_image_that_fits_is_looked_up_with_its_root_device(deployed):
    images = deployed.aws.client("ec2").describe_images(Owners=["self"])["Images"]
    ids = {image["ImageId"]: image["RootDeviceName"] for image in images}
    found = template(deployed, API)
    assert found["BlockDeviceMappings"][0]["DeviceName"] == ids[found["ImageId"]]


@pytest.mark.parametrize("name", [API, CONSUL, EDGE])
def test_the_template_holds_the_exact_user_data(deployed, name):
    """What a machine receives is what was written, with Terraform's values in their places."""
    local = deployed.json["locals"]
    prefix = name.removeprefix("gateway-").replace("-", "_")
    (written,) = (
        text
        for key, text in local.items()
        if re.fullmatch(rf"{prefix}_aws_\w+_document_[0-9A-F]{{8}}", key)
    )

    def value(found: re.Match[str]) -> str:
        if token := _TOKEN.fullmatch(found[1]):
            # As Consul's servers work it out.
            text = Secret(1, state(deployed)[token[1]]["result"]).token(token[2])
        else:
            address, _, attribute = found[1].rpartition(".")
            # A text that was complete only when the stack was synthesized is a local one.
            text = (
                local[attribute] if address == "local" else str(state(deployed)[address][attribute])
            )
        for _ in range(found[0].count("jsonencode(")):
            text = json.dumps(text)[1:-1]
        return text

    plain = _VALUE.sub(value, written).replace("$${", "${").replace("%%{", "%{")
    assert "jsonencode" not in plain
    received = user_data(deployed, name)
    assert received == plain
    assert received.startswith("#cloud-config\n")


def test_the_gossip_key_is_on_the_machines_and_not_in_the_json(deployed):
    (key,) = (v["base64"] for v in state(deployed).values() if "base64" in v)
    assert key in fetched(deployed, CONSUL)
    assert key in fetched(deployed, API)
    assert key not in json.dumps(deployed.json)


def test_logins_of_figures_are_on_the_machines_and_not_in_the_json(deployed):
    passwords = {
        values["result"]
        for address, values in state(deployed).items()
        if re.search(r"_(metrics|stats)_\w+$", address) and "result" in values
    }
    on = [{one for one in passwords if one in fetched(deployed, name)} for name in (EDGE, CONSUL)]
    assert [len(found) for found in on] == [1, 1]
    assert on[0] | on[1] == passwords
    assert not [one for one in passwords if one in json.dumps(deployed.json)]


def test_what_tokens_are_worked_out_from_is_on_the_servers_alone(deployed):
    (secret,) = (v["result"] for a, v in state(deployed).items() if "_tokens-1_" in a)
    written = {name: fetched(deployed, name) for name in (CONSUL, EDGE, API)}
    assert [name for name, text in written.items() if secret in text] == [CONSUL]
    made = Secret(1, secret)
    for role, names in {
        "management": [CONSUL],
        "server": [CONSUL],
        "balancer": [EDGE],
        "services:api": [API],
        "agent": [CONSUL, EDGE, API],
    }.items():
        assert [name for name, text in written.items() if made.token(role) in text] == names
        assert made.token(role) not in json.dumps(deployed.json)
    assert secret not in json.dumps(deployed.json)


def test_keys_of_certificates_are_on_the_servers_alone(deployed):
    keys = {
        address: v["private_key_pem"].splitlines()[1]
        for address, v in state(deployed).items()
        if address.startswith("tls_private_key.")
    }
    assert len(keys) == 3
    written = {name: fetched(deployed, name) for name in (CONSUL, EDGE, API)}
    where = {a: [n for n, text in written.items() if key in text] for a, key in keys.items()}
    # Those of the authority and of the next one are nowhere.
    assert sorted(where.values()) == [[], [], [CONSUL]]
    assert not [key for key in keys.values() if key in json.dumps(deployed.json)]


def test_no_secret_is_in_user_data(deployed):
    values = state(deployed)
    secrets = {v["result"] for v in values.values() if "result" in v}
    secrets |= {v["base64"] for v in values.values() if "base64" in v}
    secrets |= {
        v["private_key_pem"].splitlines()[1] for v in values.values() if "private_key_pem" in v
    }
    for name in (API, CONSUL, EDGE):
        text = user_data(deployed, name)
        assert not [one for one in secrets if one in text]


def test_members_gossip_with_members_only(deployed):
    members = f"{CONSUL}-members"
    assert ingress(deployed, members) == {
        ("tcp", 8301, 8301, members),
        ("udp", 8301, 8301, members),
    }


@pytest.mark.parametrize(("name", "checks"), [(API, "EBS"), (EDGE, "EBS,ELB")])
def test_groups_replace_what_is_impaired(deployed, name, checks):
    assert group(deployed, name)["HealthCheckType"] == checks


def test_consul_servers_hear_members_only(deployed):
    assert ingress(deployed, CONSUL) == {("tcp", 8300, 8300, f"{CONSUL}-members")}


def test_the_service_hears_its_balancers_only(deployed):
    assert ingress(deployed, API) == {("tcp", 9190, 9190, EDGE)}


def test_the_balancers_hear_the_allowed_clients_and_the_health_checks(deployed):
    assert ingress(deployed, EDGE) == {
        ("tcp", 9000, 9000, "198.51.100.0/24"),
        ("tcp", 8405, 8405, "10.20.0.0/16"),
        # Who looks whether the name leads to something.
        *(("tcp", 9000, 9000, str(checker)) for checker in Route53.checkers),
    }


@pytest.mark.parametrize(
    ("name", "more"),
    [
        (API, [COMPLETE, "autoscaling:SetInstanceHealth"]),
        (CONSUL, [COMPLETE, "cloudwatch:PutMetricData"]),
        (EDGE, []),
        (MIXED, [COMPLETE, "s3:GetObject", "ec2:CreateTags"]),
    ],
)
def test_machines_may_describe_machines_and_do_what_is_theirs(deployed, name, more):
    iam = deployed.aws.client("iam")
    role = f"{name}-us-east-1-aws"
    policies = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    asked = [statement["Action"] for policy in policies for statement in policy["Statement"]]
    actions = {one for some in asked for one in ([some] if isinstance(some, str) else some)}
    assert actions == {
        "ec2:DescribeInstances",
        "kms:Decrypt",
        "secretsmanager:GetSecretValue",
        *SESSIONS,
        *more,
    }
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_a_grant_names_a_resource_of_the_stack(deployed):
    granted = deployed.aws.client("iam").get_role_policy(
        RoleName=f"{MIXED}-us-east-1-aws", PolicyName="grants"
    )["PolicyDocument"]
    (resource,) = granted["Statement"][1]["Resource"]
    (vpc,) = (v["id"] for name, v in state(deployed).items() if name.startswith("aws_vpc."))
    assert resource == f"arn:aws:ec2:us-east-1:123456789012:vpc/{vpc}"


def test_servers_carry_the_tag_by_which_members_find_them(deployed):
    found = deployed.aws.client("ec2").describe_instances(
        Filters=[{"Name": "tag:crossgate-cluster", "Values": [CONSUL]}]
    )
    instances = [i for r in found["Reservations"] for i in r["Instances"]]
    assert len(instances) == 3
    settings = "provider=aws region=us-east-1 tag_key=crossgate-cluster tag_value=" + CONSUL
    assert settings in user_data(deployed, API).replace('\\"', '"')


def test_the_entry_has_a_fixed_address_in_every_zone(deployed):
    (balancer,) = deployed.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["Type"] == "network"
    assert len(balancer["AvailabilityZones"]) == 2
    addresses = json.loads(deployed.terraform("output", "-json").stdout)
    (given,) = (one["value"] for name, one in addresses.items() if "address" in name)
    assert len(set(given)) == 2


def test_the_entry_checks_the_balancers_own_verdict(deployed):
    (targets,) = deployed.aws.client("elbv2").describe_target_groups()["TargetGroups"]
    assert (targets["Protocol"], targets["Port"]) == ("TCP", 9000)
    assert (targets["HealthCheckProtocol"], targets["HealthCheckPort"]) == ("HTTP", "8405")
    assert group(deployed, EDGE)["TargetGroupARNs"] == [targets["TargetGroupArn"]]


def test_machines_have_no_public_address_and_a_way_out(deployed):
    ec2 = deployed.aws.client("ec2")
    private = group(deployed, API)["VPCZoneIdentifier"].split(",")
    for subnet in ec2.describe_subnets(SubnetIds=private)["Subnets"]:
        assert subnet["MapPublicIpOnLaunch"] is False
    tables = ec2.describe_route_tables(
        Filters=[{"Name": "association.subnet-id", "Values": private}]
    )["RouteTables"]
    ways = [r for t in tables for r in t["Routes"] if r.get("NatGatewayId")]
    assert len({way["NatGatewayId"] for way in ways}) == 2


def test_a_second_plan_changes_nothing_but_the_known_untruths(deployed):
    planned = deployed.terraform("plan", "-out=second", "-no-color", "-detailed-exitcode")
    assert planned.returncode in {0, 2}, planned.stderr
    plan = json.loads(deployed.terraform("show", "-json", "second").stdout)
    changed = {
        (change["type"], argument)
        for change in plan.get("resource_changes", ())
        if change["change"]["actions"] != ["no-op"]
        for argument in _changed(change["change"])
    }
    assert changed == set(KNOWN_UNTRUTHS), planned.stdout


def test_a_deploy_leaves_the_bounds_that_a_schedule_made(deployed):
    # Late, for moto takes the group's other settings for nothing when they are not said again.
    deployed.aws.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName=API, MinSize=1, MaxSize=4
    )
    planned = deployed.terraform("plan", "-no-color")
    assert planned.returncode == 0
    assert "min_size" not in planned.stdout
    assert "max_size" not in planned.stdout


def policies(deployed: OnAws, name: str) -> dict[str, dict]:
    client = deployed.aws.client("autoscaling")
    found = client.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"]
    return {one["PolicyName"]: one for one in found}


def test_the_group_follows_its_processors_and_its_connections(deployed):
    found = policies(deployed, API)
    tracking = {name: one["TargetTrackingConfiguration"] for name, one in found.items()}
    assert tracking["cpu-target"]["TargetValue"] == 55
    connections = tracking["connections-target"]
    assert (connections["TargetValue"], connections["DisableScaleIn"]) == (200, True)
    metrics = connections["CustomizedMetricSpecification"]["Metrics"]
    assert {one["Id"] for one in metrics} == {"connections", "machines", "each"}


def test_the_group_follows_those_that_wait_and_shrinks_only_where_all_have_room(deployed):
    tracking = policies(deployed, API)["queue-target"]["TargetTrackingConfiguration"]
    assert (tracking["TargetValue"], tracking["DisableScaleIn"]) == (5, False)
    metrics = {one["Id"]: one for one in tracking["CustomizedMetricSpecification"]["Metrics"]}
    assert metrics["queue"]["MetricStat"]["Metric"]["MetricName"] == "Queue"
    assert metrics["full"]["Expression"] == "connections / (machines * 90)"
    assert [one for one, said in metrics.items() if said["ReturnData"]] == ["each"]


def test_balancers_send_a_machine_no_more_than_their_part(deployed):
    assert user_data(deployed, EDGE).count(" maxconn 50") == 1


def test_steps_are_policies(deployed):
    found = policies(deployed, BATCH)
    assert {one["PolicyType"] for one in found.values()} == {"StepScaling"}
    steps = {
        name: [
            (
                step["ScalingAdjustment"],
                step.get("MetricIntervalLowerBound"),
                step.get("MetricIntervalUpperBound"),
            )
            for step in one["StepAdjustments"]
        ]
        for name, one in found.items()
    }
    assert steps == {
        "connections-add": [(1, 0, 200), (3, 200, None)],
        "connections-remove": [(-1, None, 0)],
    }
    assert found["connections-add"]["EstimatedInstanceWarmup"] == 120


@pytest.mark.parametrize(
    ("what", "comparison", "threshold", "minutes"),
    [
        ("add", "GreaterThanOrEqualToThreshold", 200, 1),
        ("remove", "LessThanOrEqualToThreshold", 50, 5),
    ],
)
def test_an_alarm_has_a_policy_do_its_work(deployed, what, comparison, threshold, minutes):
    asked = deployed.aws.client("cloudwatch").describe_alarms(
        AlarmNames=[f"{BATCH}-connections-{what}"]
    )
    (alarm,) = asked["MetricAlarms"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (comparison, threshold)
    assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == minutes
    assert alarm["TreatMissingData"] == "notBreaching"
    policy = policies(deployed, BATCH)[f"connections-{what}"]
    assert alarm["AlarmActions"] == [policy["PolicyARN"]]
    metrics = {one["Id"]: one for one in alarm["Metrics"]}
    assert {"connections", "machines", "each"} <= set(metrics)
    assert metrics["each"]["Expression"] == "connections / machines"
    assert metrics["connections"]["MetricStat"]["Period"] == 60


def refreshes(deployed: OnAws, name: str):
    client = deployed.aws.client("autoscaling")
    return client.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]


def held(deployed: OnAws, name: str) -> None:
    """Have a group replace its machines and pause after the first."""
    deployed.aws.client("autoscaling").start_instance_refresh(
        AutoScalingGroupName=name,
        Preferences={"CheckpointPercentages": [50, 100], "CheckpointDelay": 3600},
    )
    while refreshes(deployed, name)[0]["PercentageComplete"] < 50:
        pass


CHANGED = {"image": "registry.example.org/api:1.5"}


def test_a_changed_service_rolls_its_group_and_nothing_else(deployed, monkeypatch, capsys):
    held(deployed, API)
    deployed.deploy_again(**CHANGED)
    newest, before = refreshes(deployed, API)
    assert before["Status"] == "Cancelled"
    assert newest["Preferences"]["SkipMatching"] is True
    monkeypatch.setattr(following, "EVERY_SECONDS", 0.05)
    for name, value in deployed.aws.environment.items():
        monkeypatch.setenv(name, value)
    out = str(deployed.stack.folder / "cdktf.out")
    assert run(["rollout", "--app-out", out, "--json", "--timeout", "1m"]) == 0
    phases = {one["name"]: one["phase"] for one in json.loads(capsys.readouterr().out)["rollouts"]}
    others = (BATCH, CONSUL, EDGE, MIXED, WARM)
    assert phases == {API: "done", **dict.fromkeys(others, "nothing to follow")}
    assert refreshes(deployed, API)[0]["Status"] == "Successful"
    versions = [one["LaunchTemplate"]["Version"] for one in group(deployed, API)["Instances"]]
    assert versions == ["2", "2"]
    assert not any(refreshes(deployed, name) for name in others)


def test_a_deploy_without_a_change_rolls_nothing(deployed):
    deployed.deploy_again(**CHANGED)
    assert [len(refreshes(deployed, name)) for name in (API, CONSUL, EDGE)] == [2, 0, 0]


def test_destroy_leaves_nothing(deployed):
    done = deployed.terraform("destroy", "-auto-approve", "-no-color")
    assert done.returncode == 0, done.stderr
    aws = deployed.aws
    assert aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("ec2").describe_launch_templates()["LaunchTemplates"] == []
    assert [v for v in aws.client("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]] == []
    assert aws.client("ec2").describe_addresses()["Addresses"] == []
