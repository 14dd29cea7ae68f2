"""What the workers of a node's pods work with."""

from __future__ import annotations

import msgspec

from longboat.aio.backoffs import BackOff
from longboat.aio.clock import Clock
from longboat.node.checkpoints import Checkpoints
from longboat.node.cri.interface import Runtime
from longboat.node.images import Images
from longboat.node.isolation import Isolation
from longboat.node.launch import Launcher
from longboat.node.make.config import NodeFacts
from longboat.node.observe import Observer
from longboat.node.own_node import OwnNode
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.pod_files import PodFiles
from longboat.node.recorder import Recorder
from longboat.node.resizer import Resizer
from longboat.node.sources import Sources
from longboat.node.status_writer import StatusWriter
from longboat.node.stop import Stopper
from longboat.node.volumes.manager import Volumes

STARTS = 8  # sandboxes and containers that are being started at once


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    runtime: Runtime
    runtime_name: str
    clock: Clock
    recorder: Recorder
    node: NodeFacts
    sources: Sources
    observer: Observer
    images: Images
    launcher: Launcher
    stopper: Stopper
    volumes: Volumes
    writer: StatusWriter
    checkpoints: Checkpoints
    files: PodFiles
    cgroups: PodCgroups
    own_node: OwnNode
    isolation: Isolation
    resizer: Resizer
    starts: int = STARTS
    unsafe_sysctls: tuple[str, ...] = ()  # that pods may set all the same
    backoff: BackOff = msgspec.field(default_factory=BackOff)  # of containers that end again and again
