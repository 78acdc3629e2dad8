"""A Thrift server of thriftpy2: `thrift_example.py PORT TRANSPORT-PROTOCOL IDL`."""

from __future__ import annotations

import sys

import thriftpy2
from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
from thriftpy2.rpc import make_server
from thriftpy2.transport import TBufferedTransportFactory, TFramedTransportFactory


class _Example:
    def ping(self) -> None:
        """Answer."""


if __name__ == "__main__":
    port, kind, idl = sys.argv[1:]
    transport, protocol = kind.split("-")
    protocols = {"binary": TBinaryProtocolFactory, "compact": TCompactProtocolFactory}
    factories = {"buffered": TBufferedTransportFactory, "framed": TFramedTransportFactory}
    make_server(
        thriftpy2.load(idl, module_name="example_thrift").Example,
        _Example(),
        "127.0.0.1",
        int(port),
        proto_factory=protocols[protocol](),
        trans_factory=factories[transport](),
    ).serve()
