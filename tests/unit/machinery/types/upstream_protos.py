"""Upstream's generated.proto files of the core group, as google.protobuf reads them: of 2019, PyPI's newest."""

from __future__ import annotations

import ast
import re
from functools import cache

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from published import published

FILES = ("apimachinery/pkg/util/intstr", "apimachinery/pkg/runtime/schema", "apimachinery/pkg/runtime",
         "apimachinery/pkg/api/resource", "apimachinery/pkg/apis/meta/v1", "api/core/v1")  # fmt: skip
_PACKED = re.compile(r"serialized_pb=_b\((.*?)\)\n", re.DOTALL)


@cache
def pool() -> DescriptorPool:
    """The modules themselves are too old for today's protobuf; the descriptors in them are not."""
    found = DescriptorPool()
    for file in FILES:
        source = (published("k8s-proto") / "k8s" / "io" / file / "generated_pb2.py").read_text()
        packed = _PACKED.search(source)
        assert packed is not None
        found.Add(FileDescriptorProto.FromString(ast.literal_eval(packed[1]).encode("latin-1")))  # type: ignore[no-untyped-call]
    return found


def name_of(definition: str) -> str:
    """The message of a definition: the one begins with "io.k8s", the other with "k8s.io"."""
    return "k8s.io" + definition.removeprefix("io.k8s")


def message_class(definition: str) -> type:
    """Raises KeyError for what was not there then."""
    return GetMessageClass(pool().FindMessageTypeByName(name_of(definition)))  # type: ignore[no-untyped-call]
