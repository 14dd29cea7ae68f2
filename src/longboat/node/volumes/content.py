"""Volumes that consist of files the agent writes: what they have in common."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import ClassVar

import msgspec

from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.node.errors import VolumeError
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.volumes import TokenProjection
from longboat.node.volumes import empty_dir, payload
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin


class Content(msgspec.Struct, frozen=True):
    """What a volume is filled with, fetched before a thread writes it."""

    config_maps: dict[str, ConfigMap | None] = {}
    secrets: dict[str, Secret | None] = {}
    tokens: dict[TokenProjection, str] = {}


class ContentPlugin(VolumePlugin):
    """Subclass, and write `files`, and `references` where there are any."""

    WRITTEN = REQUIRES_REMOUNT = True
    IN_MEMORY: ClassVar[bool] = False  # never on disk

    def files(self, spec: Spec, found: Content) -> payload.Payload:
        """All files of the volume. Pure. Raises ValueError."""
        raise NotImplementedError(f"{type(self).__name__} has no files")

    async def new_mounter(self, spec: Spec) -> SetUp:
        found = Content()
        await asyncio.gather(*(self._fetch(spec, *reference, found) for reference in self.references(spec.volume)))
        try:
            files = self.files(spec, found)
        except ValueError as error:
            raise VolumeError(spec.name, str(error)) from error
        return lambda: asyncio.to_thread(self._write, spec, files)

    async def _fetch(self, spec: Spec, kind: str, wanted: str | TokenProjection, found: Content) -> None:
        sources, namespace = self.host.sources, spec.pod.metadata.namespace
        try:
            if isinstance(wanted, TokenProjection):
                found.tokens[wanted] = await sources.token(spec.pod, wanted)
            elif kind == "configmap":
                found.config_maps[wanted] = await sources.config_map(Key(namespace, wanted))
            else:
                found.secrets[wanted] = await sources.secret(Key(namespace, wanted))
        except (StatusError, OSError) as error:
            why = "failed to fetch token" if kind == "token" else f"failed to fetch {kind} {wanted}"
            raise VolumeError(spec.name, f"{why}: {error}") from error

    def _write(self, spec: Spec, files: payload.Payload) -> Path:
        """Blocks. Raises OSError, ValueError."""
        place = self.place(spec)
        place.mkdir(parents=True, exist_ok=True)
        if self.IN_MEMORY and not os.path.ismount(place):  # also where the machine was started anew
            empty_dir.mount_memory(place)
        if stat.S_IMODE(place.stat().st_mode) != empty_dir.MODE:
            place.chmod(empty_dir.MODE)
        payload.write(place, files, spec.pod.spec.securityContext.fsGroup)
        return place
