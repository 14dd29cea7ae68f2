"""Whoever takes over HAProxy by what clients send it has a process that can do nothing, and sees nothing."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path

import pytest

from attack.site import Site, until
from attack.test_ingress_certificates import pair, reached, shows, tls
from longboat.network.ingress.haproxy import CAPABILITIES, account

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
BITS = {"kill": 5, "setgid": 6, "setuid": 7, "net_bind_service": 10, "sys_chroot": 18}


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def workers_can_do_nothing(site: Site) -> set[int]:
    """Returns who they are."""
    found = set(site.workers())
    assert found
    user = pwd.getpwnam(account()[0])
    for worker in found:
        root, told = Path(f"/proc/{worker}/root"), status(worker)
        assert os.readlink(root) == str(site.settings.jail) and not list(root.iterdir())
        assert told["Uid"].split() == [str(user.pw_uid)] * 4 and told["Gid"].split() == [str(user.pw_gid)] * 4
        assert told["Groups"].split() in ([], [str(user.pw_gid)])
        assert {told[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
        assert told["NoNewPrivs"] == "1"
        limits = Path(f"/proc/{worker}/limits").read_text()
        assert next(line.split()[4:6] for line in limits.splitlines() if "core file" in line) == ["0", "0"]
    return found


def test_workers_are_nobody_in_an_empty_directory_before_and_after_a_reload() -> None:
    async def play() -> None:
        async with Site() as site:
            await site.namespace("a")
            first, second = pair("a.example.com"), pair("a.example.com")
            await site.secret("a/web", *first)
            await site.ingress("a/web", "a.example.com/", **tls("web", "a.example.com"))
            await until(lambda: shows(site, "a.example.com", first[0]))
            before = workers_can_do_nothing(site)
            await site.secret("a/web", *second)  # through the runtime API
            await until(lambda: shows(site, "a.example.com", second[0]))
            await site.ingress("a/more", "b.example.com/")  # by a reload, which takes over the sockets
            await until(lambda: reached(site, "b.example.com"))
            assert await shows(site, "a.example.com", second[0])

            async def others_work() -> bool:
                return bool(now := set(site.workers())) and not now & before

            await until(others_work)
            workers_can_do_nothing(site)
            master, allowed = status(site.master), sum(1 << BITS[each] for each in CAPABILITIES)
            assert master["NoNewPrivs"] == "1"
            assert int(master["CapEff"], 16) == int(master["CapBnd"], 16) == allowed
            variables = Path(f"/proc/{site.master}/environ").read_bytes().split(b"\0")
            assert [each for each in variables if each and not each.startswith(b"HAPROXY_")] == []
            folder = site.settings.folder
            readable = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
            assert readable == [], "keys and sockets are for root alone"

    asyncio.run(play())


def test_reloads_do_not_pile_up_workers() -> None:
    """A worker goes on while it has a connection: one kept open for each change of an Ingress kept all of them."""

    async def play() -> None:
        async with Site(generations=1) as site:
            await site.namespace("a")
            await site.ingress("a/web", "a.example.com/")
            await until(lambda: reached(site, "a.example.com"))
            seen: set[int] = set()
            for number in range(4):
                _, held = await asyncio.open_connection("127.0.0.1", site.settings.http)
                site.held.append(held)
                seen.update(site.workers())
                await site.ingress(f"a/web-{number}", f"{number}.a.example.com/")
                await until(lambda number=number: reached(site, f"{number}.a.example.com"))
            assert len(seen) >= 4

            async def few() -> bool:
                return len(site.workers()) <= 1 + 1 + 1

            await until(few, patience=3.0)

    asyncio.run(play())


def test_connections_are_bounded_whatever_the_system_allows() -> None:
    """Without a bound of its own it takes half as many as it may have descriptors: 262,144 under systemd, 16 GiB."""

    async def play() -> None:
        async with Site(descriptors=400) as site:
            await site.namespace("a")
            await site.ingress("a/web", "a.example.com/")
            await until(lambda: reached(site, "a.example.com"))
            for _ in range(250):
                _, held = await asyncio.open_connection("127.0.0.1", site.settings.http)
                site.held.append(held)

            async def full() -> bool:
                info = await figures(site)
                return info["CurrConns"] == info["Maxconn"]

            await until(full)
            assert 150 <= (await figures(site))["Maxconn"] <= 200

    asyncio.run(play())


async def figures(site: Site) -> dict[str, int]:
    reader, writer = await asyncio.open_unix_connection(str(site.settings.runtime))
    writer.write(b"show info\n")
    lines = (await reader.read(-1)).decode().splitlines()
    writer.close()
    found = (line.split(": ", 1) for line in lines if ": " in line)
    return {name: int(value) for name, value in found if value.isdigit()}
