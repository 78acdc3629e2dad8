"""The gateway file: one JSON or YAML document that says what a gateway is, in all its clouds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic

from crossgate.errors import ConfigError, FileError, SynthesisError
from crossgate.gateway_listeners import ListenerEntry
from crossgate.gateway_names import NameEntry, strange_clouds
from crossgate.gateway_text import parse, text_problems
from crossgate.model.capacity import Capacity
from crossgate.model.health import Health
from crossgate.model.machine import Machine
from crossgate.model.market import Market, OnDemand
from crossgate.model.names import Label
from crossgate.model.rollout import InstanceRefresh, Rollout
from crossgate.model.scaling import Rule
from crossgate.model.service import Service
from crossgate.model.termination import Termination
from crossgate.model.value import Many, Table, problems, value
from crossgate.plans import Role, plan_class, plan_types

if TYPE_CHECKING:
    from crossgate.model.listener import Listener
    from crossgate.plans import BalancerPlan, CloudPlan, DiscoveryPlan

# The stack and the gateway; a part of the gateway is the third name of a construct path.
_ABOVE_PARTS = 2
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


@value
class Overrides:
    """What differs in one cloud.

    Attributes:
        capacity: how many machines there.
        market: on demand or spot there.
        machine: what a machine needs there.
        rollout: how a changed group is replaced there.
        termination: which machine goes first there.
        health: when a machine counts as lost although it runs, there.
        scaling: what its size follows there.

    """

    capacity: Capacity | None = None
    market: Market | None = None
    machine: Machine | None = None
    rollout: Rollout | None = None
    termination: Termination | None = None
    health: Health | None = None
    scaling: Many[Rule] | None = None


@value
class ServiceEntry(Service):
    """A service, and the machines that run it.

    Attributes:
        capacity: how many machines in each cloud; default two to four.
        market: on demand (the default) or spot.
        machine: what a machine needs; default two processors and 4 GiB.
        rollout: how a changed group is replaced.
        termination: which machine goes first, and which for its age.
        health: when a machine counts as lost although it runs.
        scaling: what its size follows; default: nothing.
        clouds: where it runs; default: in every cloud of the file.
        per_cloud: what differs in one cloud, by the cloud's name.

    """

    capacity: Capacity = Capacity(2, 4)
    market: Market = OnDemand()
    machine: Machine = Machine(cpu=2, memory=4)
    rollout: Rollout = InstanceRefresh()
    termination: Termination = Termination()
    health: Health = Health()
    scaling: Many[Rule] = ()
    clouds: Annotated[Many[Label], pydantic.Field(min_length=1)] = ()
    per_cloud: Table[Label, Overrides] = field(default_factory=dict)

    def bare(self) -> Service:
        """Return the service without its machines."""
        return Service(**{f.name: getattr(self, f.name) for f in fields(Service)})


@value
class GatewayFile:
    """A gateway: its clouds, its services, the ports that lead to them.

    Attributes:
        clouds: the clouds by name; each says its `type`.
        services: what runs, and on which machines.
        listeners: the ports that clients connect to.
        discovery: who knows which machines are alive; default `{"type": "consul"}`.
        balancer: what spreads the traffic; default `{"type": "haproxy"}`.
        names: names of DNS that lead clients to it; default none.
        tags: put on everything that the clouds can tag.

    """

    clouds: Annotated[Table[Label, dict[str, Any]], pydantic.Field(min_length=1)]
    services: Annotated[Many[ServiceEntry], pydantic.Field(min_length=1)]
    listeners: Annotated[Many[ListenerEntry], pydantic.Field(min_length=1)]
    discovery: dict[str, Any] = field(default_factory=lambda: {"type": "consul"})
    balancer: dict[str, Any] = field(default_factory=lambda: {"type": "haproxy"})
    names: Many[NameEntry] = ()
    tags: Table[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServiceRead:
    """A service of the file, with its per-cloud values by the cloud's name."""

    service: Service
    clouds: Sequence[str]
    capacity: Mapping[str, Capacity]
    market: Mapping[str, Market]
    machine: Mapping[str, Machine]
    rollout: Mapping[str, Rollout]
    termination: Mapping[str, Termination]
    health: Mapping[str, Health]
    scaling: Mapping[str, Sequence[Rule]]


