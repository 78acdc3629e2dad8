"""The API of instance refreshes: started, told of, cancelled and rolled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from lab.instance_refresh import Refresh

if TYPE_CHECKING:
    from moto.autoscaling.models import FakeAutoScalingGroup


class Refreshes:
    """The instance refreshes of all groups.

    Args:
        hooks: whether machines answer hooks.

    """

    def __init__(self, *, hooks: bool) -> None:
        self._hooks = hooks
        self._of: WeakKeyDictionary[FakeAutoScalingGroup, list[Refresh]] = WeakKeyDictionary()

    def serve(self) -> None:
        """Have moto answer for them; whatever is asked about groups takes each one step on."""
        call = AutoScalingResponse.call_action

        def stepping(response: AutoScalingResponse) -> Any:  # noqa: ANN401  (moto's)
            for group in response.autoscaling_backend.autoscaling_groups.values():
                for refresh in self._of.get(group, ()):
                    if refresh.active:
                        refresh.step()
            return call(response)

        for name, method in (
            ("start_instance_refresh", _method(self._start)),
            ("describe_instance_refreshes", _method(self._describe)),
            ("cancel_instance_refresh", _method(self._cancel)),
            ("rollback_instance_refresh", _method(self._roll_back)),
            ("call_action", stepping),
        ):
            setattr(AutoScalingResponse, name, method)

    def _start(self, response: AutoScalingResponse) -> dict[str, Any]:
        group = self._group(response)
        if self._active(group) is not None:
            raise AutoscalingClientError(
                "InstanceRefreshInProgressFault",
                "An Instance Refresh is already in progress and blocks the execution of this "
                "Instance Refresh.",
            )
        made = Refresh(group, response._get_params(), hooks=self._hooks)
        self._of.setdefault(group, []).insert(0, made)
        return {"InstanceRefreshId": made.id}

    def _describe(self, response: AutoScalingResponse) -> dict[str, Any]:
        wanted = response._get_param("InstanceRefreshIds", [])
        found = self._of.get(self._group(response), [])
        return {
            "InstanceRefreshes": [
                one.described() for one in found if not wanted or one.id in wanted
            ]
        }

    def _cancel(self, response: AutoScalingResponse) -> dict[str, Any]:
        refresh = self._under_way(response)
        refresh.cancel()
        return {"InstanceRefreshId": refresh.id}

    def _roll_back(self, response: AutoScalingResponse) -> dict[str, Any]:
        refresh = self._under_way(response)
        refresh.roll_back("Rolled back by a request.")
        return {"InstanceRefreshId": refresh.id}

    def _under_way(self, response: AutoScalingResponse) -> Refresh:
        found = self._active(self._group(response))
        if found is None:
            raise AutoscalingClientError(
                "ActiveInstanceRefreshNotFoundFault", "No in progress Instance Refresh found."
            )
        return found

    def _active(self, group: FakeAutoScalingGroup) -> Refresh | None:
        return next((one for one in self._of.get(group, ()) if one.active), None)

    def _group(self, response: AutoScalingResponse) -> FakeAutoScalingGroup:
        name = response._get_param("AutoScalingGroupName")
        group = response.autoscaling_backend.autoscaling_groups.get(name)
        if group is None:
            raise ValidationError("AutoScalingGroup name not found - null")
        return group


def _method(
    answer: Callable[[AutoScalingResponse], dict[str, Any]],
) -> Callable[[AutoScalingResponse], ActionResult]:
    """Return what moto can call as a method of its own."""
    return lambda response: ActionResult(answer(response))
