import os
import time

import pytest

from tornadolike._web import kept_files
from tornadolike._web.kept_files import KeptFile, KeptFiles


@pytest.fixture
def make(tmp_path):
    def make(name="file", size=10):
        path = tmp_path / name
        path.write_bytes(b"x" * size)
        return KeptFile(str(path), str(path), path.stat(), b"x" * size, 1000)

    return make


def later(kept, seconds):
    return max(kept.found.st_mtime, kept.found.st_ctime) + seconds


def test_a_file_is_unchanged_until_anything_is_done_to_it(tmp_path, make):
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(b"y" * 10)

    def is_noticed(change):
        path.unlink(missing_ok=True)
        kept = make()
        assert kept.is_unchanged(1010)
        path.read_bytes()
        assert kept.is_unchanged(1010)
        change()
        return not kept.is_unchanged(1010)

    def with_old_time(change):
        """As tools do that copy times, or set them back."""
        before = path.stat()
        time.sleep(0.02)  # the clock of the file system goes on
        change()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert is_noticed(path.unlink)
    assert is_noticed(lambda: path.write_bytes(b"y" * 9))
    assert is_noticed(lambda: with_old_time(lambda: path.write_bytes(b"y" * 10)))
    assert is_noticed(lambda: with_old_time(lambda: os.replace(other, path)))
    assert is_noticed(lambda: (path.unlink(), path.symlink_to(__file__)))
    assert is_noticed(lambda: (path.unlink(), path.mkdir()))
    path.rmdir()


@pytest.mark.skipif(os.name != "posix", reason="only there a change always shows")
def test_only_small_files_at_rest_are_admitted(make):
    files, kept = KeptFiles(), make()
    assert files.admits(kept.found, later(kept, 3))
    assert not files.admits(kept.found, later(kept, 1))
    assert not files.admits(kept.found, later(kept, -100))
    os.utime(kept.path, (1, 1))
    # The time of the last change cannot be set back.
    assert not files.admits(os.stat(kept.path), later(kept, 1))
    assert not files.admits(make("empty", 0).found, later(kept, 100))
    assert files.admits(make("most", kept_files.MAX_FILE_BYTES).found, later(kept, 100))
    assert not files.admits(make("more", kept_files.MAX_FILE_BYTES + 1).found, later(kept, 100))


def test_they_are_bounded_in_bytes_and_number(make, monkeypatch):
    monkeypatch.setattr(kept_files, "MAX_BYTES", 100)
    monkeypatch.setattr(kept_files, "MAX_FILES", 15)
    files = KeptFiles()
    for size in (10, 1, 60, 3):
        for number in range(100):
            files.keep(number, make(size=size))
            lengths = [len(kept.content) for kept in files._files.values()]
            assert sum(lengths) == files._bytes <= 100
            assert 0 < len(lengths) <= 15
    files.clear()
    assert (files.get(99), files._bytes) == (None, 0)


def test_what_is_used_stays_and_what_is_not_makes_room(make, monkeypatch):
    monkeypatch.setattr(kept_files, "MAX_FILES", 3)
    files, kept = KeptFiles(), make()
    for key in "abc":
        files.keep(key, kept)
    files.get("a")
    assert not files.admits(kept.found, later(kept, 3))  # "a" is spared, once
    assert files.admits(kept.found, later(kept, 3))
    files.keep("d", kept)
    assert [bool(files.get(key)) for key in "abcd"] == [True, False, True, True]
    files.discard("a")
    files.discard("a")
    assert files.get("a") is None
    assert files._bytes == 20


def test_it_is_read_again_now_and_then(make):
    kept = make()
    for now, good in [(1000, True), (1059, True), (1061, False)]:
        assert kept.is_unchanged(now) is good
        assert kept.is_of(kept.target, kept.found, now) is good
    assert not kept.is_of("another", kept.found, 1000)
    assert not kept.is_of(kept.target, make("another", 2).found, 1000)
