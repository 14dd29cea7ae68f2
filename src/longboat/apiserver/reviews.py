"""Questions the server answers without storing them: who am I, may I, is this token good, give me one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver import review_rules
from longboat.apiserver.admission.chain import Lookup
from longboat.apiserver.authn.identity import Authenticator, Rejected, Unknown
from longboat.apiserver.authn.serviceaccounts import Bound, TokenIssuer
from longboat.apiserver.authn.token_users import Aware, TokenUsers
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.authz.rbac import Rule
from longboat.apiserver.authz.reviews import action as asked
from longboat.apiserver.encoding import respond
from longboat.apiserver.endpoint import asking, attributes_of, manager_of, read_object
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery import errors
from longboat.machinery.fieldpath import quoted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig, timestamp
from longboat.machinery.types.schema import Schema
from longboat.machinery.user import User
from longboat.registry import catalog
from longboat.registry.admission import Admission, Attributes
from longboat.registry.ownership import Ownership

DEFAULT_TOKEN = 3600  # seconds
WARN_AFTER, EXTENDED = 3607, 365 * 24 * 3600  # seconds: what pods ask for, and what upstream grants instead


class Reviews:
    """`handlers` are for the dispatcher. `tokens` know whose tokens are for whom, `others` are who knows any other.
    `lookup` finds what tokens are bound to; `extends_tokens`: those of pods last a year, for programs that read theirs
    only once."""

    def __init__(
        self, *, clock: Clock, schema: Schema, admission: Admission, authorizer: Authorizer,
        issuer: TokenIssuer | None, tokens: Sequence[Aware], others: Sequence[Authenticator],
        lookup: Lookup, extends_tokens: bool,
    ) -> None:  # fmt: skip
        self._clock, self._schema, self._admission, self._authorizer = clock, schema, admission, authorizer
        self._issuer, self._lookup, self._extends_tokens = issuer, lookup, extends_tokens
        self._token_users = TokenUsers(tokens, others, issuer.audiences if issuer else ())
        self._ownership = {each.kind: Ownership(each, schema, {}) for each in catalog.strategies() if not each.stored}
        self.handlers: dict[tuple[Kind, str], Handler] = {
            (kinds.SELF_SUBJECT_REVIEW, ""): self.self_subject,
            (kinds.SELF_SUBJECT_ACCESS_REVIEW, ""): self.self_access,
            (kinds.SUBJECT_ACCESS_REVIEW, ""): self.access,
            (kinds.LOCAL_SUBJECT_ACCESS_REVIEW, ""): self.local_access,
            (kinds.SELF_SUBJECT_RULES_REVIEW, ""): self.self_rules,
            (kinds.TOKEN_REVIEW, ""): self.token,
            (kinds.SERVICE_ACCOUNT, "token"): self.issue_token,
        }

    async def self_subject(self, request: Request) -> Response:
        review = await self._read(request, kinds.SELF_SUBJECT_REVIEW)
        assert request.user is not None
        review["metadata"] = {"creationTimestamp": timestamp(self._clock.now())}
        review["status"] = {"userInfo": user_info(request.user)}
        return self._created(request, kinds.SELF_SUBJECT_REVIEW, review)

    async def self_access(self, request: Request) -> Response:
        review = await self._read(request, kinds.SELF_SUBJECT_ACCESS_REVIEW)
        review_rules.access(review, subject=False)
        assert request.user is not None
        return await self._decide(request, kinds.SELF_SUBJECT_ACCESS_REVIEW, review, request.user)

    async def access(self, request: Request) -> Response:
        review = await self._read(request, kinds.SUBJECT_ACCESS_REVIEW)
        review_rules.access(review)
        return await self._decide(request, kinds.SUBJECT_ACCESS_REVIEW, review, _subject(review["spec"]))

    async def local_access(self, request: Request) -> Response:
        kind = kinds.LOCAL_SUBJECT_ACCESS_REVIEW
        review = await self._read(request, kind)
        review_rules.access(review, local=True)
        return await self._decide(request, kind, review, _subject(review["spec"]))

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
            "incomplete": bool(self._authorizer.incomplete),
        }
        if self._authorizer.incomplete:
            review["status"]["evaluationError"] = self._authorizer.incomplete
        return self._created(request, kinds.SELF_SUBJECT_RULES_REVIEW, review)

    async def token(self, request: Request) -> Response:
        review = await self._read(request, kinds.TOKEN_REVIEW)
        spec = review.get("spec") or {}
        if not spec.get("token"):
            raise errors.bad_request("token is required for TokenReview in authentication")
        try:
            user, meant_for = await self._token_users.user(spec["token"], request, spec.get("audiences") or ())
        except Rejected as error:
            invalid = "invalid bearer token"
            told = invalid if isinstance(error, Unknown) else f"[{invalid}, {error}]"
            review["status"] = {"user": {}, "error": told}
            return self._created(request, kinds.TOKEN_REVIEW, review)
        review["status"] = {
            "authenticated": True,
            "user": user_info(user),
            "audiences": [a for a in spec.get("audiences") or meant_for if a in meant_for],
        }
        return self._created(request, kinds.TOKEN_REVIEW, review)

    async def issue_token(self, request: Request) -> Response:
        """serviceaccounts/token: a token that is bound to what the request names."""
        attributes = await self._begun(request, kinds.TOKEN_REQUEST)
        review = attributes.obj or {}
        info, spec, issuer = request.info, review.get("spec") or {}, self._issuer
        review_rules.token_request(review, info.name)
        account = self._lookup(kinds.SERVICE_ACCOUNT, info.namespace, info.name)
        if account is None:
            raise errors.not_found(kinds.SERVICE_ACCOUNT, info.name)
        uid = account["metadata"]["uid"]
        if (given := review["metadata"].get("uid")) and given != uid:
            why = f"the UID in the token request ({given}) does not match the UID of the service account ({uid})"
            raise errors.conflict(_by_kind(kinds.TOKEN_REQUEST), info.name, why)
        if issuer is None:
            raise errors.internal("the server signs no tokens")
        seconds = DEFAULT_TOKEN if spec.get("expirationSeconds") is None else spec["expirationSeconds"]
        review_rules.token_seconds(seconds)
        audiences = spec.get("audiences") or list(issuer.audiences)
        review["spec"] = spec = {**spec, "audiences": audiences, "expirationSeconds": seconds}
        review["metadata"] |= {
            "name": info.name,
            "namespace": info.namespace,
            "uid": uid,
            "creationTimestamp": timestamp(self._clock.now()),
        }
        await self._admission.validate(attributes)  # of what is filled in, as upstream
        bound, node = self._bound(info.namespace, info.name, spec.get("boundObjectRef"))
        extends = self._extends_tokens and seconds == WARN_AFTER and bound is not None
        extends = extends and audiences == list(issuer.audiences)
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
            "expirationTimestamp": timestamp(self._clock.now() + timedelta(seconds=seconds)),
        }
        return self._created(request, kinds.TOKEN_REQUEST, review)

    def _bound(self, namespace: str, account: str, ref: Object | None) -> tuple[Bound | None, Object | None]:
        """What a token is to be bound to, and a pod's node. Raises StatusError where it is not there."""
        if not ref:
            return None, None
        group, _, version = (ref.get("apiVersion") or "").rpartition("/")
        kind = {"Pod": kinds.POD, "Secret": kinds.SECRET, "Node": kinds.NODE}.get(ref.get("kind") or "")
        if kind is None or group:
            shown = f"{group}/{version}, Kind={ref.get('kind') or ''}"
            raise errors.bad_request(f"cannot bind token to object of type {shown}")
        if not (name := ref.get("name") or ""):
            raise errors.bad_request("Name parameter required.")
        obj = self._lookup(kind, namespace if kind.namespaced else "", name)
        if obj is None:
            raise errors.not_found(kind, name)
        found = obj["metadata"]
        if kind == kinds.POD and dig(obj, "spec", "serviceAccountName") != account:
            why = f"cannot bind token for serviceaccount {quoted(account)} to pod running with different serviceaccount"
            raise errors.bad_request(f"{why} name.")
        if ref.get("uid") not in (None, "", found["uid"]):
            why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
            why += ". The object might have been deleted and then recreated"
            raise errors.conflict(_by_kind(kind), name, why)
        node_name = dig(obj, "spec", "nodeName", default="") if kind == kinds.POD else ""
        node = self._lookup(kinds.NODE, "", node_name) if node_name else None
        return Bound(ref["kind"], name, found["uid"]), node

    async def _read(self, request: Request, kind: Kind) -> Object:
        """What is asked, admitted. Raises StatusError."""
        attributes = await self._begun(request, kind)
        await self._admission.validate(attributes)
        return attributes.obj or {}

    async def _begun(self, request: Request, kind: Kind) -> Attributes:
        """What is asked, as those leave it who may change it. Raises StatusError."""
        review = await read_object(request, kind, self._schema)
        review_rules.place(review, request.info.namespace, keep=kind == kinds.TOKEN_REQUEST)
        self._own(request, kind, review)
        attributes = attributes_of(request, asking(request), "CREATE", review)
        await self._admission.mutate(attributes)
        return attributes

    def _own(self, request: Request, kind: Kind, review: Object) -> None:
        """What is asked is shown with the entry of who asks, as what is stored is."""
        if (ownership := self._ownership.get(kind)) is not None:
            write = asking(request)
            write.manager, write.now = manager_of(request), self._clock.now()
            ownership.update(None, review, write)

    async def _decide(self, request: Request, kind: Kind, review: Object, user: User) -> Response:
        status: Object
        action, problems = asked(review["spec"])
        decision = await self._authorizer.judge(user, action)
        review["status"] = status = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        if told := "; ".join(filter(None, (decision.error, *problems))):
            status["evaluationError"] = told
        return self._created(request, kind, review)

    def _created(self, request: Request, kind: Kind, review: Object) -> Response:
        return respond(201, self._schema.canonical(kind, review), request.form)

    def _rules(self, user: User, namespace: str) -> Iterable[Rule]:
        if "system:masters" in user.groups:
            yield Rule({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
            yield Rule({"verbs": ["*"], "nonResourceURLs": ["*"]})
        yield from self._authorizer.rules(user, namespace)


def _by_kind(kind: Kind) -> Kind:
    """As upstream names it where it has no resource at hand."""
    return replace(kind, plural=kind.name)


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
