"""gitRepo volumes: known, and refused. It ran git as root on what users name (CVE-2024-10220)."""

from __future__ import annotations

from longboat.node.errors import VolumeError
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin


class GitRepoPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/git-repo", "gitRepo"

    async def new_mounter(self, spec: Spec) -> SetUp:
        raise VolumeError(spec.name, "git-repo volume plugin has been disabled")
