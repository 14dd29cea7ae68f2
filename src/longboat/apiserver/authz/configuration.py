"""Reading an AuthorizationConfiguration (apiserver.config.k8s.io): who is asked, in which order. The rules and their
order are upstream's (apis/apiserver/validation)."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from longboat.apiserver import remote
from longboat.apiserver.authz.conditions import Condition, Unusable, compiled
from longboat.apiserver.authz.webhook import Settings
from longboat.machinery import configfile, names
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.shapes import ANY, SCALARS, List

KIND = "AuthorizationConfiguration"
VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
WEBHOOK = "Webhook"
TYPES = ("AlwaysAllow", "AlwaysDeny", "Node", "RBAC", WEBHOOK)  # not ABAC: see decision 0246
LONGEST, MOST_CONDITIONS = 30.0, 64
_STRING, _FLAG, _NAME = SCALARS["string"], SCALARS["boolean"], "io.k8s.apiserver.v1."
_WEBHOOK = configfile.struct(
    f"{_NAME}WebhookConfiguration",
    authorizedTTL=_STRING,
    cacheAuthorizedRequests=_FLAG,
    unauthorizedTTL=_STRING,
    cacheUnauthorizedRequests=_FLAG,
    timeout=_STRING,
    subjectAccessReviewVersion=_STRING,
    matchConditionSubjectAccessReviewVersion=_STRING,
    failurePolicy=_STRING,
    connectionInfo=configfile.struct(f"{_NAME}WebhookConnectionInfo", type=_STRING, kubeConfigFile=_STRING),
    matchConditions=List(configfile.struct(f"{_NAME}WebhookMatchCondition", expression=_STRING)),
)
SHAPE = configfile.struct(
    f"{_NAME}{KIND}",
    kind=_STRING,
    apiVersion=_STRING,
    metadata=ANY,
    authorizers=List(
        configfile.struct(f"{_NAME}AuthorizerConfiguration", type=_STRING, name=_STRING, webhook=_WEBHOOK)
    ),
)
Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Configured:
    """One who is asked. `webhook`: where the type is that."""

    type: str
    name: str
    webhook: Settings | None = None


DEFAULT = (Configured("Node", "node"), Configured("RBAC", "rbac"))


@dataclass(frozen=True, kw_only=True)
class Flags:
    """As upstream's flags `--authorization-…` tell of it. Times in seconds."""

    modes: Sequence[str] = ("Node", "RBAC")
    webhook_config: File | None = None
    webhook_version: str = "v1beta1"
    authorized: float = 300.0
    unauthorized: float = 30.0


def load(file: File) -> tuple[tuple[Configured, ...], bytes]:
    """And what was read. Raises BadConfiguration, which names the file, and the line or the field."""
    try:
        data = file.read_bytes()
        return parse(data), data
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror}") from error
    except BadConfiguration as error:
        raise BadConfiguration(f"{file}: {error}") from None


def parse(data: bytes) -> tuple[Configured, ...]:
    """Raises BadConfiguration."""
    found = configfile.read(data, KIND, VERSIONS, SHAPE)
    err = Errors()
    made = _authorizers(found.get("authorizers") or (), err)
    if err:
        raise BadConfiguration(", ".join(str(cause) for cause in err))
    return tuple(made)


def of_flags(given: Flags) -> tuple[Configured, ...]:
    """Raises BadConfiguration."""
    made: list[Configured] = []
    for mode in given.modes:
        if mode not in TYPES:
            raise BadConfiguration(f"authorization-mode {mode!r} is not a valid mode")
        if any(each.type == mode for each in made):
            raise BadConfiguration(f"authorization-mode {mode!r} has mode specified more than once")
        webhook = None
        if mode == WEBHOOK:
            if given.webhook_config is None:
                raise BadConfiguration("authorization-mode Webhook's authorization config file not passed")
            if given.webhook_version not in ("v1", "v1beta1"):
                raise BadConfiguration(f"unsupported webhook authorizer version {given.webhook_version!r}")
            webhook = Settings(
                "default", remote.load(given.webhook_config), authorized=given.authorized,
                unauthorized=given.unauthorized, version=given.webhook_version,
            )  # fmt: skip
        made.append(Configured(mode, "default" if webhook else mode.lower(), webhook))
    if given.webhook_config is not None and WEBHOOK not in given.modes:
        raise BadConfiguration("cannot specify --authorization-webhook-config-file without mode Webhook")
    if not made:
        raise BadConfiguration("at least one authorization-mode must be passed")
    return tuple(made)


def _authorizers(authorizers: Sequence[Found], err: Errors) -> list[Configured]:
    made, types, called = list[Configured](), set[str](), set[str]()
    if not authorizers:
        err.required(Path("authorizers"), "at least one authorization mode must be defined")
    for i, each in enumerate(authorizers):
        path, type_, name = Path("authorizers").index(i), each.get("type") or "", each.get("name") or ""
        if not type_:
            err.required(path.at("type"))
            continue
        if type_ not in TYPES:
            err.not_supported(path.at("type"), type_, TYPES)
            continue
        if type_ in types and type_ != WEBHOOK:
            err.duplicate(path.at("type"), type_)
            continue
        types.add(type_)
        if not name:
            err.required(path.at("name"))
        elif name in called:
            err.duplicate(path.at("name"), name)
        elif problems := names.dns1123_subdomain(name):
            err.invalid(path.at("name"), name, f"authorizer name is invalid: {', '.join(problems)}")
        called.add(name)
        webhook, settings = each.get("webhook"), None
        if type_ != WEBHOOK:
            if webhook is not None:
                err.invalid(path.at("webhook"), "non-null", "may only be specified when type=Webhook")
        elif webhook is None:
            err.required(path.at("webhook"), "required when type=Webhook")
        else:
            settings = _webhook(name, webhook, path, err)
        made.append(Configured(type_, name, settings))
    return made


