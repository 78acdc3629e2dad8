"""How one knows that a service works."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.units import Duration
from crossgate.model.value import value


@value
class _Timing:
    """When discovery's check runs on the machine, and how long it may take.

    Balancers make the same check on their own, several times a second.

    Attributes:
        every: time between two checks; default 2 seconds.
        timeout: how long an answer may take; default 1 second.

    Raises:
        ConfigError: the answer may take longer than the time to the next check.

    """

    every: Duration = timedelta(seconds=2)
    timeout: Duration = timedelta(seconds=1)

    def __post_init__(self) -> None:
        """Refuse a check that overlaps the next one."""
        if self.timeout > self.every:
            raise ConfigError(
                "the timeout is longer than the time between two checks",
                path=type(self).__name__,
                got=f"every={self.every}, timeout={self.timeout}",
                want="timeout <= every",
            )


@value
class TcpCheck(_Timing):
    """The port accepts a connection; `every` 2 seconds, `timeout` 1 second by default."""

    type: Literal["tcp"] = "tcp"


@value
class HttpCheck(_Timing):
    """A GET is answered with a status in the 200s; `every` and `timeout` as for `TcpCheck`.

    Attributes:
        path: what is asked for; default "/health".

    """

    type: Literal["http"] = "http"
    path: Annotated[str, pydantic.Field(pattern=r"^/[!-~]*$")] = "/health"


@value
class ThriftCheck(_Timing):
    """A Thrift call without arguments is answered with a reply (an exception fails the check).

    A server that accepts connections and answers nothing is found this way, which a TCP check
    never does. The call must be in the service's IDL. Balancers make it; Consul, which knows no
    Thrift, connects.

    Attributes:
        call: the name of the method; default "ping".
        transport: `buffered` (the default of Thrift's servers) or `framed`.
        protocol: `binary` (strict, the default of Thrift's servers) or `compact`.

    """

    type: Literal["thrift"] = "thrift"
    call: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,127}$")] = "ping"
    transport: Literal["buffered", "framed"] = "buffered"
    protocol: Literal["binary", "compact"] = "binary"


@value
class GrpcCheck(_Timing):
    """`grpc.health.v1.Health/Check` is answered with SERVING; `every`, `timeout` as for `TcpCheck`.

    That is the standard health service, which gRPC's libraries bring. Balancers and Consul both
    call it, over HTTP/2 without TLS.

    Attributes:
        service: whose health is asked for, such as "shop.v1.Orders"; default "", which is the
            server as a whole.

    """

    type: Literal["grpc"] = "grpc"
    service: Annotated[str, pydantic.Field(pattern=r"^([A-Za-z_][A-Za-z0-9_.-]{0,99})?$")] = ""


Check = Annotated[
    TcpCheck | HttpCheck | ThriftCheck | GrpcCheck, pydantic.Field(discriminator="type")
]
"""Any check of a service."""
