import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.files import write_atomic


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_what_was_written_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("files") / "new" / "folder" / "file"
    write_atomic(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert os.listdir(path.parent) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


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


def test_a_folder_that_cannot_be_made_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        write_atomic(tmp_path / "file" / "below", "text")
    assert (tmp_path / "file").read_text() == "in the way"
