"""projected volumes: ConfigMaps, Secrets, the downward API and ServiceAccount tokens in one directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from longboat.node.make.fields import Surroundings
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import ProjectedSource, TokenProjection, Volume
from longboat.node.volumes import config_map, downward_api, secret
from longboat.node.volumes.content import Content, ContentPlugin
from longboat.node.volumes.payload import File, Payload, checked
from longboat.node.volumes.plugin import Reference, Spec


def files(
    pod: Pod,
    source: ProjectedSource,
    config_maps: Mapping[str, ConfigMap | None],
    secrets: Mapping[str, Secret | None],
    tokens: Mapping[TokenProjection, str],
    around: Surroundings,
) -> dict[str, File]:
    """Later sources win. Raises ValueError."""
    found: dict[str, File] = {}
    mode = source.defaultMode
    for projection in source.sources:
        if c := projection.configMap:
            found |= config_map.files(config_maps.get(c.name), c.items, mode, c.optional, c.name)
        if s := projection.secret:
            found |= secret.files(secrets.get(s.name), s.items, mode, s.optional, s.name)
        if d := projection.downwardAPI:
            found |= downward_api.files(pod, d.items, mode, around)
        if t := projection.serviceAccountToken:
            found[checked(t.path)] = token_file(pod, tokens[t], mode)
    return found


def token_file(pod: Pod, token: str, mode: int) -> File:
    """A token is its reader's alone: where all containers run as one user, or share a group, nobody else reads it."""
    if pod.spec.securityContext.fsGroup is not None:
        return File(token.encode(), 0o600)
    owner = only_user(pod)
    return File(token.encode(), mode) if owner is None else File(token.encode(), 0o600, owner)


def only_user(pod: Pod) -> int | None:
    """The user every container is told to run as, if it is one and the same."""
    users = set()
    for container in pod.all_containers:
        own = container.securityContext.runAsUser if container.securityContext else None
        users.add(pod.spec.securityContext.runAsUser if own is None else own)
    return users.pop() if len(users) == 1 else None


class ProjectedPlugin(ContentPlugin):
    NAME, FIELD = "kubernetes.io/projected", "projected"
    IN_MEMORY = True

    @classmethod
    def references(cls, volume: Volume) -> Iterator[Reference]:
        for projection in volume.projected.sources if volume.projected else ():
            if projection.configMap:
                yield "configmap", projection.configMap.name
            if projection.secret:
                yield "secret", projection.secret.name
            if projection.serviceAccountToken:
                yield "token", projection.serviceAccountToken

    def files(self, spec: Spec, found: Content) -> Payload:
        return files(spec.pod, self.source(spec), found.config_maps, found.secrets, found.tokens, spec.around)
