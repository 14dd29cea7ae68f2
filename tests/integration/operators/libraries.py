"""The client libraries that `clients.py` plays its scene with.

python -m integration.operators.libraries NAME      plays it, and prints what was seen, as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from integration.operators.clients import Library, Object, Refused, box, play

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


def is_established(found: Any) -> bool:
    return any(each["type"] == "Established" and each["status"] == "True" for each in found or ())


class Kubernetes:
    """kubernetes: its dynamic client, which knows server-side apply."""

    def __init__(self, group: str) -> None:
        from kubernetes import client, config, dynamic, watch

        config.load_kube_config()
        self._api, self._watch = client.ApiClient(), watch
        self._definitions = client.ApiextensionsV1Api(self._api)
        self._dynamic = dynamic.DynamicClient(self._api)
        self._group, self._exceptions = group, client.ApiException

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._exceptions as error:
            raise Refused(error.status) from error

    def define(self, definition: Object) -> None:
        self._definitions.create_custom_resource_definition(definition)

    def established(self, name: str) -> bool:
        stream = self._watch.Watch().stream(
            self._definitions.list_custom_resource_definition,
            field_selector=f"metadata.name={name}",
            timeout_seconds=20,
        )
        return any(is_established(event["raw_object"].get("status", {}).get("conditions")) for event in stream)

    @property
    def _boxes(self) -> Any:
        return self._dynamic.resources.get(api_version=f"{self._group}/v1", kind="Box")

    def version(self) -> str:
        return str(self._boxes.get(namespace="default").metadata.resourceVersion)

    def create(self, obj: Object) -> Object:
        with self._told():
            return dict(self._boxes.create(body=obj).to_dict())

    def apply(self, obj: Object, manager: str, *, force: bool) -> Object:
        with self._told():
            return dict(self._boxes.server_side_apply(body=obj, field_manager=manager, force_conflicts=force).to_dict())

    def patch(self, change: Object, part: str) -> Object:
        found = self._boxes.subresources[part].patch(name="a", namespace="default", body=change, content_type=PATCH)
        return dict(found.to_dict())

    def watch(self, version: str) -> Iterator[str]:
        for event in self._boxes.watch(namespace="default", resource_version=version, timeout=20):
            yield event["type"]

    def delete(self) -> None:
        self._boxes.delete(name="a", namespace="default")

    def get(self) -> Object:
        with self._told():
            return dict(self._boxes.get(name="a", namespace="default").to_dict())


class KubernetesAsyncio:
    """kubernetes_asyncio: the same, on a loop."""

    def __init__(self, group: str) -> None:
        self._runner, self._group = asyncio.Runner(), group
        self._runner.run(self._begin())

    async def _begin(self) -> None:
        from kubernetes_asyncio import client, config, watch
        from kubernetes_asyncio.dynamic import DynamicClient

        await config.load_kube_config()
        self._api, self._watch, self._exceptions = client.ApiClient(), watch, client.ApiException
        self._definitions = client.ApiextensionsV1Api(self._api)
        self._dynamic = await DynamicClient(self._api)

    def _run(self, call: Any) -> Any:
        try:
            return self._runner.run(call)
        except self._exceptions as error:
            raise Refused(error.status) from error

    def define(self, definition: Object) -> None:
        self._run(self._definitions.create_custom_resource_definition(definition))

    def established(self, name: str) -> bool:
        async def told() -> bool:
            async with self._watch.Watch().stream(
                self._definitions.list_custom_resource_definition, field_selector=f"metadata.name={name}",
                timeout_seconds=20,
            ) as stream:  # fmt: skip
                async for event in stream:
                    if is_established(event["raw_object"].get("status", {}).get("conditions")):
                        return True
            return False

        return bool(self._run(told()))

    async def _boxes(self) -> Any:
        return await self._dynamic.resources.get(api_version=f"{self._group}/v1", kind="Box")

    def _ask(self, verb: str, **named: Any) -> Any:
        async def asked() -> Any:
            return (await getattr(await self._boxes(), verb)(**named)).to_dict()

        found = self._run(asked())
        if found.get("status") == "Failure":  # this client raises nothing
            raise Refused(found["code"])
        return found

    def version(self) -> str:
        return str(self._ask("get", namespace="default")["metadata"]["resourceVersion"])

    def create(self, obj: Object) -> Object:
        return dict(self._ask("create", body=obj))

    def apply(self, obj: Object, manager: str, *, force: bool) -> Object:
        return dict(self._ask("server_side_apply", body=obj, field_manager=manager, force_conflicts=force))

    def patch(self, change: Object, part: str) -> Object:
        async def asked() -> Any:
            boxes = (await self._boxes()).subresources[part]
            return (await boxes.patch(name="a", namespace="default", body=change, content_type=PATCH)).to_dict()

        return dict(self._run(asked()))

    def watch(self, version: str) -> Iterator[str]:
        async def told() -> list[str]:
            events = []
            boxes = await self._boxes()
            async for event in boxes.watch(namespace="default", resource_version=version, timeout=20):
                events.append(event["type"])
                if event["type"] == "DELETED":
                    break
            return events

        yield from self._run(told())

    def delete(self) -> None:
        self._ask("delete", name="a", namespace="default")

    def get(self) -> Object:
        found = dict(self._ask("get", name="a", namespace="default"))
        return found


class Lightkube:
    """lightkube: typed definitions, and a generic resource for the kind."""

    def __init__(self, group: str) -> None:
        from lightkube import ApiError, Client
        from lightkube.generic_resource import create_namespaced_resource
        from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
        from lightkube.types import CascadeType, PatchType

        self._client, self._exceptions, self._cascade, self._patch = Client(), ApiError, CascadeType, PatchType
        self._definition = CustomResourceDefinition
        self._box: Any = create_namespaced_resource(group, "v1", "Box", "boxes")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._exceptions as error:
            raise Refused(error.status.code) from error

    def define(self, definition: Object) -> None:
        self._client.create(self._definition.from_dict(definition))

    def established(self, name: str) -> bool:
        found = self._client.wait(self._definition, name, for_conditions=["Established"])
        return found.status is not None and is_established(found.to_dict()["status"]["conditions"])

    def version(self) -> str:
        found = self._client.list(self._box, namespace="default")
        list(found)  # only then it knows
        return str(found.resourceVersion)

    def create(self, obj: Object) -> Object:
        with self._told():
            return dict(self._client.create(self._box(obj)))

    def apply(self, obj: Object, manager: str, *, force: bool) -> Object:
        with self._told():
            return dict(self._client.apply(self._box(obj), field_manager=manager, force=force))

    def patch(self, change: Object, part: str) -> Object:
        kind = {"status": self._box.Status, "scale": self._box.Scale}[part]
        found = self._client.patch(kind, "a", change, namespace="default", patch_type=self._patch.MERGE)
        return dict(found if isinstance(found, dict) else found.to_dict())

    def watch(self, version: str) -> Iterator[str]:
        for event, _ in self._client.watch(self._box, namespace="default", resource_version=version):
            yield event

    def delete(self) -> None:
        self._client.delete(self._box, "a", namespace="default")

    def get(self) -> Object:
        with self._told():
            return dict(self._client.get(self._box, "a", namespace="default"))


class Kr8s:
    """kr8s: it has no word for apply, but passes requests on."""

    def __init__(self, group: str) -> None:
        import kr8s
        from kr8s.asyncio.objects import CustomResourceDefinition, new_class

        self._exceptions, self._missing = kr8s.ServerError, kr8s.NotFoundError
        self._runner, self._group, self._definition = asyncio.Runner(), group, CustomResourceDefinition
        self._api = self._run(kr8s.asyncio.api())
        self._box = new_class("Box", f"{group}/v1", namespaced=True, plural="boxes")

    def _run(self, call: Any) -> Any:
        try:
            return self._runner.run(call)
        except self._missing as error:
            raise Refused(404) from error
        except self._exceptions as error:
            raise Refused(error.response.status_code) from error

    def define(self, definition: Object) -> None:
        async def made() -> None:
            self._made = await self._definition(definition, api=self._api)
            await self._made.create()

        self._run(made())

    def established(self, name: str) -> bool:
        while not self._made.raw["status"]["conditions"]:  # null at first, which its `wait` does not know
            self._run(self._made.refresh())
        self._run(self._made.wait("condition=Established", timeout=20))
        return is_established(self._made.raw["status"]["conditions"])

    def _call(self, method: str, path: str, **named: Any) -> Any:
        async def asked() -> Any:
            async with self._api.call_api(
                method, base=f"/apis/{self._group}", version="v1", namespace="default", url=path, **named
            ) as response:
                return response.json()

        return self._run(asked())

    def version(self) -> str:
        return str(self._call("GET", "boxes")["metadata"]["resourceVersion"])

    def create(self, obj: Object) -> Object:
        async def made() -> Object:
            found = await self._box(obj, api=self._api)
            await found.create()
            return dict(found.to_dict())

        return dict(self._run(made()))

    def apply(self, obj: Object, manager: str, *, force: bool) -> Object:
        options = {"fieldManager": manager, "force": str(force).lower()}
        headers = {"Content-Type": APPLY}
        return dict(self._call("PATCH", "boxes/a", params=options, headers=headers, content=json.dumps(obj)))

    def _found(self) -> Any:
        return self._run(self._box.get("a", namespace="default", api=self._api))

    def patch(self, change: Object, part: str) -> Object:
        found = self._found()
        self._run(found.patch(change, subresource=part))
        return dict(found.to_dict())

    def watch(self, version: str) -> Iterator[str]:
        async def told() -> list[str]:
            events = []
            async for event, _ in self._api.watch(f"boxes.{self._group}", namespace="default", since=version):
                events.append(event)
                if event == "DELETED":
                    break
            return events

        yield from self._run(told())

    def delete(self) -> None:
        self._run(self._found().delete())

    def get(self) -> Object:
        return dict(self._found().to_dict())


class Pykube:
    """pykube-ng: a class for the kind; what it has no word for goes through its session."""

    def __init__(self, group: str) -> None:
        import pykube
        from pykube.objects import CustomResourceDefinition, NamespacedAPIObject

        class Box(NamespacedAPIObject):
            version, endpoint, kind = f"{group}/v1", "boxes", "Box"

        self._api, self._box, self._definition = (
            pykube.HTTPClient(pykube.KubeConfig.from_env()),
            Box,
            CustomResourceDefinition,
        )
        self._exceptions, self._missing, self._group = (
            pykube.exceptions.HTTPError,
            pykube.exceptions.ObjectDoesNotExist,
            group,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._missing as error:
            raise Refused(404) from error
        except self._exceptions as error:
            raise Refused(error.code) from error

    def define(self, definition: Object) -> None:
        self._made = self._definition(self._api, definition)
        self._made.create()

    def established(self, name: str) -> bool:
        seen = (event.object.obj.get("status", {}) for event in self._made.watch())
        return any(is_established(status.get("conditions")) for status in seen)

    def version(self) -> str:
        return str(self._box.objects(self._api, namespace="default").response["metadata"]["resourceVersion"])

    def create(self, obj: Object) -> Object:
        with self._told():
            made = self._box(self._api, obj)
            made.create()
            return dict(made.obj)

    def apply(self, obj: Object, manager: str, *, force: bool) -> Object:
        made = self._box(self._api, obj)
        options = {"fieldManager": manager, "force": str(force).lower()}
        call = made.api_kwargs(headers={"Content-Type": APPLY}, params=options, data=json.dumps(obj))
        with self._told():
            answer = self._api.patch(**call)
            self._api.raise_for_status(answer)
            return dict(answer.json())

    def patch(self, change: Object, part: str) -> Object:
        found = self._box(self._api, box(self._group, ""))
        found.patch(change, subresource=part)
        return dict(found.obj)

    def watch(self, version: str) -> Iterator[str]:
        for event in self._box.objects(self._api, namespace="default").watch(since=version):
            yield event.type

    def delete(self) -> None:
        self._box(self._api, box(self._group, "")).delete()

    def get(self) -> Object:
        with self._told():
            return dict(self._box.objects(self._api, namespace="default").get_by_name("a").obj)


LIBRARIES: dict[str, type[Library]] = {
    "kubernetes": Kubernetes,
    "kubernetes_asyncio": KubernetesAsyncio,
    "lightkube": Lightkube,
    "kr8s": Kr8s,
    "pykube": Pykube,
}

if __name__ == "__main__":
    name = sys.argv[1]
    group = f"{name.replace('_', '-')}.example.com"
    print(json.dumps(play(LIBRARIES[name](group), group)))
