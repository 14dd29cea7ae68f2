"""Messages of gRPC services that others define, from descriptors the build compiles out of the .proto files here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

RESOURCE = Path(__file__).parent.with_name("protos.bin")


class Method(NamedTuple):
    """One remote procedure, with the classes of its messages."""

    path: str
    request: type[Message]
    response: type[Message]


class Messages:
    """The messages of one package as attributes: `messages("csi.v1").NodeStageVolumeRequest(volume_id="v")`."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        try:
            found = _pool().FindMessageTypeByName(f"{self._package}.{name}")
        except KeyError:
            raise AttributeError(f"package {self._package} has no message {name}") from None
        made = message_factory.GetMessageClass(found)
        setattr(self, name, made)
        return made


@cache
def messages(package: str) -> Messages:
    """The packages are `csi.v1`, `pluginregistration`, `containerd.services.snapshots.v1` and `v2` (of key management
    services)."""
    return Messages(package)


@cache
def methods(service: str) -> dict[str, Method]:
    """What a service offers, by name of the procedure; the service's name is whole (`csi.v1.Node`). Raises KeyError."""
    return {
        method.name: Method(
            f"/{service}/{method.name}",
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
        for method in _pool().FindServiceByName(service).methods
    }


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of our own: another library's copy of the same messages does no harm."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(RESOURCE.read_bytes()).file:
        pool.Add(file)
    return pool
