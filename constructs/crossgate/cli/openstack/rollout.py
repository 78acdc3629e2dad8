"""Heat's stacks of a synthesized stack, followed until Heat has ended what it does to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from openstack.exceptions import raise_from_response

from crossgate.cli.following import Phase, Progress, UnansweredError
from crossgate.cli.openstack.login import ERRORS, log_in, sentence
from crossgate.cli.openstack.updates import progress

if TYPE_CHECKING:
    from crossgate.cli.synthesized import Block, Cloud

_DEPTH = 4
"""The stack, its group's, a member's, and that of the member's one."""


def rollouts(cloud: Cloud, blocks: Mapping[str, Block]) -> list[StackRollout]:
    """Return the Heat stacks of a cloud, to be followed.

    Args:
        cloud: the cloud.
        blocks: the Heat stacks in the stack's JSON, by their names.

    Raises:
        UnansweredError: there are no credentials, or Keystone does not take them.

    """
    with _answered():
        heat = Heat(log_in(cloud.provider).connection.orchestration)
    return [
        StackRollout(heat, cloud=cloud.name, name=name, deployed=bool(block.made))
        for name, block in blocks.items()
    ]


class Heat:
    """What is asked of Heat.

    Args:
        proxy: openstacksdk's.

    """

    def __init__(self, proxy: Any) -> None:  # noqa: ANN401  (openstacksdk's)
        self._proxy = proxy

    def stack(self, name: str) -> Any:  # noqa: ANN401  (as above)
        """Return a stack; None: it is not there."""
        with _answered():
            return self._proxy.find_stack(name, ignore_missing=True, resolve_outputs=False)

    def resources(self, stack: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401  (as above)
        """Return what is in a stack and below it."""
        with _answered():
            # openstacksdk's own listing knows no depth.
            path = f"/stacks/{stack.name}/{stack.id}/resources"
            answer = self._proxy.get(path, params={"nested_depth": _DEPTH})
            raise_from_response(answer)
            found: list[Mapping[str, Any]] = answer.json()["resources"]
        return found


class StackRollout:
    """One Heat stack, followed.

    Args:
        heat: asks for it.
        cloud: the cloud's id in the stack.
        name: the Heat stack's name.
        deployed: whether Terraform's state knows it.

    """

    def __init__(self, heat: Heat, *, cloud: str, name: str, deployed: bool) -> None:
        self.cloud = cloud
        self.name = name
        self._heat = heat
        self._deployed = deployed

    def look(self) -> Progress:
        """Return how far it is."""
        stack = self._heat.stack(self.name)
        if stack is None:
            if self._deployed:
                return Progress(
                    phase=Phase.UNASKED,
                    said="is in Terraform's state, and Heat does not show it",
                    do="take the credentials and the region that it was deployed with",
                )
            return Progress(phase=Phase.NOTHING, said="is not there yet")
        complete = stack.status.endswith("_COMPLETE") and not stack.status.startswith("ROLLBACK")
        resources = [] if complete else self._heat.resources(stack)
        return progress(self.name, stack.status, stack.status_reason or "", resources)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ERRORS as error:
        raise UnansweredError(sentence(error)) from error
