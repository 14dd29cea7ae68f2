"""What a node asks for beside writing: tokens of its pods' accounts, certificates of its own (KEP-4935, KEP-4412)."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api import kinds, subjects
from longboat.apiserver.admission.chain import Lookup
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.authorizer import Answers, Authorizer
from longboat.machinery.objects import Object, dig
from longboat.machinery.user import User

# Whose certificates say that somebody is a node; what a node does for the network has one of the ordinary signer's.
NODE_SIGNERS = frozenset(("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"))
CLIENT = "kubernetes.io/kube-apiserver-client"
NODE, NETWORK = "system:node:", "system:longboat:network:"
ANY_AUDIENCE = "request-serviceaccounts-token-audience"  # the verb that lifts the bound, on the audience as resource


class Audiences:
    """Which audiences a node may ask tokens for: those that the pod itself, or a driver of its volumes, uses."""

    def __init__(self, lookup: Lookup, authorizer: Authorizer) -> None:
        self._lookup, self._authorizer = lookup, authorizer

    def refused(self, user: User, account: str, pod: Object, audiences: list[str], answers: Answers) -> str | None:
        """Why the node may not have a token for them. None asks for the API server's own audience. Raises Unasked."""
        if len(audiences) > 1:
            return "node may only request 0 or 1 audiences"
        wanted, namespace = audiences[0] if audiences else "", pod["metadata"]["namespace"]
        if wanted in self._used(pod):
            return None
        if self._authorizer.decide(user, Action(ANY_AUDIENCE, "", wanted, "", namespace, account), answers).allowed:
            return None
        why = f"{user.name} is not authorized to request tokens for this audience"
        return f'audience "{wanted}" not found in pod spec volume, {why}'

    def _used(self, pod: Object) -> Iterator[str]:
        for volume in dig(pod, "spec", "volumes", default=()):
            for source in dig(volume, "projected", "sources", default=()):
                if (token := source.get("serviceAccountToken")) is not None:
                    yield token.get("audience") or ""
            if driver := self._driver(pod["metadata"], volume):
                found = self._lookup(kinds.CSI_DRIVER, "", driver) or {}
                for request in dig(found, "spec", "tokenRequests", default=()):
                    yield request.get("audience") or ""

    def _driver(self, pod: Object, volume: Object) -> str:
        """The CSI driver of a volume, "" for one that has none."""
        claim = dig(volume, "persistentVolumeClaim", "claimName", default="")
        if volume.get("ephemeral"):
            claim = f"{pod['name']}-{volume['name']}"
        if not claim:
            return str(dig(volume, "csi", "driver", default=""))
        bound = dig(self._lookup(kinds.PERSISTENT_VOLUME_CLAIM, pod["namespace"], claim) or {}, "spec", "volumeName")
        found = self._lookup(kinds.PERSISTENT_VOLUME, "", bound) if bound else None
        return str(dig(found or {}, "spec", "csi", "driver", default=""))


def certificate_refused(node: str, request: Object) -> str | None:
    """Why a node may not ask for the certificate: it would be another node's."""
    signer = dig(request, "spec", "signerName", default="")
    if signer not in NODE_SIGNERS and signer != CLIENT:
        return None
    try:
        name = subjects.name_of(subjects.requested(dig(request, "spec", "request", default="")).subject)
    except subjects.BadSubject as error:
        return f"unable to parse csr: {error}"
    prefix = NODE if signer in NODE_SIGNERS else NETWORK
    if name == prefix + node or (signer == CLIENT and not name.startswith(NETWORK)):
        return None
    return f"can only create a node CSR with CN={prefix}{node}"
