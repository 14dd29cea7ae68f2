"""Which changes of a pod its security may depend on: of those that the API allows, images, added containers, and the
annotations in which seccomp profiles once were."""

from __future__ import annotations

from longboat.apiserver.admission.pod_security.baseline import SECCOMP_ANNOTATION, SECCOMP_ANNOTATIONS
from longboat.apiserver.admission.pod_security.subject import name_of
from longboat.machinery.objects import Object


def matters(new: Object, old: Object) -> bool:
    now, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    if now.get(SECCOMP_ANNOTATION, "") != before.get(SECCOMP_ANNOTATION, ""):
        return True

    def differ(container: Object, former: Object) -> bool:
        key = SECCOMP_ANNOTATIONS + name_of(container)
        images_differ = (container.get("image") or "") != (former.get("image") or "")
        return images_differ or now.get(key, "") != before.get(key, "")

    for part in ("containers", "initContainers"):
        mine, formers = new["spec"].get(part) or (), old["spec"].get(part) or ()
        if len(mine) != len(formers) or any(map(differ, mine, formers)):
            return True
    known = {name_of(c): c for c in old["spec"].get("ephemeralContainers") or ()}
    return any(
        name_of(c) not in known or differ(c, known[name_of(c)]) for c in new["spec"].get("ephemeralContainers") or ()
    )
