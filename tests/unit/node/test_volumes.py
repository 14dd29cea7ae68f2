"""Files that change as one, and never lie where they should not."""

from __future__ import annotations

import errno
import os
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.node import kernel
from longboat.node.make.fields import Surroundings
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.volumes import (
    EmptyDirSource,
    HostPathSource,
    KeyToPath,
    ProjectedSource,
    Projection,
    TokenProjection,
)
from longboat.node.volumes import config_map, empty_dir, host_path, ownership, payload, projected, secret
from longboat.node.volumes.payload import File
from unit.node.build import container, pod


def files_in(volume: Path) -> dict[str, bytes]:
    """What a container sees: entries that are not bookkeeping, through their links."""
    return {
        str(Path(directory, name).relative_to(volume)): Path(directory, name).read_bytes()
        for directory, _, names in os.walk(volume, followlinks=True)
        for name in names
        if not str(Path(directory, name).relative_to(volume)).startswith("..")
    }


segments = st.text("abc.", min_size=1, max_size=3).filter(lambda s: not s.startswith(".") and s not in (".", ".."))
names = st.lists(segments, min_size=1, max_size=2).map("/".join)


@given(st.lists(st.dictionaries(names, st.binary(max_size=5), max_size=4), min_size=1, max_size=4))
def test_a_volume_holds_exactly_its_last_payload(
    tmp_path_factory: pytest.TempPathFactory, versions: list[dict[str, bytes]]
) -> None:
    volume = tmp_path_factory.mktemp("v")
    last: dict[str, bytes] = {}
    for version in versions:
        tops = {name.split("/")[0] for name in version if "/" in name}
        version = {name: data for name, data in version.items() if "/" in name or name not in tops}
        payload.write(volume, {name: File(data, 0o644) for name, data in version.items()})
        last = version
    assert files_in(volume) == last
    assert len([e for e in os.listdir(volume) if e.startswith("..")]) == 2  # the link and its target


def test_the_same_payload_changes_nothing(tmp_path: Path) -> None:
    files = {"a": File(b"1", 0o400)}
    assert payload.write(tmp_path, files)
    before = os.readlink(tmp_path / "..data")
    assert not payload.write(tmp_path, files)
    assert os.readlink(tmp_path / "..data") == before
    assert payload.write(tmp_path, {"a": File(b"1", 0o600)})
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_readers_of_one_version_never_see_another(tmp_path: Path) -> None:
    payload.write(tmp_path, {"a": File(b"1", 0o644), "b": File(b"1", 0o644)})
    held = os.open(tmp_path / "..data", os.O_RDONLY | os.O_DIRECTORY)
    payload.write(tmp_path, {"a": File(b"2", 0o644), "b": File(b"2", 0o644)})
    assert {(tmp_path / name).read_bytes() for name in "ab"} == {b"2"}
    assert os.listdir(held) == []
    os.close(held)


@pytest.mark.parametrize(
    "path", ["", ".", "./", "/etc/passwd", "../x", "a/../b", "..data", "./..data", "a/..", "./a", "a//b", "x" * 5000]
)
def test_no_path_leads_out_of_its_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="invalid path"):
        payload.write(tmp_path, {path: File(b"", 0o644)})
    assert os.listdir(tmp_path) == []


def test_a_path_is_written_as_short_as_it_can_be() -> None:
    items = [KeyToPath(key="a", path="./x//y"), KeyToPath(key="a", path="z/.")]
    found = config_map.files(ConfigMap(data={"a": "1"}), items, 0o644, False, "cm")
    assert found == {"x/y": File(b"1", 0o644), "z": File(b"1", 0o644)}


def test_paths_that_clash_leave_nothing_behind(tmp_path: Path) -> None:
    payload.write(tmp_path, {"a": File(b"1", 0o644)})
    before = sorted(os.listdir(tmp_path))
    for _ in range(3):
        with pytest.raises(ValueError, match="conflicting paths in volume: 'a' and 'a/b'"):
            payload.write(tmp_path, {"a": File(b"2", 0o644), "a/b": File(b"2", 0o644)})
    assert sorted(os.listdir(tmp_path)) == before and (tmp_path / "a").read_bytes() == b"1"


