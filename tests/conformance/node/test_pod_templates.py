"""PodTemplate (sig-node)."""

from __future__ import annotations

from conformance.node.crud import names
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

BODY = {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}}


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: PodTemplate lifecycle"""
    templates = Verbs(cluster, "podtemplate")
    await templates.create("template", BODY, labels={"podtemplate-static": "true"})
    await templates.create("bystander", BODY)
    patched = await templates.label("template", podtemplate="patched")
    assert labels_of(patched) == {"podtemplate-static": "true", "podtemplate": "patched"}
    assert await templates.read("template") == patched
    (found,) = await templates.list("podtemplate-static=true", everywhere=True)
    assert labels_of(found)["podtemplate"] == "patched"
    assert names(await templates.list("podtemplate-static=true,podtemplate=patched")) == ["template"]
    await templates.delete("template")
    assert await templates.is_gone("template")
    assert await templates.list("podtemplate-static=true", everywhere=True) == []
    assert names(await templates.list()) == ["bystander"]


@inside
async def test_collections(cluster: Cluster) -> None:
    """Conformance: PodTemplate, delete a collection"""
    templates = Verbs(cluster, "podtemplate")
    for name in ("one", "two", "three"):
        await templates.create(name, BODY, labels={"podtemplate-set": "true"})
    await templates.create("another", BODY)
    assert names(await templates.list("podtemplate-set=true")) == ["one", "three", "two"]
    await templates.delete_collection("podtemplate-set=true")
    assert await templates.list("podtemplate-set=true") == []
    assert names(await templates.list()) == ["another"]


@inside
async def test_replacement(cluster: Cluster) -> None:
    """Conformance: PodTemplate, replace"""
    templates = Verbs(cluster, "podtemplate")
    created = await templates.create("template", BODY)

    def annotate(obj: Object) -> None:
        obj["metadata"]["annotations"] = {"updated": "true"}

    replaced = await templates.update("template", annotate)
    assert replaced["metadata"]["annotations"] == {"updated": "true"}
    assert await templates.read("template") == replaced
    assert replaced["template"] == created["template"]
    assert replaced["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
