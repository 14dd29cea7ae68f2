"""Every control of the published Pod Security Standards, by its name there: pods that it lets in and pods that it does
not, in namespaces that enforce, warn and audit it. And the examples, where the strictest is enforced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from longboat.apiserver.admission.pod_security.figures import MINOR
from longboat.apiserver.admission.pod_security.plugin import TEMPLATES
from unit.apiserver.harness import Api, play
from unit.apiserver.pod_security.test_pod_security import LABEL, NS, annotations, namespace, told

HARDENED = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}}  # fmt: skip
BASELINE, RESTRICTED = "baseline", "restricted"


def own(**security: Any) -> Any:
    """Of the container's security context."""
    return {"containers": [{"name": "c", "image": "i", "securityContext": {**HARDENED, **security}}]}


def lacking(field: str) -> Any:
    kept = {name: value for name, value in HARDENED.items() if name != field}
    return {"containers": [{"name": "c", "image": "i", "securityContext": kept}]}


def container(**fields: Any) -> Any:
    return {"containers": [{"name": "c", "image": "i", "securityContext": HARDENED, **fields}]}


def shared(**security: Any) -> Any:
    """Of the pod's security context."""
    return {**own(), "securityContext": security}


def volume(**source: Any) -> Any:
    return {**own(), "volumes": [{"name": "v", **source}]}


def sysctl(name: str) -> Any:
    return shared(sysctls=[{"name": name, "value": "1"}])


WINDOWS: Any = {"os": {"name": "windows"}, "hostNetwork": True}
PORT = {"containerPort": 80}
HOOK: Any = {"httpGet": {"port": 80}}


class Control(NamedTuple):
    level: str
    good: list[Any]
    bad: list[Any]
    reason: str  # with which each of the bad is refused


