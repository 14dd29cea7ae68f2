"""Every exposition of ours, held against upstream's names, types, labels and levels of stability."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from longboat.aio.clock import VirtualClock
from longboat.aio.http.message import Headers
from longboat.aio.parts import Parts
from longboat.api import kinds
from longboat.assembly.node import kept as node_kept
from longboat.machinery.exposition import CONTENT_TYPE, text
from longboat.network.dns.metrics import Counts
from longboat.node import labels
from longboat.node.cri.config import Resources
from longboat.node.cri.interface import ContainerStatus, RuntimeFailure, Usage
from longboat.node.serve import cadvisor, metrics
from longboat.node.serve.cadvisor import Place
from longboat.node.serve.http import Answer, Caller, HttpError, Request
from longboat.node.serve.port import NodePort
from longboat.storage.encryption.live import RELOADS
from longboat.testing.cluster import Cluster
from unit.apiserver.harness import api_server
from unit.node.build import container, pod
from unit.node.test_pod_workers import Simulated, simulated

REQUEST = "component dry_run group resource scope subresource verb version"
BUILD = "build_date compiler git_commit git_tree_state git_version go_version major minor platform"
# Of the reference "Kubernetes Metrics" (v1.36): type, level of stability, labels. "" is the level of what is not
# Kubernetes' own, but every Go program's.
UPSTREAM = {
    "apiserver_request": ("counter", "STABLE", f"code {REQUEST}"),
    "apiserver_request_duration_seconds": ("histogram", "STABLE", REQUEST),
    "apiserver_audit_event": ("counter", "ALPHA", ""),
    "apiserver_audit_level": ("counter", "ALPHA", "level"),
    "apiserver_audit_requests_rejected": ("counter", "ALPHA", ""),
    "apiserver_audit_error": ("counter", "ALPHA", "plugin"),
    "apiserver_encryption_config_controller_automatic_reloads": ("counter", "ALPHA", "apiserver_id_hash status"),
    "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds": (
        "gauge", "ALPHA", "apiserver_id_hash status",
    ),
    "apiserver_encryption_config_controller_last_config_info": ("gauge", "ALPHA", "apiserver_id_hash hash"),
    "serviceaccount_invalid_legacy_auto_token_uses": ("counter", "ALPHA", ""),
    "serviceaccount_legacy_auto_token_uses": ("counter", "ALPHA", ""),
    "serviceaccount_legacy_manual_token_uses": ("counter", "ALPHA", ""),
    "serviceaccount_legacy_tokens": ("counter", "ALPHA", ""),
    "serviceaccount_stale_tokens": ("counter", "ALPHA", ""),
    "serviceaccount_valid_tokens": ("counter", "ALPHA", ""),
    "pod_security_evaluations": (
        "counter", "ALPHA", "decision mode policy_level policy_version request_operation resource subresource",
    ),
    "apiserver_conversion_webhook_request": ("counter", "ALPHA", "failure_type result"),
    "apiserver_conversion_webhook_duration_seconds": ("histogram", "ALPHA", "failure_type result"),
    "apiserver_crd_conversion_webhook_duration_seconds": (
        "histogram", "ALPHA", "crd_name from_version succeeded to_version",
    ),
    **{
        f"apiserver_flowcontrol_{name}": (kind, level, f"flow_schema priority_level {more}".strip())
        for name, kind, level, more in (
            ("rejected_requests", "counter", "BETA", "reason"),
            ("dispatched_requests", "counter", "BETA", ""),
            ("current_inqueue_requests", "gauge", "BETA", ""),
            ("current_executing_requests", "gauge", "BETA", ""),
            ("current_executing_seats", "gauge", "BETA", ""),
            ("request_dispatch_no_accommodation", "counter", "ALPHA", ""),
            ("request_wait_duration_seconds", "histogram", "BETA", "execute"),
            ("request_execution_seconds", "histogram", "ALPHA", "type"),
            ("request_queue_length_after_enqueue", "histogram", "ALPHA", ""),
            ("work_estimated_seats", "histogram", "ALPHA", ""),
        )
    },
    **{
        f"apiserver_flowcontrol_{name}": ("gauge", level, "priority_level")
        for name, level in (
            ("nominal_limit_seats", "BETA"), ("lower_limit_seats", "ALPHA"), ("upper_limit_seats", "ALPHA"),
            ("current_limit_seats", "ALPHA"), ("demand_seats_high_watermark", "ALPHA"),
            ("demand_seats_average", "ALPHA"), ("demand_seats_stdev", "ALPHA"), ("demand_seats_smoothed", "ALPHA"),
            ("target_seats", "ALPHA"),
        )
    },
    "apiserver_admission_webhook_fail_open_count": ("counter", "ALPHA", "name type"),
    "apiserver_admission_webhook_rejection_count": (
        "counter", "ALPHA", "error_type name operation rejection_code type",
    ),
    "pod_security_exemptions": ("counter", "ALPHA", "request_operation resource subresource"),
    "pod_security_errors": ("counter", "ALPHA", "fatal request_operation resource subresource"),
    "kubernetes_build_info": ("gauge", "BETA", BUILD),
    "process_cpu_seconds": ("counter", "", ""),
    "process_max_fds": ("gauge", "", ""),
    "process_open_fds": ("gauge", "", ""),
    "process_resident_memory_bytes": ("gauge", "", ""),
    "process_start_time_seconds": ("gauge", "", ""),
    "process_virtual_memory_bytes": ("gauge", "", ""),
    "kubelet_evictions": ("counter", "ALPHA", "eviction_signal"),
    "kubelet_running_containers": ("gauge", "ALPHA", "container_state"),
    "kubelet_running_pods": ("gauge", "ALPHA", ""),
    "kubelet_working_pods": ("gauge", "ALPHA", "config lifecycle static"),
    "node_cpu_usage_seconds": ("counter", "STABLE", ""),
    "node_memory_working_set_bytes": ("gauge", "STABLE", ""),
    "node_swap_usage_bytes": ("gauge", "ALPHA", ""),
    "container_cpu_usage_seconds": ("counter", "STABLE", "container namespace pod"),
    "container_memory_working_set_bytes": ("gauge", "STABLE", "container namespace pod"),
    "container_start_time_seconds": ("gauge", "STABLE", "container namespace pod"),
    "container_swap_limit_bytes": ("gauge", "ALPHA", "container namespace pod"),
    "container_swap_usage_bytes": ("gauge", "ALPHA", "container namespace pod"),
    "pod_cpu_usage_seconds": ("counter", "STABLE", "namespace pod"),
    "pod_memory_working_set_bytes": ("gauge", "STABLE", "namespace pod"),
    "pod_swap_usage_bytes": ("gauge", "ALPHA", "namespace pod"),
    "resource_scrape_error": ("gauge", "STABLE", ""),
    "prober_probe": ("counter", "BETA", "container namespace pod pod_uid probe_type result"),
    "apiserver_longrunning_requests": ("gauge", "STABLE", "component group resource scope subresource verb version"),
    "apiserver_storage_objects": ("gauge", "STABLE", "resource"),
    "apiserver_storage_size_bytes": ("gauge", "STABLE", "storage_cluster_id"),
    "apiserver_resource_objects": ("gauge", "ALPHA", "group resource"),
    "apiserver_cache_list": ("counter", "ALPHA", "group index resource"),
    "apiserver_cache_list_fetched_objects": ("counter", "ALPHA", "group index resource"),
    "apiserver_cache_list_returned_objects": ("counter", "ALPHA", "group resource"),
    "apiserver_init_events": ("counter", "ALPHA", "group resource"),
    "apiserver_storage_events_received": ("counter", "ALPHA", "group resource"),
    "apiserver_terminated_watchers": ("counter", "ALPHA", "group resource"),
    "apiserver_watch_cache_events_dispatched": ("counter", "ALPHA", "group resource"),
    "apiserver_watch_cache_events_received": ("counter", "ALPHA", "group resource"),
    "apiserver_watch_cache_initializations": ("counter", "ALPHA", "group resource"),
    "apiserver_watch_cache_read_wait_seconds": ("histogram", "ALPHA", "group resource"),
    "apiserver_watch_cache_resource_version": ("gauge", "ALPHA", "group resource"),
    "apiserver_watch_events": ("counter", "ALPHA", "group resource version"),
    "apiserver_watch_events_sizes": ("histogram", "ALPHA", "group resource version"),
    "watch_cache_capacity": ("gauge", "ALPHA", "group resource"),
    "etcd_request_duration_seconds": ("histogram", "ALPHA", "group operation resource"),
    "etcd_requests": ("counter", "ALPHA", "group operation resource"),
    "etcd_request_errors": ("counter", "ALPHA", "group operation resource"),
    "informer_queued_items": ("gauge", "ALPHA", "group name resource version"),
    "informer_processing_latency_seconds": ("histogram", "ALPHA", "group name resource version"),
    "informer_store_resource_version": ("gauge", "ALPHA", "group name resource version"),  # component-base v0.36
    "workqueue_adds": ("counter", "BETA", "name"),
    "workqueue_depth": ("gauge", "BETA", "name"),
    "workqueue_longest_running_processor_seconds": ("gauge", "BETA", "name"),
    "workqueue_queue_duration_seconds": ("histogram", "BETA", "name"),
    "workqueue_retries": ("counter", "BETA", "name"),
    "workqueue_unfinished_work_seconds": ("gauge", "BETA", "name"),
    "workqueue_work_duration_seconds": ("histogram", "BETA", "name"),
    "scheduler_cache_size": ("gauge", "ALPHA", "type"),
    "scheduler_framework_extension_point_duration_seconds": ("histogram", "STABLE", "extension_point profile status"),
    "scheduler_pending_pods": ("gauge", "STABLE", "queue"),
    "scheduler_pod_scheduling_attempts": ("histogram", "STABLE", ""),
    "scheduler_pod_scheduling_sli_duration_seconds": ("histogram", "BETA", "attempts"),
    "scheduler_preemption_attempts": ("counter", "STABLE", ""),
    "scheduler_preemption_victims": ("histogram", "STABLE", ""),
    "scheduler_queue_incoming_pods": ("counter", "STABLE", "event queue"),
    "scheduler_schedule_attempts": ("counter", "STABLE", "profile result"),
    "scheduler_scheduling_algorithm_duration_seconds": ("histogram", "ALPHA", ""),
    "scheduler_scheduling_attempt_duration_seconds": ("histogram", "STABLE", "profile result"),
    "scheduler_unschedulable_pods": ("gauge", "ALPHA", "plugin profile"),
}  # fmt: skip
# Of the kubelet's /metrics/cadvisor, where some names are those of others elsewhere.
OF_CONTAINER = "container id image name namespace pod"
CADVISOR = {
    "container_cpu_usage_seconds": ("counter", "", f"cpu {OF_CONTAINER}"),
    "container_last_seen": ("gauge", "", OF_CONTAINER),
    "container_memory_working_set_bytes": ("gauge", "", OF_CONTAINER),
    "container_spec_cpu_period": ("gauge", "", OF_CONTAINER),
    "container_spec_cpu_quota": ("gauge", "", OF_CONTAINER),
    "container_spec_cpu_shares": ("gauge", "", OF_CONTAINER),
    "container_spec_memory_limit_bytes": ("gauge", "", OF_CONTAINER),
    "container_start_time_seconds": ("gauge", "", OF_CONTAINER),
    "machine_cpu_cores": ("gauge", "", ""),
    "machine_memory_bytes": ("gauge", "", ""),
}
# Of CoreDNS, its pages on the plugins metrics, cache and forward.
COREDNS = {
    "coredns_dns_requests": ("counter", "", "family proto server type view zone"),
    "coredns_dns_responses": ("counter", "", "plugin rcode server view zone"),
    "coredns_dns_request_duration_seconds": ("histogram", "", "server view zone"),
    "coredns_cache_requests": ("counter", "", "server view zones"),
    "coredns_cache_hits": ("counter", "", "server type view zones"),
    "coredns_cache_misses": ("counter", "", "server view zones"),
    "coredns_cache_entries": ("gauge", "", "server type view zones"),
    "coredns_proxy_request_duration_seconds": ("histogram", "", "proxy_name rcode to"),
    "coredns_forward_max_concurrent_rejects": ("counter", "", ""),
}
OWN = ("longboat_", "python_")
# At /metrics/resource:
TIMED = ("container_cpu", "container_memory", "container_swap", "node_", "pod_cpu", "pod_memory", "pod_swap")


def read(said: str | bytes) -> dict[str, Metric]:
    """By name, without the _total of counters. A scraper takes each of them once, and each label set of it once."""
    said = said if isinstance(said, str) else said.decode()
    found = list(text_string_to_metric_families(said))
    by_name = {family.name: family for family in found}
    assert len(by_name) == len(found)
    for family in found:
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(set(series)) == len(series), family.name
    return by_name


def compare(found: dict[str, Metric], upstream: dict[str, tuple[str, str, str]] = UPSTREAM) -> None:
    for name, family in found.items():
        if name.startswith(OWN):
            assert family.documentation, name
            continue
        kind, level, expected = upstream[name]
        assert family.type == kind, name
        assert family.documentation.startswith(f"[{level}] " if level else ""), name
        if not family.samples:
            continue
        had = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert had == set(expected.split()), name
        if kind == "counter":
            assert {sample.name for sample in family.samples} == {f"{name}_total"}


def usage(id: str = "1", at: float = 1.5e9, name: str = "c", of: str = "web", **more: Any) -> Usage:
    told = {labels.POD_NAME: of, labels.POD_NAMESPACE: "shop", labels.POD_UID: "u"}
    return Usage(id=id, name=name, labels=told, cpu=more.pop("cpu", 0), memory=5, disk=0, at=at, **more)


def resources(usages: Iterable[Usage] | None, since: dict[str, float] | None = None) -> dict[str, Metric]:
    return read(metrics.resources(usages, since or {}, 1.6e9))


def values(family: Metric) -> dict[str, tuple[float, float | None]]:
    """By container, or by pod, or "": value and time."""
    return {
        s.labels.get("container") or s.labels.get("pod") or "": (s.value, float(s.timestamp) if s.timestamp else None)
        for s in family.samples
    }


def test_the_resources_of_containers_and_pods() -> None:
    found = resources(
        [
            usage(cpu=1_036_800_123_456_789, swap=7, swap_left=3, at=1_500_000_000.25),
            usage("2", name="side", cpu=1_000_000_000, at=1_500_000_001.5),
        ],
        {"1": 1_499_999_999.125},
    )
    compare(found)
    assert found.keys() == {name for name in UPSTREAM if name.startswith((*TIMED, "container_", "resource_"))}
    assert values(found["container_cpu_usage_seconds"]) == {
        "c": (1_036_800.123456789, 1_500_000_000.25), "side": (1.0, 1_500_000_001.5),
    }  # fmt: skip
    assert values(found["pod_cpu_usage_seconds"]) == {"web": (1_036_801.123456789, 1_500_000_001.5)}
    assert values(found["container_start_time_seconds"]) == {"c": (1_499_999_999.125, None)}
    assert values(found["container_swap_limit_bytes"]) == {"c": (10, 1_500_000_000.25)}
    assert values(found["pod_swap_usage_bytes"]) == {"web": (7, 1_500_000_001.5)}
    assert values(found["resource_scrape_error"]) == {"": (0, None)}
    for name, family in found.items():
        timed = name.startswith(TIMED)
        assert all((sample.timestamp is not None) == timed for sample in family.samples), name


def test_a_runtime_that_says_nothing_is_an_error_that_can_be_seen() -> None:
    found = resources(None)
    assert found.keys() == {"resource_scrape_error"}
    assert values(found["resource_scrape_error"]) == {"": (1, None)}


def test_of_two_containers_of_a_name_the_newer_counts() -> None:
    """A scraper would throw both away."""
    for usages in ([usage("1", cpu=1), usage("2", cpu=2)], [usage("2", cpu=2), usage("1", cpu=1)]):
        found = resources(usages, {"1": 10.0, "2": 20.0})
        assert values(found["container_start_time_seconds"])["c"][0] == 20
        assert values(found["pod_cpu_usage_seconds"])["web"][0] == 2e-9


def test_odd_names_are_read_as_they_are() -> None:
    odd = 'a"b\\n\nc'
    (sample,) = resources([usage(name=odd)])["container_memory_working_set_bytes"].samples
    assert sample.labels == {"container": odd, "namespace": "shop", "pod": "web"}


def test_what_dashboards_ask_of_containers() -> None:
    def status(id: str, **limits: Any) -> ContainerStatus:
        resources = Resources(cpu_shares=2, **limits) if limits else None
        return ContainerStatus(
            id=id, name="c", attempt=0, state="running", created=1.0, started=2.0, image="app:1", resources=resources
        )

    web, idle = pod("web", metadata={"uid": "u1"}), pod("idle", metadata={"uid": "u2"})
    places = {
        "1": Place(web, status("1", cpu_quota=10000, cpu_period=100000, memory_limit=1 << 20)),
        "2": Place(idle, status("2", memory_limit=0)), "3": Place(idle, status("3")),
    }  # fmt: skip
    usages = [usage(id, cpu=5_000_000_000) for id in ("1", "2", "3", "nobody's")]
    found = read(cadvisor.containers(usages, places, "/x", 1.6e9))
    compare(found, CADVISOR)
    assert found.keys() == CADVISOR.keys()
    cpu = {s.labels["id"]: s for s in found["container_cpu_usage_seconds"].samples}
    assert cpu.keys() == {"/", *(f"/x/kubepods/besteffort/podu{p}/{id}" for p, id in ((1, "1"), (2, "2"), (2, "3")))}
    assert cpu["/x/kubepods/besteffort/podu1/1"].labels | {"id": "", "cpu": ""} == {
        "container": "c", "cpu": "", "id": "", "image": "app:1", "name": "1", "namespace": "default", "pod": "web",
    }  # fmt: skip
    assert cpu["/x/kubepods/besteffort/podu1/1"].value == 5
    limits = {s.labels["name"]: s.value for s in found["container_spec_memory_limit_bytes"].samples}
    assert limits == {"1": 1 << 20, "2": 0}, "0 is none; what is not known is not told"
    assert {s.labels["name"]: s.value for s in found["container_spec_cpu_quota"].samples} == {"1": 10000}


def test_the_nodes_port(tmp_path: Path) -> None:
    async def main() -> None:
        async with simulated(tmp_path) as node:
            probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1}
            await node.run(pod("web", container("c", readinessProbe=probe, livenessProbe=probe)), 3.5)
            await node.run(pod("done", container("c", "sleep", "1"), restartPolicy="Never"), 3)
            port = at(node)
            node.workers.evictions["memory.available"] += 1
            own = read(await said(port, "/metrics"))
            compare(own)
            assert own["kubelet_evictions"].samples[0].labels == {"eviction_signal": "memory.available"}
            assert own["kubelet_running_pods"].samples[0].value == 1
            assert {s.labels["container_state"]: s.value for s in own["kubelet_running_containers"].samples} == {
                "running": 1, "exited": 1,
            }  # fmt: skip
            built = own["kubernetes_build_info"].samples[0].labels
            assert (built["major"], built["minor"], built["git_version"]) == ("1", "36", "v1.36.0")
            probes = read(await said(port, "/metrics/probes"))
            compare(probes)
            counted = {(s.labels["probe_type"], s.labels["result"]): s.value for s in probes["prober_probe"].samples}
            assert counted.keys() == {("Readiness", "successful"), ("Liveness", "successful")}
            assert min(counted.values()) > 3
            used = read(await said(port, "/metrics/resource"))
            compare(used)
            began = values(used["container_start_time_seconds"])["c"][0]
            assert 0 < node.clock.now().timestamp() - began < 10
            asking = asyncio.create_task(port(request("/stats/summary")))  # which looks twice, for the rates
            while not asking.done():
                await node.clock.advance(1)
                await asyncio.sleep(0.001)  # a thread reads the machine's figures
            of_containers = read(await said(port, "/metrics/cadvisor"))
            compare(of_containers, CADVISOR)
            (seen,) = of_containers["container_last_seen"].samples
            assert (seen.labels["pod"], seen.labels["container"]) == ("web", "c")
            summary = msgspec.json.decode(asking.result().body)
            assert summary["pods"][0]["containers"][0]["startTime"]

            async def fails(uid: str = "") -> list[Usage]:
                raise RuntimeFailure("no")

            node.runtime.usage = fails
            assert values(read(await said(port, "/metrics/resource"))["resource_scrape_error"]) == {"": (1, None)}
            for path in ("/stats/summary", "/metrics/cadvisor"):
                with pytest.raises(HttpError, match="containers use: no") as refused:
                    await port(request(path))
                assert refused.value.status == 500

    asyncio.run(main())


def test_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RELOADS.total, "success", 1)
    monkeypatch.setitem(RELOADS.last, "success", 1.5e9)
    monkeypatch.setattr(RELOADS, "digest", "sha256:1")

    async def main() -> None:
        async with asyncio.timeout(60), api_server() as api:
            at = "/api/v1/namespaces/default/configmaps"
            await api.ask("POST", f"{at}?dryRun=All", {"metadata": {"name": "a"}})
            await api.ask("POST", f"{at}?dryRun=some", {"metadata": {"name": "a"}})
            response = await api.response("GET", "/metrics", accept="application/openmetrics-text; version=1.0.0")
            assert response.content_type == CONTENT_TYPE, "as upstream, which has no other text"
            found = read(response.whole())
            compare(found)
            of_maps = [s.labels for s in found["apiserver_request"].samples if s.labels["resource"] == "configmaps"]
            assert {(each["dry_run"], each["code"]) for each in of_maps} >= {("All", "201"), ("invalid", "422")}
            assert {each["component"] for each in of_maps} == {"apiserver"}

    asyncio.run(main())


def test_the_control_plane() -> None:
    """The API server's caches and storage, the controllers and the scheduler, as one who scrapes reads them."""

    def pod_(name: str, **spec: Any) -> dict[str, Any]:
        found = {"containers": [{"name": "c", "image": "app:1"}], "tolerations": [{"operator": "Exists"}], **spec}
        return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": found}

    def one(found: dict[str, Metric], family: str, suffix: str = "", **labels: str) -> float:
        (value,) = (
            sample.value for sample in found[family].samples
            if sample.name.endswith(suffix or family) and labels.items() <= sample.labels.items()
        )  # fmt: skip
        return value

    async def main() -> None:
        async with Cluster() as cluster:
            node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}}
            await cluster.apply(node)
            room = {"capacity": {"pods": "9"}, "allocatable": {"pods": "9"}}
            await cluster.patch("node/n", {"status": room}, subresource="status")
            await cluster.apply(
                pod_("ready"), pod_("refused", nodeSelector={"no": "where"}),
                pod_("gated", schedulingGates=[{"name": "wait"}]),
            )  # fmt: skip
            await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "going"}})
            await cluster.clock.advance(30)
            await cluster.list("pod")
            await cluster.list("pod", labels="a=b")
            watch = cluster.client.watch(kinds.POD, "0")
            first = await anext(watch)
            found = read(await cluster.client.get_path("/metrics"))
            await watch.aclose()  # type: ignore[attr-defined]
        assert first.type == "ADDED"
        compare(found)
        for name in UPSTREAM:
            if name.startswith(("workqueue", "informer", "scheduler", "etcd", "watch_cache", "apiserver_cache_list")):
                assert found[name].samples, name

        queue = {"name": "root_ca_cert_publisher"}
        added = one(found, "workqueue_adds", "_total", **queue)
        assert added >= 5, "a key for each namespace"
        assert one(found, "workqueue_work_duration_seconds", "_count", **queue) == added
        assert one(found, "workqueue_queue_duration_seconds", "_bucket", le="+Inf", **queue) == added
        assert one(found, "workqueue_depth", **queue) == 0

        assert {s.labels["queue"]: s.value for s in found["scheduler_pending_pods"].samples} == {
            "active": 0, "backoff": 0, "unschedulable": 1, "gated": 1,
        }  # fmt: skip
        attempts = {s.labels["result"]: s.value for s in found["scheduler_schedule_attempts"].samples}
        assert attempts["scheduled"] == 1 and attempts["unschedulable"] >= 1 and attempts["error"] == 0
        assert one(found, "scheduler_pod_scheduling_attempts", "_count") == 1
        refusing = {s.labels["plugin"]: s.value for s in found["scheduler_unschedulable_pods"].samples}
        assert refusing.get("NodeAffinity") == 1
        assert {s.labels["type"]: s.value for s in found["scheduler_cache_size"].samples} == {
            "nodes": 1, "pods": 1, "assumed_pods": 0,
        }  # fmt: skip

        pods = {"resource": "pods"}
        assert one(found, "apiserver_resource_objects", **pods) == one(found, "apiserver_storage_objects", **pods) == 3
        received = one(found, "apiserver_watch_cache_events_received", "_total", **pods)
        assert received >= 5 and one(found, "apiserver_watch_cache_events_dispatched", "_total", **pods) == received
        assert one(found, "apiserver_watch_events", "_total", version="v1", **pods) >= 2 * received, "to two identities"
        assert one(found, "etcd_requests", "_total", operation="create", **pods) == 3
        assert one(found, "etcd_request_duration_seconds", "_count", operation="create", **pods) == 3
        assert one(found, "apiserver_cache_list_returned_objects", "_total", **pods) >= 3
        assert any(s.labels.get("index") == "labels" for s in found["apiserver_cache_list"].samples)

        # One list and one watch for each resource and identity (decision 0200); a few more where there are selectors.
        streams = {(s.labels["name"], s.labels["resource"]): s.value for s in found["longboat_reflectors"].samples}
        assert streams["kube-controller-manager", "pods"] == streams["kube-scheduler", "pods"] == 1
        assert max(streams.values()) <= 3
        listening = {
            (s.labels["name"], s.labels["resource"]): s.value for s in found["longboat_reflector_listeners"].samples
        }  # fmt: skip
        assert listening["kube-controller-manager", "pods"] >= 7
        running = sum(s.value for s in found["apiserver_longrunning_requests"].samples if s.labels["verb"] == "WATCH")
        assert sum(streams.values()) < running <= sum(streams.values()) + 5, "the API server watches, too, and we do"

    asyncio.run(main())


def test_the_other_parts_of_a_node() -> None:
    counts = Counts()
    counts.cell(1, 0, "kubernetes").made += 3
    counts.answered("192.0.2.1:53", 0, 0.1)
    parts = Parts("node n", VirtualClock(), lambda part, error: None)
    parts.restarts["dns"] = 0
    found = read(text(counts.families([0])) + node_kept.metrics(parts))
    compare(found, COREDNS)
    assert found.keys() == {*COREDNS, "longboat_part_restarts"}


class Anybody:
    async def check(self, request: Request) -> None: ...


def at(node: Simulated) -> NodePort:
    authorizer: Any = Anybody()
    return NodePort(
        "n", node.runtime, node.workers, node.clock, authorizer,
        logs=Path("/"), root=Path("/"), version="v1.36.0", controllers=None,  # type: ignore[arg-type]
    )  # fmt: skip


def request(path: str) -> Request:
    return Request(method="GET", path=path, query={}, headers=Headers(), caller=Caller("x"))


async def said(port: NodePort, path: str) -> str:
    answer: Answer = await port(request(path))
    assert answer.content_type == CONTENT_TYPE
    return answer.body.decode()