def test_entries_of_config_maps_and_secrets() -> None:
    found = ConfigMap(data={"a": "1"}, binaryData={"b": b64encode(b"\xff").decode()})
    assert config_map.files(found, [], 0o644, False, "cm") == {"a": File(b"1", 0o644), "b": File(b"\xff", 0o644)}
    items = [KeyToPath(key="a", path="x/y", mode=0o400), KeyToPath(key="no", path="z")]
    assert config_map.files(found, items, 0o644, True, "cm") == {"x/y": File(b"1", 0o400)}
    with pytest.raises(ValueError, match="configmap references non-existent config key: no"):
        config_map.files(found, items, 0o644, False, "cm")
    with pytest.raises(ValueError, match='configmap "cm" not found'):
        config_map.files(None, [], 0o644, False, "cm")
    assert secret.files(None, [], 0o644, True, "s") == {}
    assert secret.files(Secret(data={"a": "MQ=="}), [], 0o600, False, "s") == {"a": File(b"1", 0o600)}


def test_a_token_is_for_whom_the_containers_run_as() -> None:
    wanted = TokenProjection(path="token")
    source = ProjectedSource(sources=[Projection(serviceAccountToken=wanted)], defaultMode=0o644)

    def file(**spec: object) -> File:
        return projected.files(pod("p", container(), **spec), source, {}, {}, {wanted: "t"}, Surroundings())["token"]

    assert file() == File(b"t", 0o644)
    assert file(securityContext={"runAsUser": 7}) == File(b"t", 0o600, 7)
    assert file(securityContext={"runAsUser": 7, "fsGroup": 8}) == File(b"t", 0o600)


def test_the_smaller_limit_of_a_memory_volume_holds() -> None:
    assert empty_dir.size(EmptyDirSource(sizeLimit="1Mi"), 2 << 20) == 1 << 20
    assert empty_dir.size(EmptyDirSource(), 2 << 20) == 2 << 20
    assert empty_dir.size(EmptyDirSource(), 0) == 0


def test_host_paths_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    assert host_path.set_up(HostPathSource(path=str(made), type="DirectoryOrCreate")) == made
    assert made.is_dir()
    host_path.set_up(HostPathSource(path=str(made / "f"), type="FileOrCreate"))
    with pytest.raises(ValueError, match=r"hostPath type check failed: .* is not a directory"):
        host_path.set_up(HostPathSource(path=str(made / "f"), type="Directory"))
    with pytest.raises(ValueError, match="is not a socket"):
        host_path.set_up(HostPathSource(path=str(made / "none"), type="Socket"))


def test_nothing_is_opened_beyond_its_directory(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_text("no")
    (inside / "file").write_text("yes")
    (inside / "link").symlink_to("file")
    (inside / "out").symlink_to("../secret")
    (inside / "root").symlink_to("/etc/passwd")
    directory = os.open(inside, os.O_PATH)
    try:
        for path in ("../secret", "out", "root", "/etc/passwd"):
            with pytest.raises(OSError) as caught:
                kernel.open_beneath(directory, path, os.O_RDONLY, symlinks=True)
            assert caught.value.errno == errno.EXDEV
        with pytest.raises(OSError) as caught:
            kernel.open_beneath(directory, "link", os.O_RDONLY)
        assert caught.value.errno == errno.ELOOP
        with os.fdopen(kernel.open_beneath(directory, "link", os.O_RDONLY, symlinks=True)) as file:
            assert file.read() == "yes"
    finally:
        os.close(directory)


@pytest.mark.root
def test_a_volume_is_given_to_its_group(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "f").write_text("x")
    (tmp_path / "d" / "f").chmod(0o600)
    (tmp_path / "l").symlink_to("/etc/passwd")
    before = os.stat("/etc/passwd").st_gid
    ownership.give_to(tmp_path, 2000, only_if_root_differs=False)
    assert (tmp_path / "d" / "f").stat().st_gid == 2000 and (tmp_path / "d" / "f").stat().st_mode & 0o777 == 0o660
    assert tmp_path.stat().st_mode & 0o2070 == 0o2070
    assert os.stat("/etc/passwd").st_gid == before
    (tmp_path / "d" / "f").chmod(0o600)
    ownership.give_to(tmp_path, 2000, only_if_root_differs=True)
    assert (tmp_path / "d" / "f").stat().st_mode & 0o777 == 0o600
