"""ServiceAccount tokens: JWTs that this cluster signs, bound to objects that must still be there (KEP-1205)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.apiserver.authn import figures, public_keys, secret_tokens
from longboat.apiserver.authn.figures import USES
from longboat.apiserver.authn.identity import Rejected, Unknown, known
from longboat.apiserver.authn.secret_tokens import FindObject
from longboat.apiserver.authn.tokens import bearer
from longboat.apiserver.authz.escalation import go_list
from longboat.apiserver.request import Request
from longboat.machinery.fieldpath import quoted
from longboat.machinery.objects import Object, parse_timestamp
from longboat.machinery.user import User

ISSUER = "https://kubernetes.default.svc"
FORMER = ("https://kubernetes.default.svc.cluster.local",)  # who signed, and was meant, before: 0186
OURS = frozenset((ISSUER, *FORMER))
ALGORITHM = "ES256"
CLAIM = "kubernetes.io"
MAX_TOKENS, MAX_REMEMBERED = 4096, 8 << 20  # and bytes
LEEWAY = 10  # seconds of clock difference that not-before forgives
GOING = timedelta(seconds=60)  # how long a token outlives the time its object was to be deleted (serviceaccount/claims)


@dataclass(frozen=True)
class Bound:
    """The object a token stands or falls with."""

    kind: str  # Pod, Secret or Node
    name: str
    uid: str


class Named(msgspec.Struct, frozen=True):
    name: str
    uid: str


class Own(msgspec.Struct, frozen=True):
    """What Kubernetes keeps in a token of its own."""

    namespace: str
    serviceaccount: Named
    pod: Named | None = None
    secret: Named | None = None
    node: Named | None = None
    warnafter: int = 0  # seconds since 1970 from which its use is late; 0 where it ends when it says


class Claims(msgspec.Struct, frozen=True):
    """A token's content. Times are in seconds since 1970."""

    iss: str
    exp: int
    own: Own = msgspec.field(name=CLAIM)
    aud: str | list[str] = []
    nbf: int = 0
    jti: str = ""

    @property
    def audiences(self) -> list[str]:
        return [self.aud] if isinstance(self.aud, str) else self.aud


class TokenIssuer:
    """Signs and checks ServiceAccount tokens."""

    def __init__(
        self, key_file: Path, clock: Clock, issuer: str = ISSUER, former: tuple[str, ...] = FORMER,
        others: Iterable[Path] = (),
    ) -> None:  # fmt: skip
        """`former`: names that the same cluster signed with, and was meant by, before. `others`: files with further
        keys, private or public, whose tokens are good. Raises OSError, ValueError, BadConfiguration."""
        self._key = ECKey.import_key(key_file.read_text())
        self._keys = public_keys.known(self._key, others)
        self.clock = clock
        self.issuer = issuer
        self.audiences = (issuer,)
        self.known = frozenset((issuer, *former))
        self._header = {"alg": ALGORITHM, "kid": self._key.thumbprint()}

    def now(self) -> float:
        return self.clock.now().timestamp()

    def issue(
        self, namespace: str, account: Object, seconds: int, audiences: Iterable[str] = (),
        bound: Bound | None = None, node: Object | None = None, warn_after: int | None = None,
    ) -> str:  # fmt: skip
        """`warn_after`: seconds after which its use is late, where it lasts longer than it says."""
        now = self.clock.now()
        found = account["metadata"]
        own: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": found["name"], "uid": found["uid"]},
        }
        if bound:
            own[bound.kind.lower()] = {"name": bound.name, "uid": bound.uid}
        if node:
            own["node"] = {"name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}
        if warn_after is not None:
            own["warnafter"] = int((now + timedelta(seconds=warn_after)).timestamp())
        claims = {
            "iss": self.issuer,
            "sub": secret_tokens.username(namespace, found["name"]),
            "aud": list(audiences) or list(self.audiences),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=seconds)).timestamp()),
            "jti": str(uuid.uuid4()),
            CLAIM: own,
        }
        return jwt.encode(self._header, claims, self._key, algorithms=[ALGORITHM])

    def issue_for_secret(self, namespace: str, account: str, uid: str, secret: str) -> str:
        """A token without an end for the account of this UID, to stand in a Secret and be good while it does."""
        claims = secret_tokens.claims(namespace, account, uid, secret)
        return jwt.encode(self._header, claims, self._key, algorithms=[ALGORITHM])

    def decoded(self, token: str) -> Claims | secret_tokens.Claims:
        """What a token says that this cluster signed. Raises Rejected."""
        try:
            found = self._keys.claims(token)
            if found.get("iss") == secret_tokens.ISSUER:
                return msgspec.convert(found, secret_tokens.Claims)
            return msgspec.convert(found, Claims)
        except (JoseError, ValueError, msgspec.ValidationError) as error:
            raise Unknown("the token is not signed by this cluster") from error

    def check(self, claims: Claims) -> None:
        """Raises Rejected unless the token is in time."""
        if self.now() >= claims.exp:
            raise Rejected("service account token has expired")
        if self.now() < claims.nbf - LEEWAY:
            raise Rejected("service account token is not valid yet")

    def jwks(self) -> bytes:
        """The public key set (RFC 7517), for /openid/v1/jwks."""
        return msgspec.json.encode({"keys": self._keys.told()})

    def configuration(self) -> bytes:
        """OpenID Connect discovery (/.well-known/openid-configuration)."""
        return msgspec.json.encode(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/openid/v1/jwks",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": self._keys.algorithms,
            }
        )


