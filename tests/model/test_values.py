from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgate import (
    Artifact,
    Capacity,
    ConfigError,
    GrpcCheck,
    HttpCheck,
    Image,
    InstanceRefresh,
    Limits,
    Listener,
    Machine,
    OnDemand,
    Ports,
    Service,
    ServiceFile,
    Spot,
    TcpCheck,
    ThriftCheck,
)
from crossgate.model.names import dns_label, shortened
from crossgate.model.units import whole_seconds

UNRESOLVED = "${TfToken[TOKEN.7]}"
NUMBER_TOKEN = -8.098989e298


def service(**changed: object) -> Service:
    given = {"name": "api", "port": 9190, "image": "registry.example.org/api:1.4"} | changed
    return Service(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: service(port=0), "Service: port: should be greater than or equal to 1"),
        (lambda: service(port=70000), "Service: port: should be less than or equal to 65535"),
        (lambda: service(port="80"), "Service: port: must be a whole number"),
        (lambda: service(port=True), "Service: port: must be a whole number"),
        (lambda: service(port=NUMBER_TOKEN), "a token stands where a value is needed"),
        (lambda: Service(name="api", image="a"), "Service: port: is required"),
        (lambda: service(name="My_API"), 'do:   write "my-api"'),
        (lambda: service(name=UNRESOLVED), "a token stands where a value is needed"),
        (lambda: service(name="a" * 64), "is not a DNS label"),
        (lambda: service(name="ssh"), 'write "ssh-service"'),
        (lambda: service(prot=80), "want: one of name, port, protocol"),
        (lambda: service(image=None), "says nothing to run"),
        (
            lambda: service(artifact=Artifact(url="https://x.example/a", sha256="0" * 64)),
            "names two programs",
        ),
        (lambda: service(image=None, command=["bin/api"]), 'write "/opt/api/bin/api"'),
        (lambda: service(image=None, command="/bin/api"), "Service: command"),
        (lambda: service(environment={"A-B": "x"}), "Service: environment"),
        (
            lambda: service(files=[ServiceFile("/etc/a", "1"), ServiceFile("/etc/a", "2")]),
            "writes one file twice",
        ),
        (lambda: ServiceFile("etc/a", "1"), "ServiceFile: path"),
        (lambda: Artifact(url="ftp://x/y", sha256="0" * 64), "Artifact: url"),
        (lambda: Artifact(url="https://x/y", sha256="0" * 63), "Artifact: sha256"),
        (lambda: Limits(memory=1), "Limits: memory"),
        (lambda: Limits(cpu=0.001), "Limits: cpu"),
        (lambda: Limits(cpu=float("inf")), "Limits: cpu"),
        (lambda: Capacity(5, 3), "write Capacity(3, 5)"),
        (lambda: Capacity(-1, 3), "Capacity: minimum"),
        (lambda: Capacity(0), "no machine could ever run"),
        (lambda: Capacity(2.5, 3), "Capacity: minimum"),
        (lambda: Capacity(1, 2, 3), "must be given by name"),
        (lambda: Spot(max_price="cheap"), "Spot: max_price: is not money"),
        (lambda: Spot(max_price=0.05), "money must be exact"),
        (lambda: Spot(max_price="-1"), "is not money"),
        (lambda: Spot(max_price="NaN"), "is not money"),
        (lambda: Spot(max_price="5e1"), "Spot: max_price: is not money"),
        (lambda: Spot(max_price="1_0"), "Spot: max_price: is not money"),
        (lambda: Spot(max_price="\N{ARABIC-INDIC DIGIT THREE}"), "Spot: max_price: is not money"),
        (lambda: Spot(on_demand_share=1.5), "Spot: on_demand_share"),
        (lambda: Spot(on_demand_share=1.0), "no machine would be spot"),
        (lambda: Spot(on_demand_share=1.0, max_price="0.05"), "OnDemand(), or a smaller share"),
        (
            lambda: InstanceRefresh(
                checkpoints=[n / 10 for n in range(1, 8)], checkpoint_delay=timedelta(days=2)
            ),
            "less than 14 days for all of them",
        ),
        (Machine, "described by its need or by its name"),
        (lambda: Machine(cpu=2), "described by its need or by its name"),
        (lambda: Machine(cpu=2, memory=4, size=["t3.medium"]), "by its need or by its name"),
        (lambda: Machine(size="t3.medium"), "Machine: size"),
        (lambda: Machine(cpu=2, memory=4, architecture="mips"), "Machine: architecture"),
        (lambda: InstanceRefresh(min_healthy=0.5, max_healthy=2.0), "more than 1.0 apart"),
        (lambda: Image(name=""), "Image: name"),
        (lambda: TcpCheck(every=2), "TcpCheck: every: must be a timedelta"),
        (lambda: TcpCheck(every="2"), "is no duration"),
        (lambda: TcpCheck(every="9999999999d"), "is no duration"),
        (lambda: TcpCheck(every="\u0662s"), "is no duration"),
        (lambda: TcpCheck(every=timedelta(0)), "must be longer than nothing"),
        (lambda: TcpCheck(timeout=timedelta(seconds=3)), "timeout is longer than the time"),
        (lambda: HttpCheck(path="health"), "HttpCheck: path"),
        (lambda: ThriftCheck(call="no call"), "ThriftCheck: call"),
        (lambda: ThriftCheck(protocol="json"), "ThriftCheck: protocol"),
        (lambda: GrpcCheck(service="shop/Orders"), "GrpcCheck: service"),
        (lambda: Ports(first=20, last=10), "write Ports(first=10, last=20)"),
        (lambda: Ports(first=0, last=10), "Ports: first"),
        (lambda: Listener(port=9000, to="api"), "Listener: to"),
        (lambda: Listener(port=9000, to=service(), allow_from=["10.0.0.1/8"]), '"10.0.0.0/8"'),
        (lambda: Listener(port=9000, to=service(), allow_from=["office"]), "is no IPv4 range"),
    ],
)
def test_bad_value_is_refused_with_its_place_and_the_way_out(make, says):
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


