"""A lab: sites, machines in them, and an end to all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from rich.console import Console

from lab.image import image
from lab.machine import Machine
from lab.network import CLIENTS, Network
from lab.registry import Order, Registry, check_name
from tools.toolbox import ToolError

SITES = {"aws": "10.20.0.0/16", "nova": "10.30.0.0/16", "clients": "10.99.0.0/24"}
"""The sites of a lab that says nothing else."""


def default_name() -> str:
    """Return the name of the lab that is meant when none is said: CROSSGATE_LAB, or `lab`."""
    return os.environ.get("CROSSGATE_LAB", "lab")


class Lab:
    """A lab that is up: leave the `with` block and nothing of it is left.

    Attributes:
        name: what it is called; several labs may be up.
        network: its sites and the router between them.
        client_namespace: the network namespace that load is sent from.
        registry: where it is written down.

    """

    def __init__(self, registry: Registry) -> None:
        sites, self._image = registry.about()
        self.name = registry.name
        self.network = Network(registry.namespace, sites)
        self.client_namespace = self.network.clients
        self.registry = registry

    @classmethod
    def create(
        cls,
        sites: Mapping[str, str] = SITES,
        *,
        name: str | None = None,
        console: Console | None = None,
    ) -> Self:
        """Bring a lab up that has no machines yet.

        Args:
            sites: the networks, each with its range. The site `clients` is also a namespace to
                send load from. Default: aws, nova and clients.
            name: what it is called, default see `default_name`.
            console: where the making of the image is shown; default: standard error.

        Raises ToolError when a lab of that name is up, or something is missing.

        """
        registry = Registry(name or default_name())
        made = image(console or Console(stderr=True))
        if registry.exists():
            raise ToolError(
                f"a lab named {registry.name} is up, or was and left something.",
                do="take it down: python -m lab down.",
            )
        network = Network(registry.namespace, sites)
        registry.create(sites, made.root)
        try:
            network.create()
        except BaseException:
            registry.clear()
            raise
        return cls(registry)

    @classmethod
    def open(cls, name: str | None = None) -> Self:
        """Return the lab of that name, which is up; ToolError when none is."""
        return cls(Registry(name or default_name()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def boot(self, order: Order) -> Machine:
        """Make a machine and boot it; return when its systemd runs, cloud-init yet to begin."""
        check_name(order.name, "machine")
        self.network.check(order)
        if order.name == CLIENTS:
            raise ToolError(f"{CLIENTS} are there already.", do="give the machine another name.")
        self.registry.note(order)
        machine = Machine(self.registry, self.network, order)
        try:
            machine.make(self._image)
        except BaseException:
            self.registry.forget(order.name)
            raise
        return machine

    def boot_all(self, orders: Iterable[Order]) -> list[Machine]:
        """Boot several machines side by side."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(self.boot, orders))

    def machines(self) -> dict[str, Machine]:
        """Return all machines, running or not, by name."""
        return {
            name: Machine(self.registry, self.network, order)
            for name, order in self.registry.orders().items()
        }

    def machine(self, name: str) -> Machine:
        """Return one machine; ToolError when there is none of that name."""
        machines = self.machines()
        if name not in machines:
            raise ToolError(
                f"no machine {name!r}.", do=f"name one of {', '.join(machines) or 'none at all'}."
            )
        return machines[name]

    def destroy(self, name: str) -> None:
        """Take a machine away with its disk."""
        self.machine(name).destroy()

    def down(self) -> None:
        """Take everything away."""
        self.registry.clear()