def user_of(claims: Claims, find: FindObject, now: datetime) -> User:
    """The ServiceAccount's user, if it and everything the token is bound to is still there.

    What is about to be deleted counts as gone `GOING` after its deletionTimestamp, whatever finalizers hold it.
    Raises Rejected.
    """
    own = claims.own
    namespace, account = own.namespace, own.serviceaccount
    _alive(find("serviceaccounts", namespace, account.name), namespace, account, now)
    extra: dict[str, tuple[str, ...]] = {}
    if claims.jti:
        extra["authentication.kubernetes.io/credential-id"] = (f"JTI={claims.jti}",)
    for kind, bound in (("pod", own.pod), ("secret", own.secret), ("node", own.node)):
        if bound is None:
            continue
        # A pod's token names its node too; it lives as long as the pod.
        if kind != "node" or own.pod is None:
            _same(find(f"{kind}s", "" if kind == "node" else namespace, bound.name), kind, bound, now)
        if kind != "secret":
            extra[f"authentication.kubernetes.io/{kind}-name"] = (bound.name,)
            extra[f"authentication.kubernetes.io/{kind}-uid"] = (bound.uid,)
    return account_user(namespace, account.name, account.uid, extra)


def _alive(account: Object | None, namespace: str, bound: Named, now: datetime) -> None:
    if account is None:
        raise Rejected(f"serviceaccounts {quoted(bound.name)} not found")
    if _gone(account, now):
        raise Rejected(f"service account {namespace}/{bound.name} has been deleted")
    if (uid := account["metadata"].get("uid")) != bound.uid:
        raise Rejected(f"service account UID ({uid}) does not match claim ({bound.uid})")


def _same(obj: Object | None, kind: str, bound: Named, now: datetime) -> None:
    if obj is None or _gone(obj, now):
        raise Rejected("service account token has been invalidated")
    if (uid := obj["metadata"].get("uid")) != bound.uid:
        raise Rejected(f"{kind} UID ({uid}) does not match service account {kind} ref claim ({bound.uid})")


def _gone(obj: Object, now: datetime) -> bool:
    going = obj["metadata"].get("deletionTimestamp")
    return bool(going) and parse_timestamp(going) < now - GOING


class ServiceAccountTokens:
    """Says whose a token is. Verified signatures are remembered; what a token stands for is looked up each time."""

    def __init__(self, issuer: TokenIssuer, find: FindObject, note: secret_tokens.Note) -> None:
        self._issuer, self._find, self._note = issuer, find, note
        self._verified: BoundedCache[str, Claims | secret_tokens.Claims] = BoundedCache(
            MAX_TOKENS, MAX_REMEMBERED, lambda token, claims: 2 * len(token) + 512
        )

    async def identify(self, request: Request) -> User | None:
        token = bearer(request)
        if not token:
            return None
        return (await self.user(token, request))[0]

    async def user(self, token: str, request: Request, audiences: Iterable[str] = ()) -> tuple[User, list[str]]:
        """The user, and for whom the token is meant: one of `audiences` (those of the API server if there are none).

        Raises Rejected.
        """
        if token.count(".") != 2:
            raise Unknown("no such token")
        claims = self._verified.get(token)
        if claims is None:
            claims = self._issuer.decoded(token)
            self._verified.put(token, claims)
        meant_for = list(self._issuer.audiences) if isinstance(claims, secret_tokens.Claims) else claims.audiences
        if isinstance(claims, Claims) and claims.iss not in self._issuer.known:
            raise Unknown("the token is another issuer's")
        if not (set(audiences) or self._issuer.known) & set(meant_for):
            wanted = go_list(audiences or self._issuer.audiences)
            raise Rejected(f"token audiences {go_list(meant_for)} is invalid for the target audiences {wanted}")
        if isinstance(claims, secret_tokens.Claims):
            USES[figures.LEGACY] += 1
            request.annotations["authentication.k8s.io/legacy-token"] = claims.sub
            await secret_tokens.proven(claims, token, self._find, self._note, request)
            return account_user(claims.namespace, claims.account, claims.uid), meant_for
        try:
            self._issuer.check(claims)
        except Rejected:
            self._verified.pop(token)
            raise
        user = user_of(claims, self._find, self._issuer.clock.now())
        if claims.own.warnafter:
            late = int(self._issuer.now()) - claims.own.warnafter
            USES[figures.STALE if late > 0 else figures.VALID] += 1
            if late > 0:
                told = f"subject: {user.name}, seconds after warning threshold: {late}"
                request.annotations["authentication.k8s.io/stale-token"] = told
        return user, meant_for


def account_user(namespace: str, name: str, uid: str, extra: dict[str, tuple[str, ...]] | None = None) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return known(secret_tokens.username(namespace, name), groups, uid, extra)