@dataclass(frozen=True, kw_only=True)
class GatewayRead:
    """A file that was read and found right."""

    path: Path
    clouds: Mapping[str, CloudPlan]
    services: Sequence[ServiceRead]
    listeners: Sequence[Listener]
    discovery: DiscoveryPlan
    balancer: BalancerPlan
    names: Sequence[NameEntry]
    tags: Mapping[str, str]

    @contextmanager
    def place(self, where: str) -> Iterator[None]:
        """Say of every error inside that it comes from this place of the file."""
        try:
            yield
        except SynthesisError as error:
            raise SynthesisError([self._placed(p, where) for p in error.problems]) from None
        except ConfigError as error:
            raise self._placed(error, where) from None

    def _placed(self, error: ConfigError, where: str) -> FileError:
        place = where or self._part(error)
        return _in_file(error, f"{self.path.name}: {place}" if place else self.path.name)

    def _part(self, error: ConfigError) -> str:
        """Return the part of the file that a construct below the gateway was made from."""
        constructs, _, argument = (error.path or "").partition(":")
        services = [entry.service.name for entry in self.services]
        for name in constructs.split("/")[_ABOVE_PARTS:]:
            if name == "discovery":
                return name
            if name == "edge":
                ports = [listener.port for listener in self.listeners]
                if error.got in ports and argument.strip() == "listeners":
                    return f"listeners[{ports.index(error.got)}].port"
                return "listeners" if argument.strip() == "listeners" else "balancer"
            if name in services:
                return f"services[{services.index(name)}]"
        return ""


