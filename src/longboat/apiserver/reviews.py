"""Questions the server answers without storing them: who am I, may I, is this token good, give me one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.authn.identity import Rejected
from longboat.apiserver.authn.serviceaccounts import Bound, ServiceAccountTokens, TokenIssuer
from longboat.apiserver.authz.authorizer import Action, Authorizer, Rule
from longboat.apiserver.config import Config
from longboat.apiserver.encoding import respond
from longboat.apiserver.endpoint import asking, attributes_of, read_object
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery import errors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig, timestamp
from longboat.machinery.types.schema import Schema
from longboat.machinery.user import User
from longboat.registry.admission import Admission, admit

SHORTEST_TOKEN, LONGEST_TOKEN, DEFAULT_TOKEN = 600, 1 << 32, 3600
WARN_AFTER, EXTENDED = 3607, 365 * 24 * 3600  # seconds: what pods ask for, and what upstream grants instead


class Server(Protocol):
    """Who answers: the rights there are, the tokens that are given, and what they are bound to."""

    @property
    def clock(self) -> Clock: ...
    @property
    def config(self) -> Config: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def authorizer(self) -> Authorizer: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def issuer(self) -> TokenIssuer | None: ...
    @property
    def tokens(self) -> ServiceAccountTokens | None: ...

    def lookup(self, kind: Kind, namespace: str, name: str) -> Object | None: ...


def reviews(server: Server) -> dict[tuple[Kind, str], Handler]:
    """Handlers for the dispatcher."""
    asked = Reviews(server)
    return {
        (kinds.SELF_SUBJECT_REVIEW, ""): asked.self_subject,
        (kinds.SELF_SUBJECT_ACCESS_REVIEW, ""): asked.self_access,
        (kinds.SUBJECT_ACCESS_REVIEW, ""): asked.access,
        (kinds.LOCAL_SUBJECT_ACCESS_REVIEW, ""): asked.local_access,
        (kinds.SELF_SUBJECT_RULES_REVIEW, ""): asked.self_rules,
        (kinds.TOKEN_REVIEW, ""): asked.token,
        (kinds.SERVICE_ACCOUNT, "token"): asked.issue_token,
    }


MAX_GROUPS = 10_000  # of a user whose rights are reviewed: each is looked up, on the loop


class Reviews:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def self_subject(self, request: Request) -> Response:
        review = await self._read(request, kinds.SELF_SUBJECT_REVIEW)
        assert request.user is not None
        review["metadata"]["creationTimestamp"] = timestamp(self._server.clock.now())
        review["status"] = {"userInfo": user_info(request.user)}
        return self._created(request, kinds.SELF_SUBJECT_REVIEW, review)

    async def self_access(self, request: Request) -> Response:
        review = await self._read(request, kinds.SELF_SUBJECT_ACCESS_REVIEW)
        self._check_attributes(review, kinds.SELF_SUBJECT_ACCESS_REVIEW)
        assert request.user is not None
        return self._decide(request, kinds.SELF_SUBJECT_ACCESS_REVIEW, review, request.user)

    async def access(self, request: Request) -> Response:
        review = await self._read(request, kinds.SUBJECT_ACCESS_REVIEW)
        self._check_attributes(review, kinds.SUBJECT_ACCESS_REVIEW, subject=True)
        return self._decide(request, kinds.SUBJECT_ACCESS_REVIEW, review, _subject(review["spec"]))

    async def local_access(self, request: Request) -> Response:
        kind = kinds.LOCAL_SUBJECT_ACCESS_REVIEW
        review = await self._read(request, kind)
        self._check_attributes(review, kind, subject=True)
        namespace = dig(review, "spec", "resourceAttributes", "namespace", default="")
        if namespace != request.info.namespace:
            raise errors.bad_request(
                f"spec.resourceAttributes.namespace must match namespace: {request.info.namespace}"
            )
        return self._decide(request, kind, review, _subject(review["spec"]))

    async def self_rules(self, request: Request) -> Response:
        review = await self._read(request, kinds.SELF_SUBJECT_RULES_REVIEW)
        namespace = dig(review, "spec", "namespace", default="")
        if not namespace:
            raise errors.bad_request("no namespace on request")
        assert request.user is not None
        found = list(self._rules(request.user, namespace))
        review["status"] = {
            "resourceRules": [rule.raw for rule in found if not rule.urls],
            "nonResourceRules": [rule.raw for rule in found if rule.urls],
            "incomplete": False,
        }
        return self._created(request, kinds.SELF_SUBJECT_RULES_REVIEW, review)

    async def token(self, request: Request) -> Response:
        review = await self._read(request, kinds.TOKEN_REVIEW)
        spec, tokens = review.get("spec") or {}, self._server.tokens
        if not spec.get("token"):
            raise errors.bad_request("token is required for TokenReview in authentication")
        try:
            if tokens is None:
                raise Rejected("this server knows no tokens")
            user, meant_for = await tokens.user(spec["token"], request, spec.get("audiences") or ())
        except Rejected as error:
            review["status"] = {"user": {}, "error": str(error)}
            return self._created(request, kinds.TOKEN_REVIEW, review)
        review["status"] = {
            "authenticated": True,
            "user": user_info(user),
            "audiences": [a for a in spec.get("audiences") or meant_for if a in meant_for],
        }
        return self._created(request, kinds.TOKEN_REVIEW, review)

    async def issue_token(self, request: Request) -> Response:
        """serviceaccounts/token: a token that is bound to what the request names."""
        review = await self._read(request, kinds.TOKEN_REQUEST)
        info, spec, issuer = request.info, review.get("spec") or {}, self._server.issuer
        account = self._server.lookup(kinds.SERVICE_ACCOUNT, info.namespace, info.name)
        if account is None:
            raise errors.not_found(kinds.SERVICE_ACCOUNT, info.name)
        if issuer is None:
            raise errors.internal("the server signs no tokens")
        seconds = spec.get("expirationSeconds") or DEFAULT_TOKEN
        self._check_seconds(info.name, seconds)
        bound, node = self._bound(info.namespace, info.name, spec.get("boundObjectRef"))
        audiences = spec.get("audiences") or list(issuer.audiences)
        extends = self._server.config.extend_token_expiration and seconds == WARN_AFTER and bound is not None
        extends = extends and audiences == list(issuer.audiences)
        review["spec"] = {**spec, "audiences": audiences, "expirationSeconds": seconds}
        review["status"] = {
            "token": issuer.issue(
                info.namespace,
                account,
                EXTENDED if extends else seconds,
                audiences,
                bound,
                node,
                warn_after=seconds if extends else None,
            ),
            "expirationTimestamp": timestamp(self._server.clock.now() + timedelta(seconds=seconds)),
        }
        review["metadata"] = {
            "name": info.name,
            "namespace": info.namespace,
            "creationTimestamp": timestamp(self._server.clock.now()),
        }
        return self._created(request, kinds.TOKEN_REQUEST, review)

    @staticmethod
    def _check_seconds(name: str, seconds: int) -> None:
        err, path = Errors(), Path("spec", "expirationSeconds")
        if seconds < SHORTEST_TOKEN:
            err.invalid(path, seconds, "may not specify a duration less than 10 minutes")
        if seconds > LONGEST_TOKEN:
            err.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
        if err:
            raise errors.invalid(kinds.TOKEN_REQUEST, name, err)

    def _bound(self, namespace: str, account: str, ref: Object | None) -> tuple[Bound | None, Object | None]:
        """What a token is to be bound to, and a pod's node. Raises StatusError where it is not there."""
        if not ref:
            return None, None
        kind = {"Pod": kinds.POD, "Secret": kinds.SECRET, "Node": kinds.NODE}.get(ref.get("kind", ""))
        if kind is None:
            raise errors.bad_request(f"cannot bind token to object of type {ref.get('kind')}")
        name = ref.get("name", "")
        obj = self._server.lookup(kind, namespace if kind.namespaced else "", name)
        if obj is None:
            raise errors.not_found(kind, name)
        found = obj["metadata"]
        if ref.get("uid") not in (None, "", found["uid"]):
            why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
            raise errors.conflict(kind, name, f"{why}. The object might have been deleted and then recreated")
        if kind == kinds.POD and dig(obj, "spec", "serviceAccountName") != account:
            used = dig(obj, "spec", "serviceAccountName", default="")
            raise errors.bad_request(
                f"cannot bind token for serviceaccount {account!r} to pod running with different serviceaccount "
                f"name {used!r}".replace("'", '"')
            )
        node_name = dig(obj, "spec", "nodeName", default="") if kind == kinds.POD else ""
        node = self._server.lookup(kinds.NODE, "", node_name) if node_name else None
        return Bound(ref["kind"], name, found["uid"]), node

    async def _read(self, request: Request, kind: Kind) -> Object:
        """What is asked, admitted. Raises StatusError."""
        review = await read_object(request, kind, self._server.schema)
        await admit(self._server.admission, attributes_of(request, asking(request), "CREATE", review))
        return review

    @staticmethod
    def _check_attributes(review: Object, kind: Kind, *, subject: bool = False) -> None:
        """Raises StatusError 422."""
        spec, err = review.get("spec") or {}, Errors()
        given = [name for name in ("resourceAttributes", "nonResourceAttributes") if spec.get(name) is not None]
        if len(given) == 2:
            why = "cannot be specified in combination with resourceAttributes"
            err.invalid(Path("spec", "nonResourceAttributes"), spec["nonResourceAttributes"], why)
        if not given:
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            err.invalid(Path("spec", "resourceAttributes"), None, why)
        if subject and not spec.get("user") and not spec.get("groups"):
            err.invalid(Path("spec", "user"), "", "at least one of user or group must be specified")
        groups = len(spec.get("groups") or ())
        if groups > MAX_GROUPS:
            err.too_many(Path("spec", "groups"), groups, MAX_GROUPS)
        if err:
            raise errors.invalid(kind, "", err)

    def _decide(self, request: Request, kind: Kind, review: Object, user: User) -> Response:
        action = _action(review["spec"])
        allowed, reason = self._server.authorizer.decide(user, action)
        review["status"] = {"allowed": allowed}
        if reason:
            review["status"]["reason"] = reason
        return self._created(request, kind, review)

    def _created(self, request: Request, kind: Kind, review: Object) -> Response:
        return respond(201, self._server.schema.canonical(kind, review), request.form)

    def _rules(self, user: User, namespace: str) -> Iterable[Rule]:
        if "system:masters" in user.groups:
            yield Rule({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
            yield Rule({"verbs": ["*"], "nonResourceURLs": ["*"]})
        yield from self._server.authorizer.rules(user, namespace)


def user_info(user: User) -> Object:
    """authentication.k8s.io UserInfo."""
    found: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        found["uid"] = user.uid
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found


def _subject(spec: Object) -> User:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _action(spec: Object) -> Action:
    if (found := spec.get("resourceAttributes")) is not None:
        return Action(
            found.get("verb", ""), found.get("group", ""), found.get("resource", ""), found.get("subresource", ""),
            found.get("namespace", ""), found.get("name", ""),
        )  # fmt: skip
    path = spec["nonResourceAttributes"]
    return Action(path.get("verb", ""), path=path.get("path") or "/")
