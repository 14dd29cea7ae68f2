"""Visitors of the applications: they read pages, write what must never be lost, and remember what went wrong when."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from pathlib import Path

from soak.site import Site

PAUSE = 0.4  # seconds between two requests: a few a second, so that the load says nothing about the machine
WRITE_EVERY = 25  # requests
PATIENCE = "5"  # seconds, of one request


class Visitors(threading.Thread):
    """Until `stop`. A failed request is an outage from its beginning to the end of the next that succeeds."""

    def __init__(self, site: Site, certificates: dict[str, Path]) -> None:
        super().__init__(daemon=True)
        addresses = [node["address"] for node in site.status()["nodes"]]
        self._site = site
        self._written = itertools.count(1)
        self._over = threading.Event()
        self.asked = 0
        self.failed = 0
        self.failing: dict[str, float] = {}  # pages that fail right now, and since when
        self.outages: dict[str, list[tuple[float, float]]] = defaultdict(list)  # (from, to), monotonic
        self.acknowledged: dict[str, list[str]] = {"blog": [], "guestbook": [], "configmaps": []}
        self._pages: dict[str, tuple[str, ...]] = {}
        for number, address in enumerate(addresses, start=1):
            for host, certificate in certificates.items():
                trusted = ("--cacert", str(certificate), "--resolve", f"{host}:443:{address}")
                self._pages[f"{host.partition('.')[0]}-{number}"] = (*trusted, f"https://{host}/")
            self._pages[f"guestbook-{number}"] = (f"http://{address}:30081/",)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        pages = itertools.cycle(self._pages)
        while not self._over.wait(PAUSE):
            self.asked += 1
            self._visit(next(pages))
            if self.asked % WRITE_EVERY == 0:
                self._write()

    def curl(self, page: str, *flags: str) -> str | None:
        """What a page says; None where it does not answer as it should."""
        done = self._site.host.run("curl", "-sS", "--fail", "-m", PATIENCE, *flags, *self._pages[page])
        return done.out if done.code == 0 else None

    def _visit(self, page: str) -> None:
        began = time.monotonic()
        if self.curl(page) is None:
            self.failed += 1
            self.failing.setdefault(page, began)
        elif page in self.failing:
            self.outages[page].append((self.failing.pop(page), time.monotonic()))

    def _write(self) -> None:
        """One of each; remembered if it was acknowledged."""
        number = next(self._written)
        for page, field in (("blog", "article"), ("guestbook", "entry")):
            text = f"{field}-{number}."
            if self.curl(f"{page}-{1 + number % 2}", "-d", f"{field}={text}") is not None:
                self.acknowledged[page].append(text)
        name = f"written-{number}"
        if self._site.kubectl("create", "configmap", name, f"--from-literal=n={number}").code == 0:
            self.acknowledged["configmaps"].append(name)

    def longest(self, since: float, of: str = "") -> float:
        """Seconds of the longest outage since then, of pages whose name begins so; those that go on count so far."""
        now = time.monotonic()
        went_on = [(page, began, now) for page, began in list(self.failing.items())]
        over = [(page, began, ended) for page, found in list(self.outages.items()) for began, ended in found]
        chosen = [to - max(begun, since) for page, begun, to in went_on + over if to > since and page.startswith(of)]
        return max(chosen, default=0.0)

    def lost(self) -> list[str]:
        """What was acknowledged and is no longer there; what cannot be read counts as there, until it can."""
        problems = []
        for page in ("blog", "guestbook"):
            expected = list(self.acknowledged[page])
            if (shown := self.curl(f"{page}-1")) is not None:
                problems += [f"{page} has lost {text}" for text in expected if text not in shown]
        expected = list(self.acknowledged["configmaps"])
        if (found := self._site.try_json("get", "configmaps")) is not None:
            there = {each["metadata"]["name"] for each in found["items"]}
            problems += [f"the configmap {name} is lost" for name in expected if name not in there]
        return problems
