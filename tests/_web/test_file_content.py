"""Files opened, read and hashed."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tornadolike._web import file_content
from tornadolike._web.file_content import FileContent


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(b"0123456789")
    return str(tmp_path / "file")


def look(path: str, message: str) -> os.stat_result:
    assert path == message
    return os.stat(path)


def test_a_regular_file_is_opened(path: str) -> None:
    opened = file_content.open_regular(path)
    assert opened is not None
    assert os.read(opened[0], 100) == b"0123456789"
    assert opened[1].st_size == 10
    os.close(opened[0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert file_content.open_regular(str(tmp_path / "fifo")) is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_content.open_regular(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(None, None, b"0123456789"), (3, None, b"3456789"), (None, 2, b"01"), (4, 6, b"45")]
)
def test_parts(path: str, start: int | None, end: int | None, expected: bytes) -> None:
    assert b"".join(FileContent(path, start, end, look)) == expected
    content = FileContent(path, start, end, look)
    assert next(content) == expected


def test_nothing_is_opened_before_somebody_reads(tmp_path: Path) -> None:
    content = FileContent(str(tmp_path / "none"), None, None, look)
    content.close()
    with pytest.raises(FileNotFoundError):
        next(FileContent(str(tmp_path / "none"), None, None, look))


def test_a_digest_of_pieces(path: str) -> None:
    expected = hashlib.sha512(b"0123456789").hexdigest()
    for content in (b"0123456789", [b"01234", b"56789"], FileContent(path, None, None, look)):
        assert file_content.hex_digest(content, hashlib.sha512(), 10) == expected


def test_what_is_too_large_is_not_read_to_its_end(path: str) -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            for _ in range(3):
                yield b"12345"
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match=r"MAX_VERSION_CONTENT_SIZE \(9 bytes\)"):
        file_content.hex_digest(pieces(), hashlib.sha512(), 9)
    assert closed

    def never(path: str, message: str) -> os.stat_result:
        raise AssertionError

    with pytest.raises(ValueError, match="larger than"):
        file_content.hex_digest(FileContent(path, None, None, never), hashlib.sha512(), 9)
