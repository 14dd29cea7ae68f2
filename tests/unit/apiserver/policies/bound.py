"""Policies with their bindings, for tests."""

from __future__ import annotations

from typing import Any

from unit.apiserver.harness import Api

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}


async def validating(
    api: Api, name: str, *rules: Any, actions: Any = ("Deny",), rule: Any = None, binding: Any = None, **spec: Any
) -> None:
    """Each of `rules` is an expression, or a whole validation."""
    found = [{"expression": each} if isinstance(each, str) else each for each in rules]
    spec = {"matchConstraints": {"resourceRules": [RULE | (rule or {})]}, "validations": found, **spec}
    await api.make(f"{ADMISSION}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    await bind(api, "validating", name, validationActions=list(actions), **(binding or {}))


async def mutating(
    api: Api, name: str, *patches: Any, rule: Any = None, binding: Any = None, again: str = "Never", **spec: Any
) -> None:
    """Each of `patches` is an expression of an apply configuration, or a list of one of a JSON patch."""
    found = [
        {"patchType": "JSONPatch", "jsonPatch": {"expression": each[0]}} if isinstance(each, list)
        else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": each}}
        for each in patches
    ]  # fmt: skip
    spec = {
        "matchConstraints": {"resourceRules": [RULE | (rule or {})]},
        "mutations": found,
        "reinvocationPolicy": again,
        **spec,
    }
    await api.make(f"{ADMISSION}/mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    await bind(api, "mutating", name, **(binding or {}))


async def bind(api: Api, kind: str, name: str, **spec: Any) -> None:
    body = {"metadata": {"name": name}, "spec": {"policyName": name, **spec}}
    await api.make(f"{ADMISSION}/{kind}admissionpolicybindings", body)


def config_map(name: str = "a", **data: str) -> Any:
    return {"metadata": {"name": name}, "data": data} if data else {"metadata": {"name": name}}
