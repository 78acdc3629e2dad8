"""Names: what Consul, DNS and the clouds accept, and how a long one is cut."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Annotated

import pydantic

from crossgate.errors import ConfigError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_NAME = 253
TTL = timedelta(seconds=30)
"""For how long an answer of DNS may be kept: some of the time that a check takes as well."""

_HASH_LENGTH = 6


def dns_label(text: str) -> str:
    """Return `text` when it is a DNS label: it becomes a Consul service name and a host name.

    Raises:
        ConfigError: it is not.

    """
    if _LABEL.match(text):
        return text
    near = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
    raise ConfigError(
        "is not a DNS label",
        got=text,
        want="1 to 63 lower-case letters, digits and inner hyphens",
        do=f'write "{near}"' if near else "choose another name",
    )


def dns_name(text: object, path: str) -> str:
    """Return `text` when it is a name of DNS, of labels in lower case with no dot at the end.

    Raises:
        ConfigError: it is not.

    """
    if isinstance(text, str) and len(text) <= _NAME and all(map(_LABEL.match, text.split("."))):
        return text
    raise ConfigError(
        "is no name of DNS",
        path=path,
        got=text,
        want='lower-case letters, digits and inner hyphens between dots: "api.example.org"',
    )


Label = Annotated[str, pydantic.AfterValidator(dns_label)]
"""A DNS label (RFC 1123), 1 to 63 characters."""


VariableName = Annotated[str, pydantic.Field(pattern=r"^[a-z_][a-z0-9_]*$")]
"""The name of a variable of Terraform, as in `TF_VAR_name`."""


def shortened(name: str, limit: int) -> str:
    """Return `name`, cut to `limit` characters with a hash of the whole where it is longer.

    The hash keeps two long names apart that begin alike.
    """
    if len(name) <= limit:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: limit - _HASH_LENGTH - 1].rstrip('-')}-{mark}"
