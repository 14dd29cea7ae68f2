"""What one scenario needs on one server while it runs: names, bases, streams, and what is to be removed."""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from oracle.audit import AuditLog
from oracle.client import Answer, Client
from oracle.corpus import Step
from oracle.placeholders import Placeholders
from oracle.values import changed, differences, pick
from oracle.webhook import Webhooks

Outcome = dict[str, Any]  # what came of a step, in the form of a recorded one

GUARDS = "/apis/admissionregistration.k8s.io/"
LETTING_GO = 1.2  # seconds until policies and webhooks that were removed are asked no more
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class Stage:
    def __init__(self, scenario: str, kubeconfig: Path, webhooks: Webhooks, audit: AuditLog | None = None) -> None:
        self.scenario = scenario
        self.names = Placeholders(webhooks.fixed(scenario))
        self._kubeconfig, self._webhooks, self._audit = kubeconfig, webhooks, audit
        self._client = Client(kubeconfig)
        self._bases: dict[str, Any] = {}
        self._base_answers: dict[tuple[str, str], Any] = {}  # by base and method
        self._streams: dict[str, tuple[Step, threading.Thread, list[Answer]]] = {}
        self._made: list[str] = []  # paths
        webhooks.forget(scenario)

    def run(self, step: Step) -> Outcome:
        """Carry out one step, in which placeholders stand for what this server made up."""
        if "sleep" in step:
            time.sleep(step["sleep"])
        elif "hook" in step:
            self._webhooks.replies[(self.scenario, step["hook"])] = self.names.actual(step["reply"])
        elif "join" in step:
            return self._join(step["join"])
        elif "method" not in step:
            self._bases[step["base"]] = step["body"]
        elif "background" in step:
            self._begin(step)
        else:
            return self._request(step)
        return {}

    def _request(self, step: Step) -> Outcome:
        body = step.get("body")
        if "base" in step:
            body = self._bases[step["base"]]
            if "change" in step:
                body = changed(body, step["change"])
        body, path = self.names.actual(body), self.names.actual(step["path"])
        who, headers = self.names.actual(step.get("as")), dict(self.names.actual(step.get("headers") or {}))
        audit_id = ""
        if "audit" in step and self._audit:
            audit_id = headers["Audit-ID"] = str(uuid.uuid4())
        if "stream" in step:
            answer = self._client.stream(step["method"], path, step["stream"], who, headers)
        else:
            answer = self._client.send(step["method"], path, body, who, headers)
        self._remember(step["method"], path, answer)
        return self._outcome(step, answer, json.dumps(body), audit_id)

    def _outcome(self, step: Step, answer: Answer, sent: str, audit_id: str = "") -> Outcome:
        managed = bool(step.get("managedFields"))
        result: Outcome = {"status": answer.status}
        if reviews := self._reviews(sent, managed, vary=bool(step.get("reviews_vary"))):
            result["reviews"] = reviews
        names = self.names.copy() if "base" in step else self.names  # every change starts from the same names
        body = copy.deepcopy(answer.body)
        names.learn(body, sent)
        if answer.warnings:
            result["warnings"] = [names.normal(text) for text in answer.warnings]
        if step.get("keep"):
            body = pick(body, step["keep"])
        normal = names.normal(body, managed=managed)
        if "change" in step and answer.status < 300:
            base = self._base_answers.get((step["base"], step["method"]), {})
            result["effect"] = {place: got for place, _, got in differences(base, normal)}
        elif body is not None:
            result["answer"] = normal
            if "base" in step and "change" not in step:
                self._base_answers[(step["base"], step["method"])] = normal
        if step.get("show"):
            result["answer_headers"] = {name: self.names.normal(answer.header(name)) for name in step["show"]}
        if audit_id and self._audit:
            result["audit"] = self.names.normal(self._audit.annotations(audit_id))
        return result

    def _reviews(self, sent: str, managed: bool, *, vary: bool) -> list[Any]:
        names = self.names.copy() if vary else self.names
        reviews = self._webhooks.taken(self.scenario)
        for review in reviews:
            names.learn(review, sent)
        return [names.normal(review, managed=managed) for review in reviews]

    # -- streams in the background

    def _begin(self, step: Step) -> None:
        path, ready, box = self.names.actual(step["path"]), threading.Event(), list[Answer]()
        client = Client(self._kubeconfig)

        def read() -> None:
            box.append(client.stream(step["method"], path, step["stream"], step.get("as"), step.get("headers"), ready))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        ready.wait(10)
        self._streams[step["background"]] = (step, thread, box)

    def _join(self, name: str) -> Outcome:
        begun, thread, box = self._streams.pop(name)
        thread.join(begun["stream"] + 5)
        return self._outcome(begun, box[0], "")

    # -- what is left is removed

    def _remember(self, method: str, path: str, answer: Answer) -> None:
        if answer.status != 201 or "dryRun=All" in path:
            return
        place, body = path.split("?")[0], answer.body if isinstance(answer.body, dict) else {}
        if method == "POST":
            meta = body.get("metadata")
            if not isinstance(meta, dict) or not meta.get("name"):
                return
            place = f"{place}/{meta['name']}"
        parts = place.strip("/").split("/")
        depth = len(parts) - (2 if parts[0] == "api" else 3)  # kind and name, or both in a namespace; not a part
        if depth in (2, 4) and place not in self._made:
            self._made.append(place)

    def close(self) -> None:
        """Removes what the scenario made, latest first: guards, then objects, then what holds objects."""
        guards = [place for place in self._made if place.startswith(GUARDS)]
        holders = [place for place in self._made if _is_definition(place) or _is_namespace(place)]
        rest = [place for place in self._made if place not in guards and place not in holders]
        for place in guards:
            self._remove(place)
        if guards:
            time.sleep(LETTING_GO)
        for place in (*reversed(rest), *reversed(holders)):
            self._remove(place)
        self._made.clear()
        self._client.close()

    def _remove(self, place: str) -> None:
        options = {
            "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "propagationPolicy": "Background",
        }  # fmt: skip
        answer = self._client.send("DELETE", place, options)
        if answer.status not in (200, 202):
            return
        if _is_namespace(place):
            self._finalize(place)
            return
        left = self._client.send("GET", place)
        if left.status == 200 and (left.body or {}).get("metadata", {}).get("finalizers"):
            if _is_definition(place) and self._gone(place):
                return
            self._client.send("PATCH", place, {"metadata": {"finalizers": None}}, headers=MERGE_PATCH)

    def _finalize(self, place: str) -> None:
        """No controller does it: the server runs alone."""
        body = self._client.send("GET", place).body or {}
        if body.get("kind") == "Namespace":
            self._client.send("PUT", place + "/finalize", {**body, "spec": {"finalizers": []}})

    def _gone(self, place: str, seconds: float = 20) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._client.send("GET", place).status == 404:
                return True
            time.sleep(0.1)
        return False


def _is_namespace(place: str) -> bool:
    return place.startswith("/api/v1/namespaces/") and place.count("/") == 4


def _is_definition(place: str) -> bool:
    return "/customresourcedefinitions/" in place
