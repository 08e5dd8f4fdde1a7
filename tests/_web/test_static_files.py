"""Parts of files, and paths below a root."""

import os
import pathlib
import random
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._web import static_files

quick = settings(max_examples=100, deadline=None)


@quick
@given(st.integers(0, 20), st.one_of(st.none(), st.integers(-25, 25)), st.one_of(st.none(), st.integers(0, 25)))
def test_spans_are_what_a_slice_is(size, first, last):
    content = bytes(range(size))
    span = static_files.span((first, last), size)
    if span is None:
        assert last == 0 or first is None or content[first:last] == b"" or (last is not None and first + size * (first < 0) >= last)
        return
    start = first if first is None or first >= -size else None
    assert content[span.start : span.end] == content[start:last]
    assert 0 <= span.start <= span.end <= size
    assert span.size == span.end - span.start


@quick
@given(st.integers(0, 300_000), st.integers(0, 300_000), st.integers(0, 300_000))
def test_chunks_are_the_part_asked_for(size, a, b):
    start, end = sorted((min(a, size), min(b, size)))
    content = random.Random(size).randbytes(size)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        file.seek(0)
        chunks = list(static_files.chunks(file.fileno(), static_files.Span(start, end)))
    assert all(0 < len(chunk) <= static_files.CHUNK_BYTES for chunk in chunks)
    assert b"".join(chunks) == content[start:end]


def test_files_that_shrink_are_noticed():
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"12345")
        file.seek(0)
        with pytest.raises(EOFError, match="ended 5 bytes early"):
            list(static_files.chunks(file.fileno(), static_files.Span(0, 10)))


def test_inside():
    assert static_files.is_inside("/a", "/a/b")
    assert static_files.is_inside("/a/", "/a")
    assert not static_files.is_inside("/a", "/ab")
    assert static_files.is_inside("/", "/x")
    assert static_files.names_stream("C:\\r\\", "C:\\r\\a::$DATA")
    assert not static_files.names_stream("C:\\r\\", "C:\\r\\a")


@pytest.mark.skipif(os.sep != "/", reason="about absolute paths of POSIX")
@given(st.text(st.sampled_from("a./~"), max_size=12))
def test_absolute_directories(path):
    for one in (path, "/" + path, "//" + path, pathlib.PurePath(path)):
        for _ in range(2):
            assert static_files.absolute_directory(one) == os.path.join(os.path.abspath(one), "")


def test_targets_are_known_until_anything_changes(tmp_path):
    targets, path, elsewhere = static_files.Targets(), tmp_path / "file", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"abc")

    def changed(change):
        """Whether ``change`` is noticed."""
        path.unlink(missing_ok=True)
        path.write_bytes(b"abc")
        targets.remember(str(path), ["/root"], "target", path.stat())
        assert targets.find(str(path), ["/root"]) == ("target", path.stat())
        change()
        return targets.find(str(path), ["/root"]) is None

    def replace(make):
        path.unlink()
        make()

    assert not changed(lambda: None)
    assert changed(path.unlink)
    assert changed(lambda: path.write_bytes(b"abcd"))
    assert changed(lambda: os.utime(path, (1, 1)))
    assert changed(lambda: replace(lambda: path.symlink_to(elsewhere)))
    assert changed(lambda: replace(lambda: path.symlink_to("nowhere")))
    assert changed(lambda: replace(path.mkdir))


def test_targets_are_known_for_the_same_directories(tmp_path):
    targets = static_files.Targets()
    targets.remember(str(tmp_path), ["/a"], "target", tmp_path.stat())
    assert targets.find(str(tmp_path), ["/a", "/b"]) is None
    assert targets.find(str(tmp_path), []) is None
    for number in range(10_000):
        targets.remember(str(number), [], "", tmp_path.stat())
    assert len(targets._known) <= 4096


def test_links_may_lead_into_some_directories_only(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for directory in (inside, outside):
        directory.mkdir()
        (directory / "file").write_text(directory.name)
    (inside / "in").symlink_to(inside / "file")
    (inside / "out").symlink_to(outside / "file")
    (tmp_path / "linked").symlink_to(inside)
    assert static_files.target(str(inside / "in"), [str(inside)]) == str(inside / "file")
    assert static_files.target(str(inside / "in"), [str(tmp_path / "linked")]) == str(inside / "file")
    assert static_files.target(str(inside / "out"), [str(inside)]) is None
    assert static_files.target(str(inside / "out"), [str(inside), str(outside)]) == str(outside / "file")


@pytest.mark.parametrize(
    ("guessed", "expected"),
    [
        (("text/css", None), "text/css"),
        ((None, None), "application/octet-stream"),
        (("application/x-tar", "gzip"), "application/gzip"),
        (("text/plain", "br"), "application/octet-stream"),
    ],
)
def test_the_media_type_of_a_file_as_it_is_sent(guessed, expected):
    assert static_files.media_type(*guessed) == expected
