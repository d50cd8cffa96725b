"""Tests of what people write into pictures: JPEG comments and IPTC, carried as they are."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin

from srgan.pictures import read_pictures, write_pictures
from srgan.pictures.metadata.captions import as_segments
from tests.pictures.metadata.converted import convert

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
# Record 2: by-line (80), copyright (116), caption (120).
RECORDS = [(80, "Zoë".encode()), (116, b"me"), (120, b"A cat")]
IPTC = b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text for number, text in RECORDS)


def jpeg(path: Path, *, comments: tuple[bytes, ...] = (), iptc: bytes | None = None, more: bytes = b"") -> Path:
    Image.fromarray(PIXELS).save(path, extra=more + as_segments(comments, iptc))
    return path


def records_in(path: Path) -> dict[int, bytes]:
    """As Pillow's own reader finds them."""
    with Image.open(path) as image:
        found = IptcImagePlugin.getiptcinfo(image) or {}
    return {number: text for (_, number), text in found.items() if isinstance(text, bytes)}


def test_comments_of_a_jpeg_stay(tmp_path: Path) -> None:
    source = jpeg(tmp_path / "x.jpg", comments=(b"first", "für Zoë".encode("latin-1")))
    assert read_pictures(convert(source, "jpg"), max_pixels=10**6)[0].comments == (b"first", b"f\xfcr Zo\xeb")
    with Image.open(tmp_path / "out" / "x.jpg") as out:
        assert out.size == (32, 32)
        assert out.info["comment"] == b"f\xfcr Zo\xeb"


@pytest.mark.parametrize(("suffix", "format"), [(".jpg", "jpg"), (".tif", "tiff")])
@pytest.mark.parametrize("source", ["x.jpg", "x.tif"])
def test_iptc_stays_between_jpeg_and_tiff(tmp_path: Path, source: str, suffix: str, format: str) -> None:
    if source == "x.jpg":
        path = jpeg(tmp_path / source, iptc=IPTC)
    else:
        path = tmp_path / source
        Image.fromarray(PIXELS).save(path, tiffinfo={33723: IPTC})
    assert records_in(path) == dict(RECORDS)
    assert records_in(convert(path, format, suffix=suffix)) == dict(RECORDS)


@pytest.mark.parametrize("order", "<>")
def test_iptc_of_a_tiff_in_words_is_read_in_either_order(tmp_path: Path, order: str) -> None:
    padded = IPTC + bytes(-len(IPTC) % 4)
    words = struct.unpack(f"{order}{len(padded) // 4}I", padded)
    tags: list[tuple[int, str, int, Any, bool]] = [(33723, "I", len(words), words, True)]
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, photometric="rgb", extratags=tags)
    assert records_in(convert(tmp_path / "x.tif", "jpg")) == dict(RECORDS)


def test_iptc_larger_than_a_segment_is_whole(tmp_path: Path) -> None:
    text = bytes(np.random.default_rng(0).integers(32, 127, 30000).tolist())
    large = b"".join(struct.pack(">BBBH", 0x1C, 2, 120, len(text)) + text for _ in range(5))
    source = jpeg(tmp_path / "x.jpg", iptc=large)
    assert read_pictures(convert(source, "jpg"), max_pixels=10**6)[0].iptc == large


def test_photoshops_other_resources_are_left_out(tmp_path: Path) -> None:
    preview = b"8BIM" + struct.pack(">HHI", 0x040C, 0, 7) + b"PREVIEW\0"
    more = b"\xff\xed" + struct.pack(">H", 2 + 14 + len(preview)) + b"Photoshop 3.0\0" + preview
    out = convert(jpeg(tmp_path / "x.jpg", iptc=IPTC, more=more), "jpg")
    assert records_in(out) == dict(RECORDS)
    assert b"PREVIEW" not in out.read_bytes()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_captions_end_nothing(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stored = bytearray(as_segments((b"note",), IPTC))
    for place in rng.integers(10, len(stored), 3):  # behind the comment's own length
        stored[place] = rng.integers(256)
    head, tail = b"\xff\xd8", jpeg(tmp_path / "x.jpg").read_bytes()[2:]
    (tmp_path / "x.jpg").write_bytes(head + bytes(stored) + tail)
    try:
        frames = read_pictures(tmp_path / "x.jpg", max_pixels=10**6)
    except ValueError:
        return  # the length of a segment was hit, and the pixels were lost with it
    write_pictures(tmp_path / "y.jpg", frames, format="jpg", quality=95)
    assert read_pictures(tmp_path / "y.jpg", max_pixels=10**6)[0].size == (8, 8)
