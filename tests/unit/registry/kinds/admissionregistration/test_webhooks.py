"""What webhook configurations may not say, and what one may that an older server has taken."""

from __future__ import annotations

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, Thing, changed, said, said_of_update

HOOKS = BY_RESOURCE["validatingwebhookconfigurations.admissionregistration.k8s.io"]
RULE: Thing = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK: Thing = {
    "name": "a.b.c", "clientConfig": {"url": "https://h/"}, "rules": [RULE], "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}  # fmt: skip
CONFIG: Thing = {"metadata": {"name": "w"}, "webhooks": [HOOK]}
AT = "webhooks[0]"


def named(name: str, **changes: object) -> Thing:
    return changed({**HOOK, "name": name}, **changes)


@pytest.mark.parametrize(
    ("hook", "wrong"),
    [
        (HOOK, []),
        (named("a.b.c", clientConfig={"service": {"name": "s", "namespace": "n", "path": "/", "port": 1}}), []),
        (named("a.b.c", clientConfig={"url": "https://h/", "service": {}}),
         [f"{AT}.clientConfig: Required value: exactly one of url or service is required"]),
        (named("a.b.c", clientConfig={"service": {"name": "s", "namespace": "n", "path": "//"}}),
         [f'{AT}.clientConfig.service.path: Invalid value: "//": segment[0] may not be empty']),
        (named("a.b.c", rules__0__apiVersions=[""]), [f"{AT}.rules[0].apiVersions[0]: Required value"]),
        (named("a.b.c", rules__0__resources=["*/*", "a/b"]), [
            f"{AT}.rules[0].resources: Invalid value: [\"*/*\",\"a/b\"]: if '*/*' is present, must not specify other "
            "resources",
        ]),
        (named("a.b.c", rules__0__resources=["a", "*"]), []),  # upstream looks at the last one without a subresource
        (named("a.b.c", matchConditions=[{"name": "m", "expression": "true"}] * 2), [
            f'{AT}.matchConditions[1].name: Duplicate value: "m"',
        ]),
        (named("a.b.c", matchConditions=[{"name": f"m{i}", "expression": "true"} for i in range(65)]), [
            f"{AT}.matchConditions: Too many: 65: must have at most 64 items",
        ]),
        (named("a.b.c", matchConditions=[{"name": "m", "expression": " request.name "}]), [
            f'{AT}.matchConditions[0].expression: Invalid value: "request.name": must evaluate to bool but got string',
        ]),
        (named("a.b.c", matchConditions=[{"name": "m", "expression": "authorizer.path('/').check('get').allowed()"}]),
         []),
    ],
)  # fmt: skip
def test_what_is_refused(hook, wrong):
    assert said(HOOKS, changed(CONFIG, webhooks=[hook])) == wrong


@pytest.mark.parametrize(
    "old",
    [
        {"webhooks__0__sideEffects": "Some"},
        {"webhooks__0__admissionReviewVersions": ["v9"]},
        {"webhooks": [HOOK, HOOK]},
        {"webhooks__0__objectSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}]}},
        {"webhooks__0__matchConditions": [{"name": "", "expression": ""}]},
    ],
)
def test_what_an_older_server_took_may_stay(old):
    config = changed(CONFIG, **old)
    assert said(HOOKS, config) != []
    assert said_of_update(HOOKS, config, changed(config, webhooks__0__timeoutSeconds=5)) == []
    assert said_of_update(HOOKS, CONFIG, config) == said(HOOKS, config)