def read(path: Path) -> GatewayRead:
    """Read a gateway file and check everything that can be checked without building.

    Raises:
        FileError: it cannot be read, or says one thing wrong.
        SynthesisError: it says several things wrong; each names its place.

    """
    data = parse(path)
    data.pop("$schema", None)
    found = text_problems(data, path.name)
    if any(not isinstance(problem.got, str) for problem in found):
        _raise(path, found)  # a number that JSON cannot hold cannot be checked any further
    clouds: dict[str, Any] = {}
    for name, said in _mapping(data.get("clouds")).items():
        clouds[name] = _plan("clouds", said, f"clouds.{name}", found)
    discovery = _plan("discovery", data.get("discovery", {"type": "consul"}), "discovery", found)
    balancer = _plan("balancers", data.get("balancer", {"type": "haproxy"}), "balancer", found)
    root: GatewayFile | None = _validated(GatewayFile, data, "", found)
    found = _once(found)
    if root is not None:
        found += _crossed(root)
    _raise(path, found)
    if root is None:
        raise AssertionError  # _raise raised: a file without a root has problems
    services = [_service(entry, list(root.clouds)) for entry in root.services]
    by_name = {entry.service.name: entry.service for entry in services}
    listeners = _listeners(root.listeners, by_name, found)
    _raise(path, found)
    return GatewayRead(
        path=path,
        clouds=clouds,
        services=services,
        listeners=listeners,
        discovery=discovery,
        balancer=balancer,
        names=root.names,
        tags=root.tags,
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a gateway file, with every driver that is there."""
    schema = pydantic.TypeAdapter(GatewayFile).json_schema(ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    unions: dict[Role, dict[str, Any]] = {}
    roles: tuple[Role, ...] = ("clouds", "discovery", "balancers")
    for role in roles:
        names = plan_types(role)
        for name in names:
            plan = pydantic.TypeAdapter(plan_class(role, name, role)).json_schema(
                ref_template="#/$defs/{model}"
            )
            plan["required"] = ["type", *plan.get("required", ())]
            definitions.update(plan.pop("$defs", {}))
            definitions[f"{role}-{name}"] = plan
        unions[role] = {"oneOf": [{"$ref": f"#/$defs/{role}-{name}"} for name in names]}
    schema["$schema"] = SCHEMA_URL
    properties = schema["properties"]
    properties["$schema"] = {"type": "string"}
    properties["clouds"]["additionalProperties"] = unions["clouds"]
    properties["discovery"] = unions["discovery"]
    properties["balancer"] = unions["balancers"]
    return schema


def _validated(kind: type, data: object, where: str, found: list[ConfigError]) -> Any:  # noqa: ANN401  # of `kind`
    try:
        return pydantic.TypeAdapter(kind).validate_json(json.dumps(data))
    except pydantic.ValidationError as error:
        for item, problem in zip(
            error.errors(include_url=False), problems(error, "", kind), strict=True
        ):
            if item["type"] == "needs_python_object":
                continue  # a union's member that no file can write
            place = _place(data, item["loc"])
            problem.path = ".".join(part for part in (where, place) if part)
            found.append(problem)
    return None


def _plan(role: Role, said: object, where: str, found: list[ConfigError]) -> Any:  # noqa: ANN401  # of `kind`
    settings = _mapping(said)
    if "type" not in settings:
        found.append(
            ConfigError(
                'must say its "type"', path=where, got=said, want=", ".join(plan_types(role))
            )
        )
        return None
    try:
        kind = plan_class(role, settings["type"], f"{where}.type")
    except ConfigError as error:
        found.append(error)
        return None
    return _validated(kind, settings, where, found)


def _crossed(root: GatewayFile) -> list[ConfigError]:
    """Return where one part of the file names another part that is not there."""
    found = []
    names = [entry.name for entry in root.services]
    for number, service in enumerate(root.services):
        place = f"services[{number}]"
        if names.index(service.name) != number:
            found.append(
                ConfigError("two services have one name", path=f"{place}.name", got=service.name)
            )
        for key, given in (("clouds", service.clouds), ("per_cloud", service.per_cloud)):
            found += [
                ConfigError(
                    "is no cloud of this file",
                    path=f"{place}.{key}",
                    got=name,
                    want=" or ".join(root.clouds),
                )
                for name in given
                if name not in root.clouds
            ]
    ports = [listener.port for listener in root.listeners]
    for number, listener in enumerate(root.listeners):
        if ports.index(listener.port) != number:
            found.append(
                ConfigError(
                    "one port is taken twice", path=f"listeners[{number}].port", got=listener.port
                )
            )
        found += [
            ConfigError(
                "leads to a service that nobody runs",
                path=f"listeners[{number}].{place}",
                got=name,
                want=" or ".join(names),
            )
            for place, name in listener.leads.items()
            if name not in names
        ]
    return found + strange_clouds(root.names, root.clouds)


def _listeners(
    entries: Sequence[ListenerEntry], services: Mapping[str, Service], found: list[ConfigError]
) -> list[Listener]:
    made = []
    for number, entry in enumerate(entries):
        try:
            made.append(entry.resolved(services))
        except ConfigError as error:
            found.append(error.at(f"listeners[{number}]"))
    return made


def _service(entry: ServiceEntry, clouds: Sequence[str]) -> ServiceRead:
    where = list(entry.clouds) or list(clouds)

    def chosen(argument: str, cloud: str) -> Any:  # noqa: ANN401  (the type of the argument)
        own = getattr(entry.per_cloud.get(cloud), argument, None)
        return getattr(entry, argument) if own is None else own

    values = {
        f.name: {cloud: chosen(f.name, cloud) for cloud in where}
        for f in dataclasses.fields(Overrides)
    }
    return ServiceRead(service=entry.bare(), clouds=where, **values)


def _place(data: object, loc: Sequence[int | str]) -> str:
    """Return a place as a reader of the file would write it: `services[0].port`.

    pydantic puts names of union members into its places; what the file does not have is left out.
    """
    place = ""
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(part, int) and isinstance(data, list) and part < len(data):
            place, data = f"{place}[{part}]", data[part]
        elif isinstance(data, dict) and (part in data or last):
            place, data = f"{place}.{part}", data.get(part)
    return place.removeprefix(".")


def _once(found: Sequence[ConfigError]) -> list[ConfigError]:
    """Return one problem for each place: the first says it best."""
    return list({problem.path: problem for problem in reversed(found)}.values())[::-1]


def _mapping(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _in_file(error: ConfigError, prefix: str) -> FileError:
    where = prefix if error.path is None else f"{prefix}: {error.path}"
    return FileError(error.what, path=where, got=error.got, want=error.want, do=error.do)


def _raise(path: Path, found: Sequence[ConfigError]) -> None:
    named = [_in_file(problem, path.name) for problem in found]
    if len(named) == 1:
        raise named[0]
    if named:
        raise SynthesisError(named)