def _webhook(name: str, found: Found, path: Path, err: Errors) -> Settings | None:
    """Paths do not say `webhook`: upstream's do not. None where there are errors."""
    before = err.count
    timeout = _seconds(found, "timeout", 0.0, path, err)
    if not timeout:
        err.required(path.at("timeout"))
    elif not 0 < timeout <= LONGEST:
        err.invalid(path.at("timeout"), _shown(timeout), "must be > 0s and <= 30s")
    lasting = []
    for field, usual, flag in (("authorizedTTL", 300.0, "cacheAuthorizedRequests"),
                               ("unauthorizedTTL", 30.0, "cacheUnauthorizedRequests")):  # fmt: skip
        seconds = _seconds(found, field, 0.0, path, err) or usual
        if seconds < 0:
            err.invalid(path.at(field), _shown(seconds), "must be > 0s")
        lasting.append(0.0 if found.get(flag) is False else seconds)
    version, policy = found.get("subjectAccessReviewVersion") or "", found.get("failurePolicy") or ""
    _one_of(version, ("v1", "v1beta1"), path.at("subjectAccessReviewVersion"), err)
    conditions, where = found.get("matchConditions") or (), path.at("matchConditionSubjectAccessReviewVersion")
    if seen := found.get("matchConditionSubjectAccessReviewVersion") or "":
        _one_of(seen, ("v1",), where, err)
    elif conditions:
        err.required(where, "required if match conditions are specified")
    _one_of(policy, ("NoOpinion", "Deny"), path.at("failurePolicy"), err)
    kubeconfig = _connection(found.get("connectionInfo") or {}, path.at("connectionInfo"), err)
    programs = _conditions(conditions, path.at("matchConditions"), err)
    if err.count > before or kubeconfig is None:
        return None
    return Settings(
        name, kubeconfig, timeout, lasting[0], lasting[1], version, denies=policy == "Deny", conditions=programs
    )


def _one_of(value: str, supported: Sequence[str], path: Path, err: Errors) -> None:
    if not value:
        err.required(path)
    elif value not in supported:
        err.not_supported(path, value, supported, as_given=True)


def _connection(found: Found, path: Path, err: Errors) -> remote.Remote | None:
    type_, file = found.get("type") or "", found.get("kubeConfigFile")
    where = path.at("kubeConfigFile")
    if not type_:
        err.required(path.at("type"))
    elif type_ == "InClusterConfig":
        if file is not None:
            err.invalid(where, file, "can only be set when type=KubeConfigFile")
        err.invalid(path.at("type"), type_, "this server is in no pod of a cluster")
    elif type_ != "KubeConfigFile":
        err.not_supported(path.at("type"), type_, ("InClusterConfig", "KubeConfigFile"), as_given=True)
    elif not file:
        err.required(where)
    elif not File(file).is_absolute():
        err.invalid(where, file, "must be an absolute path")
    else:
        return _remote(file, where, err)
    return None


def _remote(file: str, where: Path, err: Errors) -> remote.Remote | None:
    try:
        if not stat.S_ISREG(File(file).stat().st_mode):
            err.invalid(where, file, "must be a regular file")
            return None
        return remote.load(File(file))
    except OSError as error:
        err.invalid(where, file, f"error loading file: stat {file}: {(error.strerror or '').lower()}")
    except BadConfiguration as error:
        err.invalid(where, file, str(error))
    return None


def _conditions(found: Sequence[Found], path: Path, err: Errors) -> tuple[Condition, ...]:
    if len(found) > MOST_CONDITIONS:
        err.too_many(path, len(found), MOST_CONDITIONS)
        return ()
    made, seen = list[Condition](), set[str]()
    for i, each in enumerate(found):
        source, at = each.get("expression") or "", path.index(i).at("expression")
        if not source.strip():
            err.required(at)
        elif source in seen:
            err.duplicate(at, source)
        else:
            seen.add(source)
            try:
                made.append(compiled(source))
            except Unusable as error:
                err.invalid(at, source, str(error))
    return tuple(made)


def _seconds(found: Found, field: str, usual: float, path: Path, err: Errors) -> float:
    """Of a duration as Go writes it."""
    from longboat.machinery.cel.lib import times

    text = found.get(field)
    if not text:
        return usual
    try:
        return times.duration(text).nanos / times.SECOND
    except ValueError:
        err.invalid(path.at(field), text, "time: invalid duration")
        return usual


def _shown(seconds: float) -> str:
    sign, left = "-" if seconds < 0 else "", abs(seconds)
    if left < 60:
        return f"{sign}{left:g}s"
    minutes, rest = divmod(left, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{sign}{f'{hours}h' if hours else ''}{minutes}m{rest:g}s"
