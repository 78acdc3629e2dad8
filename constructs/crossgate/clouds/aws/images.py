"""Which image the machines of an architecture start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from crossgate.clouds.aws.bindings.data import DataAmi
from crossgate.clouds.aws.catalogue import named_image
from crossgate.errors import ConfigError, RefusedError
from crossgate.model.argument import checked
from crossgate.model.machine import Architecture, Image
from crossgate.terraform.engine import path_of

if TYPE_CHECKING:
    from crossgate.clouds.aws.cloud import AwsCloud
    from crossgate.specs import MachineSpec
    from crossgate.terraform.engine import Construct

AwsImage = str | Image
"""A name of ours ("debian-12"), an id ("ami-...", or a token), or a look-up."""


def checked_image(
    given: AwsImage | Mapping[Architecture, AwsImage], path: str
) -> AwsImage | Mapping[Architecture, AwsImage]:
    """Return what a cloud is told of images.

    Raises:
        ConfigError: a name that is none, or an architecture that is none.

    """
    if not isinstance(given, Mapping):
        _check(given, path)
        return given
    known = get_args(Architecture)
    if not given or set(given) - set(known):
        raise ConfigError(
            "names no image for each architecture",
            path=f"{path}: image",
            got=dict(given),
            want=f"images by architecture: {', '.join(known)}",
        )
    for image in given.values():
        _check(image, path)
    return dict(given)


def _check(image: AwsImage, path: str) -> None:
    checked((str, Image), image, argument="image", path=path)
    if isinstance(image, str) and not _is_id(image):
        named_image(image, "x86_64", path)


def _is_id(image: str) -> bool:
    return image.startswith(("ami-", "${"))


def refusals(cloud: AwsCloud, spec: MachineSpec) -> list[RefusedError]:
    """Return why there is no image for the machines: an id is of one architecture alone."""
    given, asked = cloud.image, spec.machine.architectures
    if isinstance(given, Mapping):
        missing = [one for one in asked if one not in given]
        why = f"the cloud has no image for {missing[0]}" if missing else ""
    else:
        by_id = isinstance(given, str) and _is_id(given)
        why = "an image by its id is of one architecture" if by_id and len(asked) > 1 else ""
    if not why:
        return []
    images = ", ".join(f'"{one}": "ami-..."' for one in asked)
    return [
        RefusedError(
            why,
            path=f"{spec.name}: machine.architecture",
            got=list(asked),
            do=f'AwsCloud(image={{{images}}}), or a name such as "debian-12", which is of both',
        )
    ]


def image_of(
    cloud: AwsCloud, scope: Construct, architecture: Architecture, id: str
) -> tuple[str, str]:
    """Return the image's id and its root device, or tokens of them."""
    given = cloud.image
    image = given[architecture] if isinstance(given, Mapping) else given
    if isinstance(image, str):
        if _is_id(image):
            return image, cloud.root_device or _root_device(cloud, scope, image, id)
        image = named_image(image, architecture, path_of(cloud))
    found = DataAmi(
        scope,
        id,
        most_recent=True,
        owners=[image.owner or "self"],
        filter=[
            {"name": "name", "values": [image.name]},
            {"name": "architecture", "values": [architecture]},
        ],
        provider=cloud.provider,
    )
    return found.id, found.root_device_name


def _root_device(cloud: AwsCloud, scope: Construct, image: str, id: str) -> str:
    """Look up the image's root device: Debian's is /dev/xvda, Ubuntu's is /dev/sda1."""
    found = DataAmi(
        scope,
        id,
        filter=[{"name": "image-id", "values": [image]}],
        # Who names an image by its id means it, deprecated or not.
        include_deprecated=True,
        provider=cloud.provider,
    )
    return found.root_device_name
