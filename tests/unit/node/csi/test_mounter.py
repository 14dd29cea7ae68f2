"""Staging and publishing: in order, shared between pods, found again, and nothing forgotten whatever fails."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from longboat.aio.clock import VirtualClock
from longboat.node.csi.wanted import attachment_name
from longboat.node.errors import StillMounted, VolumeError
from longboat.node.views.storage import AttachmentStatus, SecretRef, TokenRequest, VolumeAttachment
from unit.node.build import pod
from unit.node.csi.fake import NAME, Setting, wanted

P, Q = pod("p"), pod("q")


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_staged_once_published_for_each_and_back(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path)
        places = await asyncio.gather(*(here.volumes.set_up(each, wanted()) for each in (P, Q)))
        assert here.plugin.calls == ["NodeStageVolume", "NodePublishVolume", "NodePublishVolume"]
        assert sorted(here.plugin.published) == sorted(map(str, places))
        await here.volumes.set_up(P, wanted())
        assert len(here.plugin.calls) == 3, "what is there is left alone"
        await here.volumes.tear_down(P.uid)
        assert here.plugin.staged
        await here.volumes.tear_down(Q.uid)
        assert here.plugin.calls[3:] == ["NodeUnpublishVolume", "NodeUnpublishVolume", "NodeUnstageVolume"]
        assert here.left() == []

    run(work)


def test_a_driver_that_does_not_stage_is_not_asked_to(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path, "GET_VOLUME_STATS")
        await here.volumes.set_up(P, wanted())
        await here.volumes.tear_down(P.uid)
        assert here.plugin.calls == ["NodePublishVolume", "NodeUnpublishVolume"]
        assert here.plugin.requests[0].staging_target_path == ""

    run(work)


def test_a_device_is_a_file_of_its_pod(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path)
        place = await here.volumes.set_up(P, wanted(is_block=True))
        assert place.is_file() and place.name == P.uid
        await here.volumes.set_up(Q, wanted(is_block=True))
        here.again()
        await here.volumes.tear_down(P.uid)
        assert here.plugin.staged and not place.exists()
        await here.volumes.tear_down(Q.uid)
        assert not here.plugin.staged and here.left() == []

    run(work)


def test_a_failure_that_is_final_leaves_nothing_and_any_other_leaves_its_record(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path)
        here.plugin.fail = {"NodeStageVolume": ("INTERNAL", "boom")}
        with pytest.raises(VolumeError) as caught:
            await here.volumes.set_up(P, wanted())
        assert str(caught.value) == (
            'MountVolume.MountDevice failed for volume "pv" : rpc error: code = Internal desc = boom'
        )
        assert here.left() == []
        here.plugin.fail = {"NodeStageVolume": ("DEADLINE_EXCEEDED", "slow")}
        with pytest.raises(VolumeError, match="DeadlineExceeded"):
            await here.volumes.set_up(P, wanted())
        here.plugin.fail = {}
        await here.volumes.tear_down(P.uid)
        assert here.plugin.calls[-1] == "NodeUnstageVolume", "it may have been staged after all"
        assert here.left() == []

    run(work)


def test_what_cannot_be_taken_down_stays_noted(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path)
        await here.volumes.set_up(P, wanted())
        here.plugin.fail = {"NodeUnpublishVolume": ("INTERNAL", "stuck")}
        with pytest.raises(StillMounted, match=r'UnmountVolume.TearDown failed for volume "pv" : .*stuck'):
            await here.volumes.tear_down(P.uid)
        here.drivers.remove(NAME)
        with pytest.raises(StillMounted, match="driver name disks not found in the list of registered CSI drivers"):
            await here.volumes.tear_down(P.uid)
        here.drivers.add(here.driver)
        here.plugin.fail = {}
        here.again()
        await here.volumes.tear_down(P.uid)
        assert here.left() == [] and not here.plugin.staged

    run(work)


def test_an_attachment_is_waited_for(tmp_path: Path) -> None:
    clock = VirtualClock()
    here = Setting(tmp_path, clock=clock, attachRequired=True)
    name, unique = attachment_name(NAME, wanted().handle, "n"), f"kubernetes.io/csi/{NAME}^{wanted().handle}"

    async def work() -> None:
        async def settle() -> None:
            for _ in range(50):
                await asyncio.sleep(0.001)

        clock.settle = settle
        waiting = asyncio.ensure_future(here.volumes.set_up(P, wanted()))
        await clock.advance(30)
        with pytest.raises(VolumeError) as caught:
            await waiting
        assert caught.value.quiet and here.plugin.calls == [] and here.storage.in_use == []
        attached = AttachmentStatus(attached=True, attachmentMetadata={"slot": "1"})
        here.storage.attachments[name] = VolumeAttachment(status=attached)
        await here.volumes.set_up(P, wanted())
        assert dict(here.plugin.requests[0].publish_context) == {"slot": "1"}
        assert here.storage.in_use == [unique]
        here.storage.in_use = []
        here.again()
        await here.volumes.recover()
        await here.volumes.tidy()
        assert here.storage.in_use == [unique], "the next agent says so again"
        await here.volumes.tear_down(P.uid)
        assert here.storage.in_use == []

    asyncio.run(work())


def test_secrets_and_tokens_go_where_they_belong(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path)
        ref = SecretRef(namespace="default", name="s")
        with pytest.raises(VolumeError, match=r"MountDevice .*NodeStageSecretRef default/s failed: .*not found"):
            await here.volumes.set_up(P, wanted(stage_secret=ref))
        here.storage.secrets[ref] = {"key": "sesame"}
        tokens = [TokenRequest(audience="a")]
        here.describe(attachRequired=False, tokenRequests=tokens, serviceAccountTokenInSecrets=True)
        await here.volumes.set_up(P, wanted(stage_secret=ref))
        stage, publish = here.plugin.requests[-2:]
        assert dict(stage.secrets) == {"key": "sesame"}
        assert "token for a" in publish.secrets["csi.storage.k8s.io/serviceAccount.tokens"]
        assert dict(publish.volume_context) == {}

    run(work)


def test_a_driver_that_wants_it_is_asked_again_and_again(tmp_path: Path) -> None:
    async def work() -> None:
        here = Setting(tmp_path, requiresRepublish=True)
        for _ in range(3):
            await here.volumes.set_up(P, wanted())
        assert here.plugin.calls == ["NodeStageVolume", *["NodePublishVolume"] * 3]

    run(work)


class Lives(RuleBasedStateMachine):
    """Pods come and go, drivers fail, agents die: what is published is wanted, and in the end nothing is left."""

    pods = st.integers(0, 2)
    names = st.sampled_from(["a", "b"])

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.here = Setting(self.folder)
        self.pods_ = [pod(f"p{i}") for i in range(3)]
        self.alive: set[tuple[int, str]] = set()

    @rule(number=pods, name=names, block=st.booleans(), fail=st.sampled_from(["", "INTERNAL", "UNAVAILABLE"]),
          rpc=st.sampled_from(["NodeStageVolume", "NodePublishVolume"]))  # fmt: skip
    def set_up(self, number: int, name: str, block: bool, fail: str, rpc: str) -> None:
        self.here.plugin.fail = {rpc: (fail, "")} if fail else {}
        kind = f"{name}-device" if block else name
        try:
            asyncio.run(_bounded(self.here.volumes.set_up(self.pods_[number], wanted(kind, is_block=block))))
        except VolumeError:
            assert fail
        else:
            self.alive.add((number, kind))
        self.here.plugin.fail = {}

    @rule(number=pods, fail=st.sampled_from(["", "", "INTERNAL", "ABORTED"]),
          rpc=st.sampled_from(["NodeUnstageVolume", "NodeUnpublishVolume"]))  # fmt: skip
    def tear_down(self, number: int, fail: str, rpc: str) -> None:
        self.here.plugin.fail = {rpc: (fail, "")} if fail else {}
        try:
            asyncio.run(_bounded(self.here.volumes.tear_down(self.pods_[number].uid)))
        except StillMounted:
            assert fail
        self.alive = {(n, k) for n, k in self.alive if n != number or self._is_published(n, k)}
        self.here.plugin.fail = {}

    @rule()
    def die(self) -> None:
        self.here.again()

    @rule()
    def tidy(self) -> None:
        asyncio.run(_bounded(self.here.volumes.tidy()))

    def _is_published(self, number: int, kind: str) -> bool:
        uid = self.pods_[number].uid
        return any(uid in target and volume == f"handle of {kind}" for target, volume in self._published())

    def _published(self) -> list[tuple[str, str]]:
        return list(self.here.plugin.published.items())

    @invariant()
    def what_runs_has_its_volumes(self) -> None:
        if hasattr(self, "here"):
            assert all(self._is_published(number, kind) for number, kind in self.alive)

    def teardown(self) -> None:
        if not hasattr(self, "here"):
            return
        try:
            for each in self.pods_:
                asyncio.run(_bounded(self.here.volumes.tear_down(each.uid)))
            asyncio.run(_bounded(self.here.volumes.tidy()))
            assert (self.here.plugin.published, self.here.plugin.staged, self.here.left()) == ({}, set(), [])
        finally:
            shutil.rmtree(self.folder)


async def _bounded(work: Awaitable[object]) -> None:
    async with asyncio.timeout(10):
        await work


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
