"""Requests out of the server's own OpenAPI documents, right ones and wrong ones, for a while. A program of its own.

    python schema_fuzzer.py SERVER CA CREDENTIALS SECONDS SEED [--dry-run] [--namespace N] [--bases FILE]

CREDENTIALS: `anonymous`, `token:T`, or `cert:CERTIFICATE,KEY`. Prints a JSON line for each answer of 500 and above, for
each that is not what the document says of its status, and for each connection that broke or got none, then one with
the counts. What schemathesis makes up alone seldom gets past the first check, so names, kinds and metadata are mended
most of the time; the rest stays as it came.

Objects of FILE, a JSON list of some that are accepted, are sent besides: how else would one see an answer of success.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import ssl
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
import schemathesis
from answers import Answers
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

CONNECTS = ("/exec", "/attach", "/portforward", "/proxy")
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))
BATCH = 4  # cases of one operation before the next has its turn
VARIANTS = 5  # of a body: making up a large one takes a second
DEEPER = 0.9  # how often what is changed is not what was come upon, but in it
ODD: tuple[Callable[[], Any], ...] = (
    lambda: None, str, list, dict, lambda: -1, lambda: 0, lambda: 1 << 40, lambda: 1.5, lambda: True, lambda: "a",
    lambda: "x" * 300, lambda: "10%", lambda: "-1", lambda: "2017-09-19T13:49:16Z", lambda: [None], lambda: {"a": None},
    lambda: ["a", "a"], lambda: {"name": "a"}, lambda: [{"name": "a"}, {"name": "a"}],
)  # fmt: skip
PLAIN = 0.7  # of requests that have no query, and of bodies that come as what they are
MEDIA = {
    "POST": ("application/json",),
    "PUT": ("application/json",),
    "PATCH": ("application/merge-patch+json", "application/strategic-merge-patch+json"),
}
PATIENCE = 4.0  # seconds to wait for an answer: watches have none to give
WATCHES = 0.8  # of operations that only watch, left out: they cost a second each
ELSEWHERE = 0.9  # of what is not in a namespace, left out for somebody who may only do things in one
SHOWN = 2_000  # characters of a body in a finding


class Credentials:
    def __init__(self, text: str) -> None:
        kind, _, rest = text.partition(":")
        self.headers = {"Authorization": f"Bearer {rest}"} if kind == "token" else {}
        self.cert = tuple(rest.split(",")) if kind == "cert" else None


def documents(server: str, ca: str, cert: tuple[str, ...] | None) -> Iterator[dict[str, Any]]:
    """Every OpenAPI v3 document that the server has, read as somebody who may."""
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(*cert)

    def fetch(path: str) -> Any:
        with urllib.request.urlopen(server + path, context=context, timeout=30) as answer:
            return json.load(answer)

    for entry in fetch("/openapi/v3")["paths"].values():
        yield fetch(entry["serverRelativeURL"])


class Fuzzer:
    """`mend` makes a case likelier to get far; `judge` notes what must not happen."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.dice = random.Random(options.seed)
        self.credentials = Credentials(options.credentials)
        self.counts: Counter[str] = Counter()
        self.session = requests.Session()
        self.bases: dict[tuple[str, str], list[Any]] = {}
        for each in json.loads(options.bases.read_text()) if options.bases else ():
            self.bases.setdefault((each["apiVersion"], each["kind"]), []).append(each)
        self.namespaces = [options.namespace] * 12 + ["default", "kube-system", "nope"]
        self.names = ["a", "b", "default", "kubernetes", "node-1", "node-2", "fuzz", "view", "kube-dns"]

    def run(self, operations: list[tuple[Any, GenerationMode, Answers]]) -> None:
        until = time.monotonic() + self.options.seconds
        while time.monotonic() < until:
            self.dice.shuffle(operations)
            for operation, mode, answers in operations:
                if self.options.within and "{namespace}" not in operation.path and self.dice.random() < ELSEWHERE:
                    continue
                if "/watch/" in operation.path and self.dice.random() < WATCHES:
                    continue
                if time.monotonic() >= until:
                    return
                self.known(operation, answers)
                if time.monotonic() < until:
                    self.batch(operation, mode, answers)

    def batch(self, operation: Any, mode: GenerationMode, answers: Answers) -> None:
        @seed(self.dice.getrandbits(64))
        @settings(
            max_examples=BATCH, phases=[Phase.generate], deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def made_up(case: Any) -> None:
            self.ask(case, answers)

        try:
            made_up()
        except (schemathesis.errors.InvalidSchema, Unsatisfiable) as error:
            self.counts[f"unusable: {operation.label}: {error}"[:120]] += 1

    def known(self, operation: Any, answers: Answers) -> None:
        """With an object of the kind that is accepted, if there is one."""
        of = operation.definition.raw.get("x-kubernetes-group-version-kind") or {}
        known = self.bases.get((f"{of.get('group')}/{of.get('version')}".lstrip("/"), of.get("kind")))
        if known is not None and operation.method.upper() in MEDIA:
            body = json.loads(json.dumps(self.dice.choice(known)))
            where = dict.fromkeys(re.findall(r"{(\w+)}", operation.path), "fuzz")
            self.ask(operation.Case(path_parameters=where, query={}, body=body, media_type="application/json"), answers)

    def ask(self, case: Any, answers: Answers) -> None:
        self.mend(case)
        self.judge(case, answers)
        if isinstance(case.body, dict):
            for _ in range(VARIANTS):
                self.vary(case.body)
                self.mend(case)
                self.judge(case, answers)

    def vary(self, body: Any) -> None:
        """Something in it, however deep, is left out or is something else."""
        dice, at = self.dice, body
        while True:
            key = dice.choice(list(at) if isinstance(at, dict) else range(len(at))) if at else None
            if key is None:
                return
            if isinstance(at[key], (dict, list)) and at[key] and dice.random() < DEEPER:
                at = at[key]
                continue
            if dice.random() < 0.3:
                del at[key]
            else:
                at[key] = dice.choice(ODD)()
            return

    def mend(self, case: Any) -> None:
        dice = self.dice
        for name in case.path_parameters or {}:
            if dice.random() < 0.9:
                case.path_parameters[name] = dice.choice(self.namespaces if name == "namespace" else self.names)
        if case.query is None or dice.random() < PLAIN:
            case.query = {}
        if isinstance(case.body, dict) and dice.random() < PLAIN and (media := MEDIA.get(case.method.upper())):
            case.media_type = dice.choice(media)
        if watches(case) and dice.random() < 0.9:
            case.query["timeoutSeconds"] = 1
        if isinstance(case.body, dict) and case.method.upper() in ("POST", "PUT"):
            self.mend_object(case)
        if self.options.dry_run and case.method.upper() in WRITES:
            self.make_dry(case)

    def mend_object(self, case: Any) -> None:
        dice, body = self.dice, case.body
        kind = case.operation.definition.raw.get("x-kubernetes-group-version-kind") or {}
        if kind and dice.random() < 0.9:
            body["kind"] = kind["kind"]
            body["apiVersion"] = f"{kind['group']}/{kind['version']}".lstrip("/")
        if dice.random() < 0.9:
            metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) and dice.random() < 0.3 else {}
            name = case.path_parameters.get("name") if case.path_parameters else None
            metadata["name"] = name or f"fuzz-{dice.randrange(30)}"
            metadata.pop("namespace", None)
            body["metadata"] = metadata

    def make_dry(self, case: Any) -> None:
        """Nothing is to happen. A body of a deletion counts alone, whatever the query says (DeleteOptions)."""
        case.query["dryRun"] = "All"
        if case.method.upper() == "DELETE":
            if isinstance(case.body, dict):
                case.body["dryRun"] = ["All"]
            else:
                case.body = schemathesis.core.NOT_SET
        elif case.operation.path.endswith("/eviction") and isinstance(case.body, dict):
            case.body["deleteOptions"] = {"dryRun": ["All"]}

    def judge(self, case: Any, answers: Answers) -> None:
        try:
            response = case.call(
                base_url=self.options.server, session=self.session, headers=self.credentials.headers,
                verify=self.options.ca, cert=self.credentials.cert, timeout=PATIENCE, stream=False,
            )  # fmt: skip
        except (requests.Timeout, requests.ConnectionError) as error:
            late = "timed out" in str(error)  # requests has two exceptions for it, by when it happens
            self.counts["late" if late else "broken"] += 1
            if not (late and watches(case)):
                self.tell(case, 0, str(error))
            self.session = requests.Session()
            return
        except (ValueError, requests.RequestException) as error:  # schemathesis or requests cannot send such a thing
            self.counts[f"unsendable: {type(error).__name__}"] += 1
            return
        self.counts[str(response.status_code)] += 1
        if response.status_code >= 500:
            self.tell(case, response.status_code, response.text)
        elif not watches(case):
            self.compare(case, response, answers)

    def compare(self, case: Any, response: requests.Response, answers: Answers) -> None:
        """With what the document says."""
        media, path, method = response.headers.get("Content-Type", ""), case.operation.path, case.method.lower()
        if problem := answers.problem(path, method, response.status_code, media, response.text):
            self.counts["unfit"] += 1
            self.tell(case, response.status_code, response.text, problem)

    def tell(self, case: Any, status: int, text: str, problem: str = "") -> None:
        body = repr(case.body)[:SHOWN]
        found = {
            "method": case.method.upper(), "path": case.formatted_path, "query": repr(case.query)[:SHOWN],
            "media": case.media_type, "body": body, "status": status, "answer": text[:SHOWN], "problem": problem,
        }  # fmt: skip
        print(json.dumps(found), flush=True)


def watches(case: Any) -> bool:
    """Whether it may be a watch (or a log that is followed), whose answer has no end."""
    return any(key in (case.query or {}) for key in ("watch", "follow")) or "/watch/" in case.operation.path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("ca")
    parser.add_argument("credentials")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--documents-as", required=True, help="cert:CERTIFICATE,KEY of who may read the documents")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--within", action="store_true", help="mostly in the namespace: the rest is forbidden")
    parser.add_argument("--bases", type=Path, help="a JSON list of objects that are accepted")
    options = parser.parse_args()
    fuzzer = Fuzzer(options)
    operations = []
    for document in documents(options.server, options.ca, Credentials(options.documents_as).cert):
        answers = Answers(document)
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            operation = result.ok()
            if not operation.path.endswith(CONNECTS):
                operations += [
                    (operation, mode, answers) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
                ]
    fuzzer.run(operations)
    print(json.dumps({"counts": fuzzer.counts, "operations": len(operations)}))


if __name__ == "__main__":
    sys.exit(main())
