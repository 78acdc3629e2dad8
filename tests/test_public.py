"""The public face: one list, what it does not drag in, and a docstring on everything."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType

import pytest

import crossgate
from crossgate import errors

PUBLIC = [
    "ANYWHERE",
    "DEVSTACK",
    "JETSTREAM2",
    "App",
    "ArgumentError",
    "Artifact",
    "AutoScalingGroup",
    "AwsCloud",
    "AwsMachines",
    "Capacity",
    "Certificate",
    "Command",
    "ConfigError",
    "Connections",
    "Construct",
    "Consul",
    "ConsulServers",
    "CrossgateError",
    "Document",
    "ExistingNetwork",
    "ExistingVpc",
    "Fabio",
    "FabioNodes",
    "File",
    "FileError",
    "Gateway",
    "Grant",
    "GroupPlan",
    "GrpcCheck",
    "HAProxy",
    "HAProxyNodes",
    "Healing",
    "Health",
    "Host",
    "HttpCheck",
    "Image",
    "InHouse",
    "InstanceRefresh",
    "Leave",
    "Limits",
    "Listener",
    "Machine",
    "NetworkByName",
    "NullCloud",
    "OnDemand",
    "OpenStackCloud",
    "OpenStackProfile",
    "OwnNetwork",
    "OwnVpc",
    "PolicyError",
    "Ports",
    "Reference",
    "RefusedError",
    "Release",
    "ReplaceGroup",
    "Route",
    "Scaling",
    "Scheduled",
    "Seen",
    "Service",
    "ServiceFile",
    "Snapshots",
    "SpillOver",
    "Spot",
    "Step",
    "Steps",
    "SynthesisError",
    "TcpCheck",
    "Termination",
    "TerraformOutput",
    "TerraformStack",
    "Text",
    "ThriftCheck",
    "Tls",
    "ToolError",
    "Unit",
    "Versions",
    "VpcByName",
    "WarmPool",
    "write_dashboards",
]
HEAVY = {"boto3", "botocore", "matplotlib", "openstack", "openstackclient", "rich", "typer"}


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(crossgate.__path__, "crossgate.")
    names = [name for _, name, _ in found if ".bindings" not in name]
    return [crossgate, *map(importlib.import_module, names)]


def described() -> Iterator[tuple[str, object]]:
    """Yield what has a public name and is ours: classes, functions and their public members."""
    for module in modules():
        for name, thing in vars(module).items():
            ours = getattr(thing, "__module__", None) == module.__name__
            if name.startswith("_") or not ours or not callable(thing):
                continue
            yield f"{module.__name__}.{name}", thing
            for member, what in vars(thing).items() if isinstance(thing, type) else ():
                function = getattr(what, "fget", getattr(what, "__func__", what))
                if inspect.isfunction(function) and not member.startswith("_"):
                    yield f"{module.__name__}.{name}.{member}", function


def test_the_list_is_this_one_in_order():
    assert crossgate.__all__ == PUBLIC


def test_everything_importable_without_an_underscore_is_in_the_list():
    importable = {
        name
        for name, thing in vars(crossgate).items()
        if not name.startswith("_") and not isinstance(thing, ModuleType)
    }
    assert importable == set(PUBLIC)


@pytest.mark.process
def test_no_client_and_no_screen_is_imported_along():
    code = "import sys, crossgate; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "crossgate" in imported
    assert not HEAVY & imported


def test_the_package_says_that_it_is_typed():
    assert (files(crossgate) / "py.typed").is_file()


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_every_module_says_in_one_sentence_what_lives_in_it(module):
    first, _, rest = (module.__doc__ or "").strip().partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")


def test_everything_public_is_described():
    things = list(described())
    assert len(things) > 200
    assert not [name for name, thing in things if not _own_docstring(thing)]


@pytest.mark.parametrize(
    "error",
    [
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type) and thing.__module__ == errors.__name__
    ],
)
def test_every_error_is_described_and_in_the_tree(error):
    assert issubclass(error, errors.CrossgateError)
    assert _own_docstring(error)
    assert f" {error.__name__} " in f"{errors.__doc__} ".replace("\n", " ")
    assert getattr(crossgate, error.__name__) is error


def _own_docstring(thing: object) -> str:
    """Return the docstring that somebody wrote: not a parent's, not a dataclass's signature."""
    text = (vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__) or ""
    written = not text.startswith(f"{getattr(thing, '__name__', '')}(")
    return text.strip() if written else ""
