"""What an access review asks: its spec as an action, and an action as a spec, for webhooks. Pure (KEP-4601).

Whatever of a selector cannot be read limits nothing: what is asked for is then more, never less.
"""

from __future__ import annotations

from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.requirements import Requirement, of_fields, of_labels
from longboat.machinery import names
from longboat.machinery.objects import Object
from longboat.machinery.user import User


def action(spec: Object) -> tuple[Action, list[str]]:
    """And what was ignored of it, in upstream's words (authorization/util)."""
    found = spec.get("resourceAttributes")
    if found is None:
        path = spec["nonResourceAttributes"]
        return Action(path.get("verb", ""), path=path.get("path") or "/"), []
    problems: list[str] = []
    by_field = _selector(found.get("fieldSelector"), "fieldSelector", problems)
    by_label = _selector(found.get("labelSelector"), "labelSelector", problems)
    equal = tuple((key, values[0]) for key, operator, values in by_field if operator == "In")
    return Action(
        found.get("verb", ""), found.get("group", ""), found.get("resource", ""), found.get("subresource", ""),
        found.get("namespace", ""), found.get("name", ""), fields=equal,
        version=found.get("version") or "*", by_field=by_field, by_label=by_label,
    ), problems  # fmt: skip


def _selector(selector: Object | None, which: str, problems: list[str]) -> tuple[Requirement, ...]:
    if selector is None:
        return ()
    labels, whole = which == "labelSelector", True
    found: list[Requirement] = []
    if raw := selector.get("rawSelector"):
        try:
            found += of_labels(raw) if labels else of_fields(raw)
        except ValueError:
            whole = False
    for each in selector.get("requirements") or ():
        key, operator, values = each.get("key") or "", each.get("operator") or "", tuple(each.get("values") or ())
        if _good(key, operator, values, labels):
            found.append((key, operator, values))
        else:
            whole = False
    if not whole:
        partly = "partially ignored" if found else "ignored"
        problems.append(f"spec.resourceAttributes.{which} {partly} due to parse error")
    return tuple(found)


def _good(key: str, operator: str, values: tuple[str, ...], labels: bool) -> bool:
    if not labels:  # fields can only be equal to a value, or not
        return operator in ("In", "NotIn") and len(values) == 1
    if names.qualified_name(key) or any(map(names.label_value, values)):
        return False
    return bool(values) if operator in ("In", "NotIn") else operator in ("Exists", "DoesNotExist") and not values


def spec_of(user: User, action: Action) -> Object:
    """A SubjectAccessReviewSpec. What is empty is left out."""
    spec: Object = {}
    if action.path:
        spec["nonResourceAttributes"] = _filled(path=action.path, verb=action.verb)
    else:
        spec["resourceAttributes"] = resource = _filled(
            namespace=action.namespace, verb=action.verb, group=action.group, version=action.version,
            resource=action.resource, subresource=action.subresource, name=action.name,
        )  # fmt: skip
        for which, requirements in (("fieldSelector", action.by_field), ("labelSelector", action.by_label)):
            if requirements:
                resource[which] = {"requirements": [
                    _filled(key=key, operator=operator, values=list(values)) for key, operator, values in requirements
                ]}  # fmt: skip
    extra = {key: list(values) for key, values in user.extra.items()}
    return spec | _filled(user=user.name, groups=list(user.groups), uid=user.uid, extra=extra)


def _filled(**fields: object) -> Object:
    return {name: value for name, value in fields.items() if value}
