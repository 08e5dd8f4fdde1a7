import os
import time

import pytest

from tornadolike._web import kept_files
from tornadolike._web.kept_files import KeptFiles


@pytest.fixture
def make(tmp_path):
    def make(name="file", size=10):
        path = tmp_path / name
        path.write_bytes(b"x" * size)
        return path

    return make


def later(path, seconds):
    found = path.stat()
    return max(found.st_mtime, found.st_ctime) + seconds


def keep(files, path, key=None, now=1000):
    files.keep(key or str(path), path.stat(), path.read_bytes(), now)


def test_a_file_is_kept_until_anything_is_done_to_it(tmp_path, make):
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(b"y" * 10)

    def is_noticed(change):
        path.unlink(missing_ok=True)
        files = KeptFiles()
        keep(files, make())
        assert files.get(str(path), os.stat(path), 1010) == b"x" * 10
        path.read_bytes()
        assert files.get(str(path), os.stat(path), 1010) == b"x" * 10
        change()
        return files.get(str(path), os.stat(path), 1010) is None

    def with_old_time(change):
        """As tools do that copy times, or set them back."""
        before = path.stat()
        time.sleep(0.02)  # the clock of the file system goes on
        change()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert is_noticed(lambda: path.write_bytes(b"y" * 9))
    assert is_noticed(lambda: with_old_time(lambda: path.write_bytes(b"y" * 10)))
    assert is_noticed(lambda: with_old_time(lambda: os.replace(other, path)))
    assert is_noticed(lambda: (path.unlink(), path.symlink_to(__file__)))
    assert is_noticed(lambda: (path.unlink(), path.mkdir()))
    path.rmdir()


@pytest.mark.skipif(os.name != "posix", reason="only there a change always shows")
def test_only_small_files_at_rest_are_admitted(make):
    files, path = KeptFiles(), make()
    assert files.admits(path.stat(), later(path, 3))
    assert not files.admits(path.stat(), later(path, 1))
    assert not files.admits(path.stat(), later(path, -100))
    os.utime(path, (1, 1))
    # The time of the last change cannot be set back.
    assert not files.admits(path.stat(), later(path, 1))
    assert not files.admits(make("empty", 0).stat(), later(path, 100))
    assert files.admits(make("most", kept_files.MAX_FILE_BYTES).stat(), later(path, 100))
    assert not files.admits(make("more", kept_files.MAX_FILE_BYTES + 1).stat(), later(path, 100))


def test_they_are_bounded_in_bytes_and_number(make, monkeypatch):
    monkeypatch.setattr(kept_files, "MAX_BYTES", 100)
    monkeypatch.setattr(kept_files, "MAX_FILES", 15)
    files = KeptFiles()
    for size in (10, 1, 60, 3):
        path = make(size=size)
        for number in range(100):
            keep(files, path, str(number))
            lengths = [len(kept.content) for kept in files._files.values()]
            assert sum(lengths) == files._bytes <= 100
            assert 0 < len(lengths) <= 15
    files.clear()
    assert (files.get("99", path.stat(), 1000), files._bytes) == (None, 0)


def test_what_is_used_stays_and_what_is_not_makes_room(make, monkeypatch):
    monkeypatch.setattr(kept_files, "MAX_FILES", 3)
    files, path = KeptFiles(), make()
    for key in "abc":
        keep(files, path, key)
    files.get("a", path.stat(), 1000)
    assert not files.admits(path.stat(), later(path, 3))  # "a" is spared, once
    assert files.admits(path.stat(), later(path, 3))
    keep(files, path, "d")
    assert [bool(files.get(key, path.stat(), 1000)) for key in "abcd"] == [True, False, True, True]


def test_it_is_read_again_now_and_then(make):
    files, path = KeptFiles(), make()
    keep(files, path)
    for now, good in [(1000, True), (1059, True), (1061, False)]:
        assert (files.get(str(path), path.stat(), now) is not None) is good
    assert files.get("another", path.stat(), 1000) is None
    assert files.get(str(path), make("another", 2).stat(), 1000) is None
