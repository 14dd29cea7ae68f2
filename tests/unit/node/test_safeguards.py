"""What a node does with guards that it does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as pb

from longboat.machinery.objects import Object
from longboat.node import safeguards
from longboat.node.cri import messages
from longboat.node.cri.config import Labels, Seccomp, Security
from longboat.node.cri.interface import Features, Image
from longboat.node.make import security
from longboat.node.safeguards import EVERYTHING, Safeguards
from longboat.node.volumes import mounts
from unit.node.build import changed, container, pod
from unit.node.test_pod_workers import Simulated, on_a_node

NOTHING = Safeguards()
LOCAL = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "narrow"}}
FREE = {"appArmorProfile": {"type": "Unconfined"}}
NOTE = "container.apparmor.security.beta.kubernetes.io/c"


def profiled(pod_level: Object, own: Object, note: str = "") -> Any:
    annotations = {NOTE: note} if note else {}
    return pod(
        "p", container("c", securityContext=own), securityContext=pod_level, metadata={"annotations": annotations}
    )


@pytest.mark.parametrize(
    ("pod_level", "own", "note", "profile"),
    [
        ({}, {}, "", ""),
        (LOCAL, {}, "", "localhost/narrow"),
        (LOCAL, FREE, "", "unconfined"),
        (FREE, LOCAL, "", "localhost/narrow"),
        (FREE, {}, "localhost/noted", "localhost/noted"),
        ({}, FREE, "localhost/noted", "unconfined"),
        ({}, {}, "runtime/default", "runtime/default"),
        ({}, {}, "nonsense", ""),
        (LOCAL, {"privileged": True}, "", ""),
    ],
)
def test_the_nearest_profile_holds(pod_level: Object, own: Object, note: str, profile: str) -> None:
    given = profiled(pod_level, own, note)
    made = security.for_container(given, given.spec.containers[0], Image(id="i"), Path("/s"), can=EVERYTHING)
    assert made.apparmor == profile


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, None),
        ({"os": {"name": "linux"}}, None),
        ({"os": {"name": "windows"}}, "PodOSNotSupported"),
        ({"securityContext": {"supplementalGroupsPolicy": "Merge"}}, None),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "SupplementalGroupsPolicyNotSupported"),
        ({"securityContext": LOCAL}, "AppArmor"),
        ({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}, "AppArmor"),
        ({"securityContext": FREE}, None),
        ({"ephemeralContainers": [container("d", securityContext=LOCAL)]}, "AppArmor"),
    ],
)
def test_what_a_node_without_guards_refuses(spec: Object, reason: str | None) -> None:
    refused = safeguards.refusal(pod("p", **spec), NOTHING)
    assert (refused.reason if refused else None) == reason
    if reason != "PodOSNotSupported":
        assert safeguards.refusal(pod("p", **spec), EVERYTHING) is None


@pytest.mark.parametrize("value", [None, True])
def test_users_of_its_own_are_never_the_machines(value: bool | None) -> None:
    assert safeguards.users_problem(pod("p", hostUsers=value), NOTHING) == ""
    own = pod("p", hostUsers=False)
    assert safeguards.users_problem(own, EVERYTHING) == ""
    with pytest.raises(security.NotPermitted, match='RuntimeClass handler "vm" does not support user namespaces'):
        security.for_sandbox(own, NOTHING, "vm")
    with pytest.raises(security.NotPermitted, match="runtime does not support user namespaces"):
        security.for_container(own, own.spec.containers[0], Image(id="i"), Path("/s"), can=NOTHING)


def test_an_unmasked_proc_needs_users_of_its_own() -> None:
    unmasked = container("c", securityContext={"procMount": "Unmasked"})
    given = pod("p", unmasked, hostUsers=False)
    made = security.for_container(given, given.spec.containers[0], Image(id="i"), Path("/s"), can=EVERYTHING)
    assert (made.masked_paths, made.read_only_paths) == ((), ())
    given = pod("p", unmasked)
    with pytest.raises(security.NotPermitted, match="`hostUsers` must be false to use `Unmasked`"):
        security.for_container(given, given.spec.containers[0], Image(id="i"), Path("/s"), can=EVERYTHING)


@pytest.mark.parametrize(
    ("pod_level", "own", "kind"),
    [
        ({}, {}, "RuntimeDefault"),
        ({"seccompProfile": {"type": "Unconfined"}}, {}, "Unconfined"),
        ({}, {"seccompProfile": {"type": "Unconfined"}}, "Unconfined"),
        ({}, {"privileged": True}, "Unconfined"),
    ],
)
def test_who_names_no_seccomp_profile_gets_the_nodes_default(pod_level: Object, own: Object, kind: str) -> None:
    given = pod("p", container("c", securityContext=own), securityContext=pod_level)
    made = security.for_container(
        given, given.spec.containers[0], Image(id="i"), Path("/s"), can=NOTHING,
        default_seccomp=Seccomp(kind="RuntimeDefault"),
    )  # fmt: skip
    assert made.seccomp is not None and made.seccomp.kind == kind


def test_what_is_asked_for_reaches_the_runtime() -> None:
    labels = {"seLinuxOptions": {"user": "u", "role": "r", "type": "t", "level": "s0:c1"}}
    given = pod("p", container("c", securityContext=labels), securityContext={"supplementalGroupsPolicy": "Strict"})
    made = security.for_container(given, given.spec.containers[0], Image(id="i"), Path("/s"), can=EVERYTHING)
    assert (made.strict_groups, made.selinux) == (True, Labels(user="u", role="r", type="t", level="s0:c1"))
    sent = messages._security(made)
    assert sent.supplemental_groups_policy == pb.SupplementalGroupsPolicy.Strict
    assert (sent.selinux_options.type, sent.selinux_options.level) == ("t", "s0:c1")
    assert not messages._security(Security()).HasField("selinux_options")


def test_what_a_runtime_says_of_itself() -> None:
    can = pb.RuntimeHandlerFeatures(recursive_read_only_mounts=True)
    answer = pb.StatusResponse(
        runtime_handlers=[pb.RuntimeHandler(name="", features=can), pb.RuntimeHandler(name="vm")],
        features=pb.RuntimeFeatures(supplemental_groups_policy=True),
        info={"config": '{"enableSelinux": false, "other": 1}'},
    )
    known = Features(supplemental_groups_policy=True, recursive_read_only=frozenset({""}), selinux=False)
    assert messages.features(answer) == known
    assert messages.features(pb.StatusResponse()) == Features(selinux=True)
    assert messages.features(pb.StatusResponse(info={"config": "["})) == Features(selinux=True)


@pytest.mark.parametrize(
    ("asked", "can", "throughout"),
    [("", True, False), ("Disabled", True, False), ("IfPossible", True, True), ("IfPossible", False, False),
     ("Enabled", True, True), ("Enabled", False, None)],
)  # fmt: skip
def test_mounts_read_only_throughout(tmp_path: Path, asked: str, can: bool, throughout: bool | None) -> None:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": asked}
    given = pod("p", container("c", volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])
    ask = lambda: mounts.mounts(  # noqa: E731
        given,
        given.spec.containers[0],
        {"v": tmp_path},
        {},
        recursive=can,
    )
    if throughout is None:
        with pytest.raises(mounts.StartFailure, match='volume "v" requested recursive read-only mode'):
            ask()
    else:
        assert [made.recursive_read_only for made in ask()] == [throughout]


@on_a_node
async def test_what_has_no_effect_is_told_once_and_of_whom(node: Simulated) -> None:
    given = pod("p", securityContext={"seLinuxOptions": {"level": "s0"}, "windowsOptions": {"runAsUserName": "x"}})
    await node.run(given)
    assert node.statuses.phase() == "Running"
    node.workers.update(changed(given, labels={"a": "b"}))
    await node.clock.advance(1)
    told = [reason for reason in node.told.reasons if reason in ("SELinuxNotEnabled", "WindowsOptionsIgnored")]
    assert told == ["SELinuxNotEnabled", "WindowsOptionsIgnored"]
