"""What every container runtime must do alike: containerd behind CRI, and the in-memory one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from integration.node.machine import ENDPOINT, Machine
from longboat.aio.clock import SystemClock
from longboat.node.cri.config import ContainerConfig, SandboxConfig
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.labels import CONTAINER_NAME, POD_UID

BUSYBOX = "longboat.local/busybox:1"
Test = Callable[[Runtime], Awaitable[None]]
Run = Callable[[Test], None]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    yield machine
    machine.close()


_tests = itertools.count(1)
_test = 0


def uid(pod: str = "u1") -> str:
    """Of a pod of the test that runs: what another one may have left has other names."""
    return f"{pod}-{_test}"


@pytest.fixture(params=["memory", pytest.param("containerd", marks=pytest.mark.containers)])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test with a runtime: where containers are real, inside the machine's namespaces. Nothing of it is left."""
    global _test
    _test = next(_tests)  # before it forks

    def with_runtime(make: Callable[[], Runtime], test: Test) -> None:
        async def main() -> None:
            runtime = make()
            try:
                await test(runtime)
            finally:
                for sandbox in await runtime.sandboxes():
                    await runtime.remove_sandbox(sandbox.id)
                left = (await runtime.sandboxes(), await runtime.containers())
                await runtime.close()
            assert left == ([], [])

        asyncio.run(main())

    def connect() -> Runtime:
        from longboat.node.cri.grpc import GrpcRuntime

        return GrpcRuntime(ENDPOINT)

    if request.param == "memory":
        return lambda test: with_runtime(lambda: MemoryRuntime(SystemClock()), test)
    machine: Machine = request.getfixturevalue("machine")
    return lambda test: machine.inside(lambda: with_runtime(connect, test))


def sandbox_config(pod: str = "u1", attempt: int = 0) -> SandboxConfig:
    return SandboxConfig(
        name=f"pod-{pod}", namespace="default", uid=uid(pod), attempt=attempt, hostname="pod",
        log_directory=f"/var/log/pods/default_pod_{uid(pod)}", labels={POD_UID: uid(pod)}, annotations={"note": "kept"},
    )  # fmt: skip


def container_config(*command: str, pod: str = "u1", name: str = "c", attempt: int = 0) -> ContainerConfig:
    return ContainerConfig(
        name=name, attempt=attempt, image=BUSYBOX, command=command or ("sleep", "1000"),
        labels={POD_UID: uid(pod), CONTAINER_NAME: name}, annotations={"count": "1"}, log_path=f"{name}/{attempt}.log",
    )  # fmt: skip


async def start(runtime: Runtime, *command: str, pod: str = "u1", name: str = "c") -> tuple[str, str]:
    config = sandbox_config(pod)
    sandbox = await runtime.run_sandbox(config)
    id = await runtime.create_container(sandbox, container_config(*command, pod=pod, name=name), config)
    await runtime.start_container(id)
    return sandbox, id


async def ended(runtime: Runtime, id: str) -> int:
    for _ in range(500):
        status = await runtime.container_status(id)
        if status.state == "exited":
            return status.exit_code
        await asyncio.sleep(0.01)
    raise AssertionError("it has not ended")


