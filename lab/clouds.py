"""The clouds of a lab: a stack is deployed to them, and machines boot from what they received."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab import aws_machines, cgroup, openstack
from lab.aws import REGION, Account, Emulator, put_object
from lab.aws_edge import AwsAround
from lab.control_plane.places import PUBLIC
from lab.deploy import Deployed, deploy
from lab.edge import Edge
from lab.received import Instance, short_names
from lab.registry import HOME, Order
from lab.thrift.bundle import build
from stacks.lab import AWS, NOVA, PORT
from tools.toolbox import ToolError

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.machine import Machine

BUCKET = "releases"
"""Of S3, from which machines fetch the service."""

_PART = "clouds"
_EVERY_SECONDS = 1.0
_LOG_LINES = 20
_AS_USUAL = '" 200 -'  # the end of a line of moto, and of the metadata service
_PROGRAM = Path(__file__).with_name("program.py")
_STACK = "gateway"


@dataclass(kw_only=True)
class Place:
    """A cloud of the lab.

    Attributes:
        name: the cloud's, and its site's.
        edge: its load balancers, after a deploy.
        instances: what it has been told to run, by the host name in the lab.

    """

    name: str
    edge: Edge = field(init=False)
    instances: dict[str, Instance] = field(default_factory=dict)

    @property
    def addresses(self) -> Sequence[str]:
        """Where clients connect."""
        return [address for entrance in self.edge.entrances for address in entrance.addresses]

    @property
    def entries(self) -> Sequence[str]:
        """Where clients connect, `host:port`; beside it the balancers of other clouds do."""
        return [f"{address}:{PORT}" for address in self.addresses]


@dataclass
class Clouds:
    """The clouds of a lab that is up.

    Everything in it ends with the lab. `stop` ends it before, for a caller that goes on.

    Attributes:
        lab: the lab.
        project: the OpenStack project to deploy to; None: AWS alone.
        say: told of each phase, as it ends, with its name and its seconds; default: nobody.
        phases: the same, for later.
        account: the account of AWS, after `deploy`.
        deployed: the stack, after `deploy`.
        places: the clouds by name, after `deploy`.
        machines: by name, those that have been booted.

    """

    lab: Lab
    project: openstack.Project | None = None
    say: Callable[[str, float], None] = lambda _phase, _seconds: None
    phases: dict[str, float] = field(default_factory=dict)
    account: Account = field(init=False)
    deployed: Deployed = field(init=False)
    places: dict[str, Place] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    _around: AwsAround = field(init=False, repr=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def deploy(self, version: str = "1.0") -> None:
        """Deploy the lab's stack with the real CLI, Terraform and providers; boot its machines.

        Machines boot as the clouds make them, for a cloud whose groups wait until they are ready is
        not done before. Returns when cloud-init has finished on each.

        Args:
            version: of the service.

        Raises:
            ToolError: a control plane does not start, the deploy fails, a machine does not come up.

        """
        groups = cgroup.make(self.lab.name, _PART)
        router = self.lab.network.router
        with self._phase("emulator of AWS"):
            emulator = Emulator(self._folder, groups=groups, hooks=True)
            self.account = self._stack.enter_context(emulator).account
            self._around = AwsAround(
                self.account, router, self._folder / "around", bucket=BUCKET, groups=groups
            )
            self._stack.enter_context(self._around)
            self.places[AWS] = Place(name=AWS)
        if self.project is not None:
            apis = openstack.apis(router)
            around = Edge([], router, self._folder / "apis", more=[apis], own=[PUBLIC])
            self._stack.enter_context(around)
            self.places[NOVA] = Place(name=NOVA)
        with self._phase("deploy and boot"):
            self.change(version)
        with self._phase("load balancers"):
            found = aws_machines.entrances(self.account)
            edge = Edge(found, router, self._folder / AWS, groups=groups)
            self.places[AWS].edge = self._stack.enter_context(edge)
            if self.project is not None:
                led = openstack.entrances(self.project)
                edge = Edge(led, router, self._folder / NOVA, groups=groups)
                self.places[NOVA].edge = self._stack.enter_context(edge)
        with self._phase("cloud-init"):
            for machine in self.machines.values():
                machine.wait_booted()

    def change(
        self,
        version: str,
        look: Callable[[], None] = lambda: None,
        *,
        checksum: str | None = None,
    ) -> None:
        """Deploy another version of the service, and boot and drop machines as the clouds do.

        Args:
            version: of the service.
            look: called meanwhile, about once a second.
            checksum: what machines are told of the version; default: what is right. With another
                they never start it.

        Raises:
            ToolError: the deploy fails; notes say what the machines have said.

        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            deploying = pool.submit(self._deploy, version, checksum)
            while not deploying.done():
                for cloud in self.places:
                    self.catch_up(cloud)
                look()
                wait([deploying], timeout=_EVERY_SECONDS)
            try:
                self.deployed = deploying.result()
            except ToolError as error:
                for machine in self.machines.values():
                    error.add_note(f"{machine.order.name}:\n{machine.last_words()}")
                for log in sorted(self._folder.rglob("*.log")):
                    said = log.read_text(encoding="utf-8", errors="replace").splitlines()
                    odd = [line for line in said if not line.endswith(_AS_USUAL)]
                    error.add_note("\n".join((f"{log.name}:", *odd[-_LOG_LINES:])))
                error.add_note(f"The deploy, once more:\n{error}")  # who reads a log from its end
                raise
        for cloud in self.places:
            self.catch_up(cloud)

    @property
    def _folder(self) -> Path:
        return HOME / self.lab.name / _PART

    def _deploy(self, version: str, checksum: str | None) -> Deployed:
        bundle = build(version)
        put_object(self.account, BUCKET, bundle.path.name, bundle.path.read_bytes())
        url = f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{bundle.path.name}"
        sha256 = checksum or bundle.sha256
        context: dict[str, object] = {"url": url, "sha256": sha256, "clouds": [AWS]}
        environment = dict(self.account.environment)
        if self.project is not None:
            context |= {"clouds": [AWS, NOVA], **openstack.given(self.project)}
            environment |= self.project.environment
        return deploy(_PROGRAM, _STACK, self._folder, environment, {"lab": context})

    def _order(self, place: Place, name: str, instance: Instance) -> Order:
        """Return what the lab is to boot: the user data that the cloud holds for the instance.

        The machines of both clouds fetch the service from the bucket, as they would from anywhere.
        """
        return Order(
            name=name,
            site=place.name,
            address=instance.address,
            instance=instance.id,
            user_data=instance.user_data,
            files=self._around.files(name, instance.address),
        )

    def replace(self, lost_name: str) -> Machine:
        """Let a machine of AWS vanish and its group make another, which boots; return that.

        moto heals no group by itself: it is told what AWS would have found out.
        """
        lost = self.places[AWS].instances[lost_name]
        self.machines.pop(lost_name).destroy()
        self.account.client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=lost.id, ShouldDecrementDesiredCapacity=False
        )
        (machine,) = self.catch_up(AWS)
        return machine

    def catch_up(self, cloud: str) -> list[Machine]:
        """Boot what a cloud has made since, and drop what it has taken away; return what is new.

        The edge keeps the targets that it had, so this is for machines that are none.
        """
        place = self.places[cloud]
        found = {instance.id: instance for instance in self._instances(cloud)}
        known = {instance.id: name for name, instance in place.instances.items()}
        fresh = [found[one] for one in found.keys() - known.keys()]
        names = short_names(cloud, fresh, taken=place.instances)
        for gone in known.keys() - found.keys():
            del place.instances[known[gone]]
            if machine := self.machines.pop(known[gone], None):
                machine.destroy()
        made = {names[instance.id]: instance for instance in fresh}
        place.instances.update(made)
        machines = self.lab.boot_all([self._order(place, name, one) for name, one in made.items()])
        self.machines.update((machine.order.name, machine) for machine in machines)
        return machines

    def _instances(self, cloud: str) -> list[Instance]:
        if cloud == AWS or self.project is None:
            return aws_machines.instances(self.account)
        return openstack.instances(self.project)

    def stop(self) -> None:
        """End the control planes and the load balancers; machines stay."""
        self._stack.close()

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.phases[name] = time.monotonic() - began
        self.say(name, self.phases[name])
