"""What a namespace's Ingress serves no other namespace takes over: neither paths nor certificates nor what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from attack.site import Site, until
from attack.test_ingress_certificates import certificate, key_pem, pair, reached, shows, tls, until_told
from longboat.api import kinds
from longboat.client.interface import Key

# Of the two namespaces `a` counts as the older even within one second: then names decide.
pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
TO = {"service": {"name": "web", "port": {"number": 80}}}


def play(attack: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Site() as site:
            await site.namespace("a", "b")
            await attack(site)

    asyncio.run(run())


async def seen(site: Site, number: int) -> None:
    """Return when everything before this has been taken in."""
    await site.ingress(f"a/seen-{number}", f"seen-{number}.a.example.com/")
    await until(lambda: reached(site, f"seen-{number}.a.example.com"))


def test_a_younger_ingress_of_another_namespace_gets_no_part_of_a_host() -> None:
    async def attack(site: Site) -> None:
        await site.ingress("a/web", "a.example.com/app", "*.wild.example.com/app", "/app")
        places = (
            "a.example.com/login",
            "x.wild.example.com/login",
            "*.wild.example.com/login",
            "/login",
            "b.example.com/",
        )
        await site.ingress("b/thief", *places, defaultBackend=TO)
        await site.ingress("b/rest", "*.example.com/", defaultBackend=TO)
        await seen(site, 1)
        for host in ("a.example.com", "x.wild.example.com", "y.wild.example.com", "192.0.2.1"):
            assert await reached(site, host, "/app"), host
            if host != "192.0.2.1":  # nobody's: what is left of it goes to the default backend, which is b's
                assert await site.status(host, "/login") == 404, host
        assert await reached(site, "b.example.com") and await reached(site, "c.example.com")
        told = str((await until_told(site, "b/thief", "Conflict"))["message"])
        assert "a.example.com, x.wild.example.com, *.wild.example.com, rules without a host" in told
        assert "a/web" not in told, "whose it is, is not for others to know"

    play(attack)


def test_there_is_one_default_backend_the_oldest() -> None:
    async def attack(site: Site) -> None:
        await site.ingress("a/web", "a.example.com/app", defaultBackend=TO)
        await site.ingress("b/thief", defaultBackend=TO)
        await seen(site, 1)
        assert "str(a_web_80)" in site.settings.file.read_text()
        assert "default backend" in str((await until_told(site, "b/thief", "Conflict"))["message"])

    play(attack)


def test_nobody_elses_certificate_is_shown_for_a_host() -> None:
    """Not that of a younger one, not for clients of another kind of key, not by the names in it, nor by a wildcard."""

    async def attack(site: Site) -> None:
        key = rsa.generate_private_key(65537, 2048)
        own = certificate(key, "a.example.com")
        await site.secret("a/web", own, key_pem(key))
        await site.ingress("a/web", "a.example.com/", "plain.example.com/", **tls("web", "a.example.com"))
        await site.secret("b/web", *pair("a.example.com", "plain.example.com", "*.example.com", "b.example.com"))
        await site.ingress("b/same", "b.example.com/", **tls("web", "a.example.com", "*.example.com"))
        await site.ingress("b/names", defaultBackend=TO, tls=[{"secretName": "web"}])
        await seen(site, 1)
        stand_in = await site.shown("nobody.example.org")

        async def wildcard_is_shown() -> bool:
            return await site.shown("c.example.com") != stand_in

        await until(wildcard_is_shown)
        for ciphers in ("", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"):
            assert await shows(site, "a.example.com", own)
            assert await site.shown("plain.example.com", ciphers) == stand_in

    play(attack)


def test_a_path_cannot_become_another_line() -> None:
    """HAProxy reads maps by lines of 16 KiB: what a longer path ended with was a route of its own, for any host."""

    async def attack(site: Site) -> None:
        head = "b.example.com/"
        await site.ingress("a/web", "a.example.com/app")
        await site.ingress("b/thief", f"{head}{'x' * (16383 - len(head))}victim.example.com/")
        await seen(site, 1)
        assert await site.status("victim.example.com") == 404
        assert "longer than" in str((await until_told(site, "b/thief", "Unsupported"))["message"])

    play(attack)


def test_no_number_of_hosts_stops_the_others() -> None:
    """More than 2,048 of one certificate were refused, and with them everything else."""

    async def attack(site: Site) -> None:
        await site.ingress("a/web", "a.example.com/")
        await until(lambda: reached(site, "a.example.com"))
        await site.secret("b/web", *pair("b.example.com"))
        await site.ingress(
            "b/web", "b.example.com/", **tls("web", *(f"{'b' * 60}.{n}.example.com" for n in range(2500)))
        )
        await seen(site, 1)

        async def shown() -> bool:
            return await site.shown(f"{'b' * 60}.2499.example.com") != await site.shown("nobody.example.com")

        await until(shown)

    play(attack)


def test_a_class_may_share_its_hosts() -> None:
    async def attack(site: Site) -> None:
        note: dict[str, Any] = {"metadata": {"annotations": {"longboat.dev/shared-hosts": "true"}}}
        await site.client.patch(kinds.INGRESS_CLASS, Key("", "longboat"), note)
        await site.ingress("a/web", "a.example.com/app")
        await site.ingress("b/other", "a.example.com/login", "a.example.com/app")
        await until(lambda: reached(site, "a.example.com", "/login"))

        async def told() -> bool:
            events = await site.events("b/other")
            return any("a.example.com/app/ is served for an Ingress of another" in each["message"] for each in events)

        await until(told)

    play(attack)