def test_all_findings_are_in_one_message():
    with pytest.raises(ConfigError) as caught:
        Spot(on_demand_base=-1, on_demand_share=2.0)
    assert "on_demand_base" in str(caught.value)
    assert "on_demand_share" in str(caught.value)


def test_a_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        Capacity(2, 4).minimum = 3  # type: ignore[misc]


def test_lists_are_held_as_tuples():
    assert service(command=["a", "b"]).command == ("a", "b")


def test_a_caller_cannot_change_a_mapping_afterwards():
    environment = {"A": "1"}
    made = service(environment=environment)
    environment["A"] = "2"
    assert made.environment["A"] == "1"


def test_capacity_of_one_number_is_fixed():
    assert Capacity(3).most == 3


def test_spot_price_is_exact():
    assert Spot(max_price="0.0500").max_price == Decimal("0.0500")


def test_on_demand_is_not_spot():
    assert OnDemand() != Spot()


@pytest.mark.parametrize(
    ("protocol", "check"), [("thrift", ThriftCheck), ("http", HttpCheck), ("tcp", TcpCheck)]
)
def test_the_protocol_chooses_the_check(protocol, check):
    assert isinstance(service(protocol=protocol).asked, check)


def test_durations_may_be_written_as_in_the_file():
    assert TcpCheck(every="1500ms").every == timedelta(milliseconds=1500)


def test_a_fraction_of_a_second_is_refused_where_seconds_are_needed():
    with pytest.raises(ConfigError, match="whole number of seconds"):
        whole_seconds(timedelta(milliseconds=1500))


@given(st.text(min_size=1, max_size=80))
def test_a_label_is_accepted_or_refused_with_a_label_in_its_place(text):
    try:
        assert dns_label(text) == text
    except ConfigError as error:
        if error.do and error.do.startswith('write "'):
            near = error.do.removeprefix('write "').removesuffix('"')
            assert dns_label(near) == near


@given(st.from_regex(r"[a-z][a-z0-9-]{0,90}[a-z0-9]", fullmatch=True), st.integers(12, 70))
def test_a_shortened_name_fits_and_keeps_short_names(name, limit):
    short = shortened(name, limit)
    assert len(short) <= limit
    assert (short == name) == (len(name) <= limit)


def test_two_long_names_that_begin_alike_stay_apart():
    assert shortened("a" * 60 + "x", 32) != shortened("a" * 60 + "y", 32)


def test_pauses_that_leave_a_rollout_some_time_are_fine():
    refresh = InstanceRefresh(
        checkpoints=[n / 10 for n in range(1, 7)], checkpoint_delay=timedelta(days=2)
    )
    assert len(refresh.checkpoints) == 6