def test_it_is_ready(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        assert (await runtime.version()).name
        assert {c.type for c in await runtime.conditions() if c.ok} == {"RuntimeReady", "NetworkReady"}

    run(test)


def test_a_sandbox_has_an_address_of_its_own(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        ids = [await runtime.run_sandbox(sandbox_config(pod)) for pod in ("u1", "u2")]
        addresses = {(await runtime.sandbox_network(id)).ips[0] for id in ids}
        assert len(addresses) == 2
        (found,) = await runtime.sandboxes(uid("u2"))
        assert (found.id, found.uid, found.name, found.ready, found.attempt) == (
            ids[1], uid("u2"), "pod-u2", True, 0,
        )  # fmt: skip
        assert found.annotations["note"] == "kept" and found.created > 0
        await runtime.stop_sandbox(ids[1])
        assert [s.ready for s in await runtime.sandboxes(uid("u2"))] == [False]
        await runtime.remove_sandbox(ids[1])
        assert await runtime.sandboxes(uid("u2")) == []

    run(test)


def test_a_container_runs_and_is_known_by_what_was_noted_on_it(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        sandbox, id = await start(runtime)
        (found,) = await runtime.containers(uid())
        assert (found.id, found.sandbox, found.uid, found.name, found.state) == (id, sandbox, uid(), "c", "running")
        status = await runtime.container_status(id)
        assert (status.state, status.attempt, status.annotations["count"]) == ("running", 0, "1")
        assert status.created <= status.started and status.finished == 0
        assert await runtime.containers(uid("u2")) == []

    run(test)


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_code_is_remembered(run: Run, code: int) -> None:
    async def test(runtime: Runtime) -> None:
        _, id = await start(runtime, "sh", "-c", f"exit {code}")
        assert await ended(runtime, id) == code
        status = await runtime.container_status(id)
        assert status.reason == ("Completed" if code == 0 else "Error")
        assert status.finished >= status.created

    run(test)


def test_stopping_waits_for_the_end_and_may_be_repeated(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        sandbox, id = await start(runtime)
        await runtime.stop_container(id, 0)
        assert (await runtime.container_status(id)).state == "exited"
        await runtime.stop_container(id, 5)
        await runtime.remove_container(id)
        await runtime.remove_container(id)
        await runtime.stop_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)

    run(test)


def test_stopping_a_sandbox_ends_its_containers(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        sandbox, id = await start(runtime)
        await runtime.stop_sandbox(sandbox)
        assert (await runtime.container_status(id)).state == "exited"

    run(test)


def test_a_sandbox_may_be_removed_while_its_container_ends(run: Run) -> None:
    """containerd says `ttrpc: closed` of every 25th or so."""

    async def test(runtime: Runtime) -> None:
        async def remove(number: int) -> None:
            sandbox, _ = await start(runtime, "sleep", "0.05", pod=f"p{number}")
            await asyncio.sleep(0.05 + number * 0.01)
            await runtime.remove_sandbox(sandbox)

        await asyncio.gather(*(remove(number) for number in range(8)))
        assert await runtime.sandboxes() == []

    run(test)


def test_what_is_not_there_is_said_to_be_absent(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        with pytest.raises(RuntimeFailure) as caught:
            await runtime.container_status("0" * 64)
        assert caught.value.absent and str(caught.value).startswith("rpc error: code = NotFound desc = ")
        assert await runtime.image(BUSYBOX) is not None

    run(test)


def test_an_end_is_told(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        events = runtime.events()
        async with aclosing(events) as told:  # type: ignore[type-var]
            hearing = asyncio.ensure_future(anext(told))
            await asyncio.sleep(0.1)
            _, id = await start(runtime, "sh", "-c", "sleep 0.1")
            assert await asyncio.wait_for(hearing, 5) == id

    run(test)


def test_commands_run_inside(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        _, id = await start(runtime)
        done = await runtime.exec_sync(id, ["echo", "hi"], 5)
        assert (done.stdout, done.code) == (b"hi\n", 0)
        assert (await runtime.exec_sync(id, ["sh", "-c", "exit 4"], 5)).code == 4
        with pytest.raises(RuntimeFailure) as caught:
            await runtime.exec_sync(id, ["sleep", "30"], 1)
        assert caught.value.code == "DeadlineExceeded"

    run(test)


def test_a_session_ends_its_input_before_its_output(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        _, id = await start(runtime)
        session = await runtime.exec(id, ["cat"], stdin=True, tty=False, stderr=True)
        await session.write(b"half ")
        await session.write(b"close")
        await session.end_input()
        said = b""
        while (output := await session.read()) is not None:
            assert output[0] == "stdout"
            said += output[1]
        assert (said, await session.exit_code()) == (b"half close", 0)
        await session.close()

    run(test)


def test_a_session_tells_the_exit_code(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        _, id = await start(runtime)
        session = await runtime.exec(id, ["sh", "-c", "echo out; exit 9"], stdin=False, tty=False, stderr=True)
        assert await session.read() == ("stdout", b"out\n")
        assert await session.read() is None
        assert await session.exit_code() == 9
        await session.close()

    run(test)


def test_nobody_answers_where_nobody_listens(run: Run) -> None:
    async def test(runtime: Runtime) -> None:
        sandbox = await runtime.run_sandbox(sandbox_config())
        with pytest.raises(ConnectionRefusedError):
            await runtime.dial_inside(sandbox, 81)

    run(test)
