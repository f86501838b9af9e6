import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.errors import LessonError
from lessons.files import ABANDONED, check_writable, emptied, write_atomic


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_what_was_written_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("files") / "new" / "folder" / "file"
    write_atomic(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_umask_is_kept_and_so_are_an_old_files_rights(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "new", "mine alone")
        (tmp_path / "old").write_text("for the group")
        (tmp_path / "old").chmod(0o640)
        write_atomic(tmp_path / "old", "still")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or a pipe"):
        write_atomic(tmp_path / "pipe", "text")
    with pytest.raises(LessonError, match=r"pipe cannot be written \(it is a device or a pipe"):
        check_writable(tmp_path / "pipe")
    assert os.listdir(tmp_path) == ["pipe"] and not (tmp_path / "pipe").is_file()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_atomic(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "inside").write_text("old")
    with pytest.raises(OSError):
        write_atomic(tmp_path / "target", "new")
    assert os.listdir(tmp_path) == ["target"]
    assert (tmp_path / "target" / "inside").read_text() == "old"


def test_a_reader_never_sees_a_part(tmp_path):
    path = tmp_path / "file"
    versions = {letter * 50_000 for letter in "ab"}
    write_atomic(path, "a" * 50_000)
    done = threading.Event()

    def write():
        for _ in range(50):
            for text in versions:
                write_atomic(path, text)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    writer.join()
    assert seen and seen <= versions


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'a "quote"', "größe", "a#b%20", "$HOME", "[x]*?", "-x", "~", "."]
)
def test_any_name_is_taken_as_it_is(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for path in (f"{name}/{name}.json", f"{name} file"):
        check_writable(path)
        write_atomic(path, "text")
        assert (tmp_path / path).read_text() == "text"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of a file's size")
def test_a_full_disk_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path):
    import resource

    write_atomic(tmp_path / "file", "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, before[1]))
    try:
        with pytest.raises(OSError):
            write_atomic(tmp_path / "file", "a new text")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "file").read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        write_atomic(tmp_path / "file" / "below", "text")
    assert (tmp_path / "file").read_text() == "in the way"


def test_what_killed_writers_left_is_dropped_once_nobody_can_be_writing_it(tmp_path):
    then = time.time() - ABANDONED - 1
    for name in (".file.0123456789ab", ".file.ba9876543210", ".other.0123456789ab", ".file.diary"):
        (tmp_path / name).write_text("part")
        os.utime(tmp_path / name, (then, then))
    (tmp_path / ".file.ba9876543210").touch()
    write_atomic(tmp_path / "file", "text")
    assert sorted(os.listdir(tmp_path)) == [
        ".file.ba9876543210", ".file.diary", ".other.0123456789ab", "file",
    ]  # fmt: skip


def test_a_folder_for_what_is_thrown_away_is_empty_at_both_ends(tmp_path):
    (tmp_path / "work" / "left").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), emptied(tmp_path / "work") as folder:
        assert os.listdir(folder) == []
        (folder / "more").touch()
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_where_no_folder_can_be_made_there_is_another(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with emptied(tmp_path / "file" / "work") as folder:
        assert folder.is_dir()
