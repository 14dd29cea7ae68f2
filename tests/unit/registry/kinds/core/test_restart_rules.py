"""Restart policies and rules of containers: what may be written, and what may be told of a container that ended."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import changed, made, said, said_of_update
from unit.registry.kinds.core.test_pod import POD, RUNNING, SIMPLE, C, container

AT = "spec.containers[0].restartPolicyRules"


def rule(action: str = "Restart", operator: str = "In", *codes: int) -> dict[str, Any]:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


@pytest.mark.parametrize(
    ("policy", "rules", "expected"),
    [
        ("Never", [rule("Restart", "In", 42), rule("RestartAllContainers", "NotIn", 0)], []),
        ("Always", None, []),
        ("Never", [rule()] * 20, []),
        ("Never", [rule("Restart", "In", *range(255))], []),
        (None, [rule()], [
            "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are "
            "used"]),
        ("never", None, [
            'spec.containers[0].restartPolicy: Unsupported value: "never": supported values: "Always", "Never", '
            '"OnFailure"']),
        ("Never", [rule()] * 21, [f"{AT}: Too many: 21: must have at most 20 items"]),
        ("Never", [rule("Restart", "In", *range(256))], [
            f"{AT}[0].exitCodes.values: Too many: 256: must have at most 255 items"]),
        ("Never", [rule("Exit")], [
            f'{AT}[0].action: Unsupported value: "Exit": supported values: "Restart", "RestartAllContainers"']),
        ("Never", [rule("Restart", "Is")], [
            f'{AT}[0].exitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"']),
        ("Never", [{"action": "Restart"}], [f"{AT}[0].exitCodes: Required value: must be specified"]),
    ],
)  # fmt: skip
def test_what_may_be_written(policy: str | None, rules: list[Any] | None, expected: list[str]) -> None:
    assert said(POD, changed(SIMPLE, **{C + "restartPolicy": policy, C + "restartPolicyRules": rules})) == expected


def test_ephemeral_containers_have_neither() -> None:
    debug = {"name": "debug", "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}
    new = changed(made(POD, SIMPLE), spec__ephemeralContainers=[debug])
    assert said_of_update(POD, SIMPLE, new, "ephemeralcontainers") == []
    odd = {**debug, "restartPolicy": "Never", "restartPolicyRules": [rule()]}
    new = changed(made(POD, SIMPLE), spec__ephemeralContainers=[odd])
    assert said_of_update(POD, SIMPLE, new, "ephemeralcontainers") == [
        f"spec.ephemeralContainers[0].{field}: Forbidden: cannot be set for an Ephemeral Container"
        for field in ("restartPolicy", "restartPolicyRules")
    ]


@pytest.mark.parametrize(
    ("own", "code", "may"),
    [
        ({}, 42, False),
        ({"restartPolicy": "Always"}, 0, True),
        ({"restartPolicy": "OnFailure"}, 42, True),
        ({"restartPolicy": "OnFailure"}, 0, False),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", "In", 42)]}, 42, True),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", "In", 42)]}, 41, False),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule("RestartAllContainers", "In", 42)]}, 41, True),
    ],
)
def test_what_has_ended_and_may_run_again(own: dict[str, Any], code: int, may: bool) -> None:
    pod = made(POD, changed(SIMPLE, spec__restartPolicy="Never", **{C + field: value for field, value in own.items()}))
    pod["status"]["containerStatuses"] = [container(state={"terminated": {"exitCode": code}})]
    err = Errors()
    POD.validate_status(changed(pod, status__containerStatuses=[container(state=RUNNING)]), pod, err)
    assert [str(cause) for cause in err] == (
        [] if may else ["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"]
    )
