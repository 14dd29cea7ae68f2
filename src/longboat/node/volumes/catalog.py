"""Every type of volume, one line each. Claims are none: behind them stands a PersistentVolume of one of these types."""

from __future__ import annotations

from longboat.node.make.fields import Surroundings
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import Volume
from longboat.node.volumes.config_map import ConfigMapPlugin
from longboat.node.volumes.csi import CSIPlugin
from longboat.node.volumes.downward_api import DownwardAPIPlugin
from longboat.node.volumes.empty_dir import EmptyDirPlugin
from longboat.node.volumes.git_repo import GitRepoPlugin
from longboat.node.volumes.host_path import HostPathPlugin
from longboat.node.volumes.image_plugin import ImagePlugin
from longboat.node.volumes.local import LocalPlugin
from longboat.node.volumes.nfs import NFSPlugin
from longboat.node.volumes.plugin import Spec, VolumePlugin
from longboat.node.volumes.projected import ProjectedPlugin
from longboat.node.volumes.secret import SecretPlugin

PLUGINS: tuple[type[VolumePlugin], ...] = (
    EmptyDirPlugin,
    HostPathPlugin,
    ConfigMapPlugin,
    SecretPlugin,
    DownwardAPIPlugin,
    ProjectedPlugin,
    ImagePlugin,
    NFSPlugin,
    CSIPlugin,
    LocalPlugin,
    GitRepoPlugin,
)
"""A pod's are torn down in this order."""


def of(pod: Pod, volume: Volume) -> type[VolumePlugin] | None:
    """The type of a pod's volume; None for a claim, and for what is of no type."""
    spec = Spec(pod=pod, volume=volume, around=Surroundings())
    return next((plugin for plugin in PLUGINS if plugin.can_support(spec)), None)
