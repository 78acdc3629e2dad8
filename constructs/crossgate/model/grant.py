"""What the machines of a group may do in their cloud, beyond what they need for themselves."""

from __future__ import annotations

from typing import Annotated

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.text import Text, TextLike
from crossgate.model.value import Many, value

_ANYTHING = "*"
_RESOURCE_PART = 5
"""Colons before it: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE."""


@value
class Grant:
    """A right: certain actions on certain resources, in the words of the cloud's own policies.

    Attributes:
        actions: such as "s3:GetObject".
        resources: their ARNs, `*` inside allowed: "arn:aws:s3:::releases/*". Of a resource of the
            same stack: `Text.of(Reference(bucket.arn), "/*")`.
        wide: whether a wildcard in an action, and all resources of an account, are meant. Default
            False: both are refused, for a machine that is broken into has these rights too.

    Raises:
        ConfigError: what is no action and no ARN, or a wildcard that is not said to be meant.

    """

    actions: Annotated[
        Many[Annotated[str, pydantic.Field(pattern=r"^(\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$")]],
        pydantic.Field(min_length=1),
    ]
    resources: Annotated[Many[TextLike], pydantic.Field(min_length=1)]
    wide: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no resource, and rights that are wider than they look."""
        for resource in self.resources:
            text = Text.of(resource)
            begins = text.pieces[0] if text.pieces else ""
            if isinstance(begins, str) and begins != _ANYTHING and not begins.startswith("arn:"):
                raise ConfigError(
                    "is no resource",
                    path="Grant: resources",
                    got=resource,
                    want='an ARN such as "arn:aws:s3:::releases/*", or a Reference to one',
                )
        if self.wide:
            return
        for action in self.actions:
            if "*" in action or "?" in action:
                raise ConfigError(
                    "an action with a wildcard grants what nobody has read, and what comes later",
                    path="Grant: actions",
                    got=action,
                    want='the actions by name, such as "s3:GetObject"',
                    do="if it is meant: Grant(..., wide=True)",
                )
        for resource in self.resources:
            literal = Text.of(resource).literal or ""
            if literal == _ANYTHING or literal.split(":", _RESOURCE_PART)[-1] == _ANYTHING:
                raise ConfigError(
                    "is everything that the account has of the kind",
                    path="Grant: resources",
                    got=literal,
                    want='the resource by its ARN, such as "arn:aws:s3:::releases/*"',
                    do="if it is meant, or if the action knows no narrower resource: "
                    "Grant(..., wide=True)",
                )
