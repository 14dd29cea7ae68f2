"""What `longboat agent` can be told, for all that a node is made of by it."""

from __future__ import annotations

from dataclasses import dataclass

from longboat.cli.flags import duration, flag
from longboat.node.eviction.defaults import DEFAULT_HARD

HARD = [f"{signal}<{value}" for signal, value in DEFAULT_HARD.items()]
KUBECONFIG = "kubelet.kubeconfig"  # in the data directory: what joining leaves
MAX_PIDS = 4096  # far above what a pod needs, far below what ends a machine (kernel.pid_max is 32,768 or more)


@dataclass(frozen=True)
class Options:
    """Run a node: the agent, and the network of Services and pods."""

    server: str = flag("", "URL of the API server of the cluster to join")
    token_file: str = flag("", "file with the token that `longboat token create` has printed there")
    kubeconfig: str = flag("", "where the API is, and who the node is there (default: what joining has left)")
    node_name: str = flag("", "name of the node (default: the host name)")
    node_ip: str = flag("", "its address, or two of different families (default: that which leads to the API)")
    data_dir: str = flag("/var/lib/longboat/node", "where its certificates are")
    container_runtime_endpoint: str = flag("", "socket of the container runtime (default: a containerd of its own)")
    root_dir: str = flag("/var/lib/kubelet", "where the files of pods are")
    cgroup_root: str = flag("/", "cgroup above those of all pods")
    node_cidr: str = flag("", "the nodes' own network, or networks (default: those which the addresses are on)")
    pod_cidr: str = flag("10.244.0.0/16", "addresses of all pods: a range, or two (IPv4,IPv6 or IPv6,IPv4)")
    service_cidr: str = flag("10.96.0.0/16", "addresses of Services, likewise")
    cluster_dns: list[str] = flag([], "addresses of the cluster's DNS (default: the tenth of the Services')")
    serve_dns: bool = flag(True, "answer names at these addresses (off where other servers do)")
    resolv_conf: str = flag("", "names the servers for names outside (default: the machine's, past a local stub)")
    cluster_domain: str = flag("cluster.local", "domain of the cluster")
    ingress_http_port: int = flag(80, "where Ingresses are served; 0 for nowhere")
    ingress_https_port: int = flag(443, "where those with a certificate are; 0 for nowhere")
    allowed_unsafe_sysctls: list[str] = flag(
        [], "kernel parameters (or net.core.*) that pods may set besides safe ones"
    )
    seccomp_default: bool | None = flag(
        None, "give containers that name no seccomp profile the runtime's (default: yes; nodes of old: as they were)"
    )
    pod_max_pids: int | None = flag(
        None, f"processes and threads of each pod; -1: no limit (default: {MAX_PIDS}; nodes of old: as they were)"
    )
    eviction_hard: list[str] = flag(
        HARD,
        f"what must be left, or pods are evicted at once; those given are all there are (default: {','.join(HARD)})",
    )
    eviction_soft: list[str] = flag(
        [], "what should be left (e.g. nodefs.available<20%): below it pods are evicted after its grace period"
    )
    eviction_soft_grace_period: list[str] = flag(
        [], "how long a soft threshold may be met (e.g. nodefs.available=1m30s)"
    )
    eviction_max_pod_grace_period: int = flag(
        0, "seconds a pod has to end at a soft threshold, at the most; negative: its own grace period"
    )
    eviction_minimum_reclaim: list[str] = flag(
        [], "how much more than the threshold has to be free until eviction stops (e.g. nodefs.available=500Mi)"
    )
    eviction_pressure_transition_period: float = flag(
        300.0, "seconds (or 5m) a pressure condition is still shown after it has gone", parse=duration
    )
    image_gc_high_threshold: int = flag(85, "percent of the images' disk in use from which on unused images go")
    image_gc_low_threshold: int = flag(80, "percent down to which they go")
    minimum_image_ttl_duration: float = flag(120.0, "seconds (or 2m) an unused image stays at least", parse=duration)
    neighbours_dir: str = flag("", "where nodes that share a machine agree on whose pods are evicted")
    port: int = flag(10250, "port the API server reaches the node at")
    simulated: int = flag(0, "play so many nodes, without containers")
    log_level: str = flag("info", "debug, info, warning or error", choices=("debug", "info", "warning", "error"))