# As the page lists them (Pod Security Standards, v1.36).
CONTROLS = {
    "HostProcess": Control(
        BASELINE, [shared(windowsOptions={"hostProcess": False})],
        [{**container(securityContext={"windowsOptions": {"hostProcess": True}}), **WINDOWS},
         {"containers": [{"name": "c", "image": "i"}], **WINDOWS,
          "securityContext": {"windowsOptions": {"hostProcess": True}}}], "hostProcess",
    ),
    "Host Namespaces": Control(
        BASELINE, [{**own(), "hostNetwork": False, "hostPID": False, "hostIPC": False}],
        [{**own(), "hostNetwork": True}, {**own(), "hostPID": True}, {**own(), "hostIPC": True}], "host namespaces",
    ),
    "Privileged Containers": Control(
        BASELINE, [own(privileged=False)],
        [container(securityContext={"privileged": True}),
         {**own(), "initContainers": [{"name": "i", "image": "i", "securityContext": {"privileged": True}}]}],
        "privileged",
    ),
    "Capabilities": Control(
        BASELINE,
        [container(securityContext={"capabilities": {"add": ["CHOWN", "KILL", "SYS_CHROOT", "AUDIT_WRITE"]}})],
        [container(securityContext={"capabilities": {"add": [name]}}) for name in ("NET_RAW", "SYS_ADMIN", "ALL")],
        "non-default capabilities",
    ),
    "HostPath Volumes": Control(
        BASELINE, [volume(emptyDir={}), volume(nfs={"server": "s", "path": "/"})],
        [volume(hostPath={"path": "/etc"})], "hostPath volumes",
    ),
    "Host Ports": Control(
        BASELINE, [container(ports=[PORT]), container(ports=[{**PORT, "hostPort": 0}])],
        [container(ports=[{**PORT, "hostPort": 80}])], "hostPort",
    ),
    "Host Probes / Lifecycle Hooks": Control(
        BASELINE, [container(livenessProbe=HOOK), container(lifecycle={"preStop": HOOK})],
        [container(**{probe: {"tcpSocket": {"host": "h", "port": 1}}})
         for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        + [container(lifecycle={hook: {"httpGet": {"host": "h", "port": 1}}}) for hook in ("postStart", "preStop")],
        "probe or lifecycle host",
    ),
    "AppArmor": Control(
        BASELINE, [own(appArmorProfile={"type": "RuntimeDefault"}),
                   shared(appArmorProfile={"type": "Localhost", "localhostProfile": "p"})],
        [own(appArmorProfile={"type": "Unconfined"}), shared(appArmorProfile={"type": "Unconfined"})],
        "forbidden AppArmor profile",
    ),
    "SELinux": Control(
        BASELINE,
        [own(seLinuxOptions={"type": name})
         for name in ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")],
        [own(seLinuxOptions={"type": "spc_t"}), shared(seLinuxOptions={"user": "u"}),
         own(seLinuxOptions={"role": "r"})],
        "seLinuxOptions",
    ),
    "/proc Mount Type": Control(
        BASELINE, [own(procMount="Default"), {**own(procMount="Unmasked"), "hostUsers": False}],
        [], "procMount",  # without a user namespace, validation refuses it first
    ),
    "Seccomp": Control(
        BASELINE, [container(securityContext={}), own(seccompProfile={"type": "Localhost", "localhostProfile": "p"})],
        [own(seccompProfile={"type": "Unconfined"}), shared(seccompProfile={"type": "Unconfined"})], "seccompProfile",
    ),
    "Sysctls": Control(
        BASELINE,
        [sysctl(name) for name in (
            "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
        )],
        [sysctl("kernel.msgmax"), sysctl("net.core.somaxconn")], "forbidden sysctls",
    ),
    "/proc Mount Type (v1.35+)": Control(
        RESTRICTED, [own(procMount="Default")], [{**own(procMount="Unmasked"), "hostUsers": False}], "procMount",
    ),
    "Volume Types": Control(
        RESTRICTED,
        [volume(**{source: value}) for source, value in {
            "configMap": {"name": "m"}, "csi": {"driver": "d.example"}, "emptyDir": {}, "secret": {"secretName": "s"},
            "downwardAPI": {"items": []}, "persistentVolumeClaim": {"claimName": "c"}, "projected": {"sources": []},
            "ephemeral": {"volumeClaimTemplate": {"spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}},
            "image": {"reference": "r"},
        }.items()],
        [volume(hostPath={"path": "/"}), volume(nfs={"server": "s", "path": "/"}),
         volume(iscsi={"targetPortal": "1.2.3.4", "iqn": "iqn.2026-01.example:a", "lun": 0})],
        "restricted volume types",
    ),
    "Privilege Escalation (v1.8+)": Control(
        RESTRICTED, [own()], [own(allowPrivilegeEscalation=True), lacking("allowPrivilegeEscalation")],
        "allowPrivilegeEscalation != false",
    ),
    "Running as Non-root": Control(
        RESTRICTED, [own(), {**lacking("runAsNonRoot"), "securityContext": {"runAsNonRoot": True}}],
        [lacking("runAsNonRoot"), own(runAsNonRoot=False)], "runAsNonRoot != true",
    ),
    "Running as Non-root user (v1.23+)": Control(
        RESTRICTED, [own(runAsUser=1), shared(runAsUser=1000)], [own(runAsUser=0), shared(runAsUser=0)], "runAsUser=0",
    ),
    "Seccomp (v1.19+)": Control(
        RESTRICTED,
        [own(), {**lacking("seccompProfile"), "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}],
        [lacking("seccompProfile"), own(seccompProfile={"type": "Unconfined"})], "seccompProfile",
    ),
    "Capabilities (v1.22+)": Control(
        RESTRICTED, [own(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})],
        [lacking("capabilities"), own(capabilities={"drop": ["CHOWN"]}),
         own(capabilities={"drop": ["ALL"], "add": ["CHOWN"]})], "unrestricted capabilities",
    ),
}  # fmt: skip


class Answer(NamedTuple):
    """To one pod where a level is enforced, where it is warned of, and where it is audited."""

    code: int
    message: str
    warnings: list[str]
    audited: str


async def asked(api: Api, level: str, spec: Any) -> Answer:
    body = {"metadata": {"generateName": "p-"}, "spec": spec}
    code, said = await api.ask("POST", f"{NS}/enforce-{level}/pods?dryRun=All", body)
    admitted, warned = await told(api, f"{NS}/warn-{level}/pods?dryRun=All", body)
    assert admitted == 201, warned
    noted = await annotations(api, f"{NS}/audit-{level}/pods?dryRun=All", body)
    return Answer(code, said.get("message", ""), warned, noted.get("audit-violations", ""))


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[list[Answer], list[Answer]]]:
    found: dict[str, tuple[list[Answer], list[Answer]]] = {}

    async def scene(api: Api) -> None:
        for level in (BASELINE, RESTRICTED):
            for mode in ("enforce", "warn", "audit"):
                await namespace(api, f"{mode}-{level}", **{mode: level})
        for name, control in CONTROLS.items():
            good = [await asked(api, control.level, spec) for spec in control.good]
            found[name] = good, [await asked(api, control.level, spec) for spec in control.bad]

    play(scene)
    return found


@pytest.mark.parametrize("name", CONTROLS)
def test_control(answers: dict[str, tuple[list[Answer], list[Answer]]], name: str) -> None:
    good, bad = answers[name]
    level, reason = CONTROLS[name].level, CONTROLS[name].reason
    for answer in good:
        assert (answer.code, answer.warnings, answer.audited) == (201, [], ""), answer
    for answer in bad:
        _, refused, why = answer.message.partition(f'is forbidden: violates PodSecurity "{level}:latest": ')
        assert answer.code == 403 and refused, answer
        assert reason in why
        would = f'would violate PodSecurity "{level}:latest": {why}'
        assert [text.replace('\\"', '"') for text in answer.warnings] == [would]
        assert answer.audited == would


def test_every_version_is_enforced_as_it_was() -> None:
    """Of each version of both levels, something that was refused in some of them."""
    wmem, probe, user = sysctl("net.ipv4.tcp_wmem"), CONTROLS["Host Probes / Lifecycle Hooks"].bad[0], own(runAsUser=0)
    unmasked = {**own(procMount="Unmasked"), "hostUsers": False}

    async def scene(api: Api) -> None:
        for minor in (*range(MINOR + 1), None):
            version = "latest" if minor is None else f"v1.{minor}"
            place = f"at-{version.replace('.', '-')}"
            await namespace(api, place, enforce=BASELINE, enforce_version=version)
            now = MINOR if minor is None else minor
            for spec, refused in ((wmem, now < 32), (probe, now >= 34), (user, False), (unmasked, now < 35)):
                code, said = await api.ask(
                    "POST", f"{NS}/{place}/pods?dryRun=All", {"metadata": {"name": "p"}, "spec": spec}
                )
                assert code == (403 if refused else 201), (version, said)
                assert not refused or f'violates PodSecurity "baseline:{version}"' in said["message"]
            labels = {"metadata": {"labels": {f"{LABEL}enforce": RESTRICTED}}}
            merge = {"content_type": "application/merge-patch+json"}
            assert (await api.ask("PATCH", f"{NS}/{place}", labels, **merge))[0] == 200
            code, said = await api.ask(
                "POST", f"{NS}/{place}/pods?dryRun=All", {"metadata": {"name": "p"}, "spec": user}
            )
            assert code == (403 if now >= 23 else 201), (version, said)

    play(scene)


EXAMPLES = Path(__file__).parents[4] / "examples"
READS_THE_NODE = {"log-shipper"}  # an agent: its namespace is privileged


def manifests(folder: Path) -> Iterable[Any]:
    for file in sorted(folder.glob("*.yaml")):
        yield from filter(None, yaml.safe_load_all(file.read_text()))


def test_the_examples_run_where_the_strictest_is_enforced() -> None:
    kinds = {kind.name: (kind, path) for kind, path in TEMPLATES.items()}

    async def scene(api: Api) -> None:
        await namespace(api, "strict", enforce=RESTRICTED, warn=RESTRICTED)
        seen = 0
        for folder in sorted(EXAMPLES.iterdir()):
            for manifest in manifests(folder) if folder.is_dir() else ():
                if manifest["kind"] not in kinds:
                    continue
                kind, path = kinds[manifest["kind"]]
                code, warned = await told(api, f"{kind.path}/namespaces/strict/{kind.plural}", manifest)
                assert code == 201
                template = manifest
                for part in path:
                    template = template[part]
                spec, claimed = template["spec"], manifest["spec"].get("volumeClaimTemplates") or ()
                made = [{"name": each["metadata"]["name"], "emptyDir": {}} for each in claimed]
                spec = {**spec, "volumes": [*(spec.get("volumes") or ()), *made]}
                body = {"metadata": {"generateName": "p-", **template["metadata"]}, "spec": spec}
                code, said = await api.ask("POST", f"{NS}/strict/pods?dryRun=All", body)
                if folder.name in READS_THE_NODE:
                    assert code == 403 and warned
                else:
                    assert (code, warned) == (201, []), (folder.name, said)
                    seen += 1
        assert seen >= 8

    play(scene)
