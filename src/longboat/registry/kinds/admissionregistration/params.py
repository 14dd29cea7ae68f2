"""What parametrizes a policy: of which kind it is, and which objects a binding chooses."""

from __future__ import annotations

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

NOT_FOUND_ACTIONS = ("Deny", "Allow")
EXCLUSIVE = "name and selector are mutually exclusive"


def kind(found: Object, path: Path, err: Errors) -> None:
    """A ParamKind."""
    version, name = found.get("apiVersion") or "", found.get("kind") or ""
    if not version:
        err.required(path.at("apiVersion"))
    else:
        _group_version(version, path.at("apiVersion"), err)
    if not name:
        err.required(path.at("kind"))
    elif wrong := names.dns1035_label(name.lower()):
        err.invalid(path.at("kind"), name, f"may have mixed case, but should otherwise match: {','.join(wrong)}")


def _group_version(text: str, path: Path, err: Errors) -> None:
    if text.count("/") > 1:
        err.invalid(path, text, f"unexpected GroupVersion string: {text}")
        return
    group, _, version = text.rpartition("/")
    if group and (wrong := names.dns1123_subdomain(group)):
        err.invalid(path, group, ",".join(wrong))
    if not version:
        err.invalid(path, text, "version must be specified")
    elif wrong := names.dns1035_label(version):
        err.invalid(path, version, ",".join(wrong))


def reference(found: Object, path: Path, err: Errors) -> None:
    """A ParamRef: a name or a selector, and what happens when it finds nothing."""
    name, selector, action = found.get("name") or "", found.get("selector"), found.get("parameterNotFoundAction")
    if name:
        err.extend(path.at("name"), names.path_segment(name), name)
        if selector is not None:
            err.forbidden(path.at("name"), EXCLUSIVE)
    if selector is not None:
        rules.label_selector(selector, path.at("selector"), err)
        if name:
            err.forbidden(path.at("selector"), EXCLUSIVE)
    if not name and selector is None:
        err.required(path, "one of name or selector must be specified")
    if not action:
        err.required(path.at("parameterNotFoundAction"))
    elif action not in NOT_FOUND_ACTIONS:
        err.not_supported(path.at("parameterNotFoundAction"), action, NOT_FOUND_ACTIONS, as_given=True)
