"""Mount points in volumes of files: where they are made, and that updates and they get on with each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from longboat.node import kernel
from longboat.node.cri.config import Mount
from longboat.node.errors import StartFailure
from longboat.node.paths import Paths
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod
from longboat.node.volumes import nested, payload
from longboat.node.volumes.mounts import binding, make_points, mounts
from longboat.node.volumes.payload import File
from unit.node.build import container, pod


def files(**data: str) -> dict[str, File]:
    """By path, with `__` for a slash."""
    return {name.replace("__", "/"): File(text.encode(), 0o640) for name, text in data.items()}


def test_only_the_nearest_mount_holds_a_mount_point() -> None:
    paths = ["/etc/app", "/etc/app/a", "/etc/app/a/b", "/etc/app-2/c", "/etc/apple", "/etc/app-2", "/var"]
    assert list(nested.enclosing(paths)) == [("/etc/app", "a"), ("/etc/app/a", "b"), ("/etc/app-2", "c")]
    assert nested.normal("etc//app/./x/../y/") == "/etc/app/y" and nested.normal("//etc/..") == "/"


def test_a_mount_point_stays_the_same_through_updates(tmp_path: Path) -> None:
    payload.write(tmp_path, files(a="1", deep__x="1", deep__y="1", over="1"))
    nested.make(tmp_path, "extra/more", directory=True)
    nested.make(tmp_path, "file", directory=False)
    nested.make(tmp_path, "deep/extra", directory=True)
    nested.make(tmp_path, "over", directory=False)
    before = {way: (tmp_path / way).stat().st_ino for way in ("extra/more", "file", "deep/extra", "over")}
    assert (tmp_path / "deep" / "x").read_text() == (tmp_path / "over").read_text() == "1"
    assert (tmp_path / "over").stat().st_mode & 0o7777 == 0o640

    assert payload.write(tmp_path, files(a="2", deep__x="2", deep__z="2", over="2", new="2"))
    assert {way: (tmp_path / way).stat().st_ino for way in before} == before
    assert {(tmp_path / way).read_text() for way in ("a", "deep/x", "deep/z", "over", "new")} == {"2"}
    assert sorted(os.listdir(tmp_path / "deep")) == ["extra", "x", "z"]
    assert not payload.write(tmp_path, files(a="2", deep__x="2", deep__z="2", over="2", new="2"))

    assert payload.write(tmp_path, {})
    assert {name for name in os.listdir(tmp_path) if not name.startswith("..")} == {"extra", "file", "deep", "over"}
    assert os.listdir(tmp_path / "deep") == ["extra"] and (tmp_path / "over").read_text() == ""


def test_a_directory_to_mount_on_wins_over_a_file(tmp_path: Path) -> None:
    payload.write(tmp_path, files(a="1", b="1", c="1"))
    nested.make(tmp_path, "a", directory=True)
    nested.make(tmp_path, "b/in", directory=False)
    assert (tmp_path / "a").is_dir() and (tmp_path / "b" / "in").is_file()
    assert payload.write(tmp_path, files(a="2", b="2", c="2"))
    assert (tmp_path / "a").is_dir() and (tmp_path / "c").read_text() == "2"
    nested.make(tmp_path, "..data/x", directory=True)  # never the volume's own bookkeeping
    assert payload.write(tmp_path, files(c="3")) and (tmp_path / "c").read_text() == "3"


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    yield Paths(root=tmp_path / "root")
    for point in kernel.mount_points(tmp_path):
        kernel.unmount(point)


def shown(it: Pod, main: Container, places: dict[str, Path], env: dict[str, str], paths: Paths) -> list[Mount]:
    """What a container that starts now is given."""
    found = mounts(it, main, places, env, binding(paths))
    make_points(it, main, found)
    return found


@pytest.mark.root
def test_a_part_of_a_volume_has_mount_points_and_stays_as_it_was(tmp_path: Path, paths: Paths) -> None:
    volume, scratch, file = tmp_path / "v", tmp_path / "s", tmp_path / "f"
    volume.mkdir(), scratch.mkdir(), file.touch()
    payload.write(volume, files(deep__x="1"))
    wanted = container(
        volumeMounts=[
            {"name": "v", "mountPath": "/app", "subPath": "deep"},
            {"name": "s", "mountPath": "/app/more/"},
            {"name": "f", "mountPath": "/app/file"},
            {"name": "v", "mountPath": "/whole"},
            {"name": "s", "mountPath": "/whole/deep/more"},
            {"name": "v", "mountPath": "/whole/deep/again", "subPathExpr": "$(WHICH)"},
        ],
        terminationMessagePath="/whole/message",
    )
    volumes = [
        {"name": "v", "configMap": {"name": "x"}}, {"name": "s", "emptyDir": {}}, {"name": "f", "hostPath": {}},
    ]  # fmt: skip
    it, places = pod("p", wanted, volumes=volumes), {"v": volume, "s": scratch, "f": file}
    main = it.spec.containers[0]
    found = {m.inside: m for m in shown(it, main, places, {"WHICH": "deep"}, paths)}
    part = Path(found["/app"].host)
    assert part.is_relative_to(paths.root) and all(found[name].read_only for name in ("/app", "/whole"))
    assert (part / "more").is_dir() and (part / "file").is_file() and (part / "x").read_text() == "1"
    assert (volume / "deep" / "more").is_dir() and (volume / "message").is_file()
    assert sorted(os.listdir(found["/whole/deep/again"].host)) == ["file", "more", "x"]  # real files, not links
    assert not payload.write(volume, files(deep__x="1"))

    assert payload.write(volume, files(deep__x="2"))
    assert (part / "x").read_text() == "1" and (part / "more").is_dir()  # as upstream: a part is not updated
    assert (volume / "deep" / "x").read_text() == "2"
    again = {m.inside: m for m in shown(it, main, places, {"WHICH": "deep"}, paths)}  # it starts again
    assert payload.write(volume, files(deep__x="3"))
    assert (Path(again["/app"].host) / "x").read_text() == "2"
    assert len([name for name in os.listdir(volume) if name.startswith("..")]) == 3  # the version of the first is gone


@pytest.mark.root
def test_what_lies_beneath_a_file_is_refused(tmp_path: Path, paths: Paths) -> None:
    volume = tmp_path / "v"
    volume.mkdir()
    payload.write(volume, files(x="1"))
    wanted = container(
        volumeMounts=[
            {"name": "v", "mountPath": "/app", "subPath": "x"}, {"name": "v", "mountPath": "/app/more"},
        ]
    )  # fmt: skip
    it = pod("p", wanted, volumes=[{"name": "v", "configMap": {"name": "x"}}])
    with pytest.raises(StartFailure) as caught:
        shown(it, it.spec.containers[0], {"v": volume}, {}, paths)
    assert caught.value.message == 'cannot make the mount point "/app/more" of container "c": Not a directory'
