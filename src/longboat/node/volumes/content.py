"""What volumes that consist of files are made of: which objects, and which files come of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from longboat.client.interface import Key
from longboat.node.errors import VolumeError
from longboat.node.followed import Subject
from longboat.node.make.fields import Surroundings
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import TokenProjection, Volume
from longboat.node.volumes import config_map, downward_api, payload, projected, secret


class Content(msgspec.Struct, frozen=True):
    """What volumes of one pod are filled with, fetched before a thread writes it."""

    config_maps: dict[str, ConfigMap | None] = {}
    secrets: dict[str, Secret | None] = {}
    tokens: dict[TokenProjection, str] = {}


def references(volume: Volume) -> Iterator[tuple[str, str | TokenProjection]]:
    """What has to be fetched for a volume."""
    if volume.configMap:
        yield "configmap", volume.configMap.name
    if volume.secret:
        yield "secret", volume.secret.secretName
    for projection in volume.projected.sources if volume.projected else ():
        if projection.configMap:
            yield "configmap", projection.configMap.name
        if projection.secret:
            yield "secret", projection.secret.name
        if projection.serviceAccountToken:
            yield "token", projection.serviceAccountToken


def subjects(pod: Pod) -> Iterator[Subject]:
    """What has to be followed for the volumes to stay current."""
    for volume in pod.spec.volumes:
        for kind, wanted in references(volume):
            if isinstance(wanted, str):
                yield Subject(ConfigMap if kind == "configmap" else Secret, Key(pod.metadata.namespace, wanted))


def files(pod: Pod, volume: Volume, found: Content, around: Surroundings) -> payload.Payload | None:
    """The files of a volume that consists of some; None for one that does not. Raises VolumeError."""
    make = _maker(pod, volume, found, around)
    if make is None:
        return None
    try:
        return make()
    except ValueError as error:
        raise VolumeError(volume.name, str(error)) from error


def _maker(pod: Pod, volume: Volume, found: Content, around: Surroundings) -> Callable[[], payload.Payload] | None:
    if c := volume.configMap:
        return lambda: config_map.files(found.config_maps[c.name], c.items, c.defaultMode, c.optional, c.name)
    if s := volume.secret:
        return lambda: secret.files(found.secrets[s.secretName], s.items, s.defaultMode, s.optional, s.secretName)
    if d := volume.downwardAPI:
        return lambda: downward_api.files(pod, d.items, d.defaultMode, around)
    if p := volume.projected:
        return lambda: projected.files(pod, p, found.config_maps, found.secrets, found.tokens, around)
    return None
