"""Tests of EXIF as bytes: what a camera wrote comes out as it was, but for what is said of size, scale and turn."""

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from srgan.pictures import from_image, read_pictures, write_pictures
from srgan.pictures.metadata.exif import EXIF, GPS, INTEROP, Block, Directory, Entry, parse
from tests.pictures.metadata.converted import SUFFIXES, convert

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
ARTIST = "Jörg Müller © 画\0".encode()
NOTE = b"Maker\0" + bytes(range(90))
ASCII, BYTES, SHORT, LONG, RATIONAL, UNDEFINED = 2, 1, 3, 4, 5, 7


def of_a_camera(order: str = "<", orientation: int = 1) -> Block:
    """A block with what is easily lost: text that is not ASCII, a maker's note, an Interoperability directory."""
    make = Block(order, {}).entry
    details: Directory = {
        0x829D: make(RATIONAL, "I", 28, 10),
        0x9286: Entry(UNDEFINED, 12, b"UNICODE\0\x00\x41\x26\x02"),
        0x927C: Entry(UNDEFINED, len(NOTE), NOTE, 600),
        0x9214: make(SHORT, "H", 1, 2, 2, 1),
        0xA002: make(SHORT, "H", 5),
        0xA003: make(SHORT, "H", 6),
        0xA20E: make(RATIONAL, "I", 4000, 3),
        0xA20F: make(RATIONAL, "I", 5000, 3),
        INTEROP: {
            1: Entry(ASCII, 4, b"R03\0"),
            2: Entry(UNDEFINED, 4, b"0100"),
            0x1001: make(SHORT, "H", 5),
            0x1002: make(SHORT, "H", 6),
        },
    }
    tags: Directory = {
        0x010F: Entry(ASCII, 6, b"Canon\0"),
        0x0112: make(SHORT, "H", orientation),
        0x013B: Entry(ASCII, len(ARTIST), ARTIST),
        0x9C9B: Entry(BYTES, 6, "Tü\0".encode("utf-16-le")),
        EXIF: details,
        GPS: {1: Entry(ASCII, 2, b"N\0"), 2: make(RATIONAL, "I", 48, 1, 8, 1, 15, 2)},
    }
    return Block(order, tags)


def block_in(path: Path) -> Block:
    """The block of a file, found without Pillow's help."""
    if path.suffix == ".avif":  # whose EXIF lies anywhere
        with Image.open(path) as image:
            content = image.info["exif"].removeprefix(b"Exif\0\0")
    else:
        content = path.read_bytes()
    start = 0 if path.suffix in (".tif", ".avif") else content.find(b"Exif\0\0") + 6
    if path.suffix in (".png", ".webp"):
        start = content.find(b"eXIf" if path.suffix == ".png" else b"EXIF") + 4
        start += 4 * (path.suffix == ".webp")
    block = parse(content[start:])
    assert block is not None
    return block


def values(block: Block, *path: int) -> dict[int, tuple[int, int, bytes]]:
    """The type, the number and the bytes of a directory's values, with the low byte first."""
    below = block.in_order("<").directory(*path)
    return {tag: (e.kind, e.count, e.data) for tag, e in below.items() if isinstance(e, Entry)}


def numbers(block: Block, tag: int, letter: str) -> list[float]:
    entry = block.directory(EXIF)[tag]
    assert isinstance(entry, Entry)
    return block.numbers(entry, letter)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_values_are_copied_as_bytes(tmp_path: Path, source: str, target: str, order: str) -> None:
    camera, path = of_a_camera(order), tmp_path / f"x{SUFFIXES[source]}"
    Image.fromarray(PIXELS).save(tmp_path / "exif.png", exif=camera.tobytes())
    write_pictures(path, read_pictures(tmp_path / "exif.png", max_pixels=100), format=source, quality=95)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = block_in(convert(path, target))
        with Image.open(tmp_path / "out" / f"x{SUFFIXES[target]}") as out:
            interop = out.getexif().get_ifd(ExifTags.IFD.Interop)
    assert interop[1] == "R03"
    kept = {0x010F, 0x013B, 0x9C9B}
    expected = values(camera)
    assert {tag: value for tag, value in values(found).items() if tag in kept} == {tag: expected[tag] for tag in kept}
    assert values(found, GPS) == values(camera, GPS)
    changed = {0x9214, 0xA002, 0xA003, 0xA20E, 0xA20F}
    details = {tag: value for tag, value in values(camera, EXIF).items() if tag not in changed}
    assert {tag: value for tag, value in values(found, EXIF).items() if tag not in changed} == details
    assert [values(found, EXIF, INTEROP)[tag][2] for tag in (1, 2)] == [b"R03\0", b"0100"]


@pytest.mark.parametrize("target", SUFFIXES)
def test_text_of_a_jpeg_by_others_keeps_its_bytes(tmp_path: Path, target: str) -> None:
    exif = Image.Exif()
    exif[0x13B] = "x" * (len(ARTIST) - 1)
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=exif)
    content = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(content.replace(b"x" * (len(ARTIST) - 1) + b"\0", ARTIST))
    assert values(block_in(convert(tmp_path / "x.jpg", target)))[0x13B] == (ASCII, len(ARTIST), ARTIST)


@pytest.mark.parametrize("target", SUFFIXES)
def test_size_scale_and_subject_are_put_right(tmp_path: Path, target: str) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=of_a_camera(orientation=6).tobytes())
    out = block_in(convert(tmp_path / "x.jpg", target))  # 5x6 pixels, turned to 6x5, enlarged to 24x20
    assert (numbers(out, 0xA002, "I"), numbers(out, 0xA003, "I")) == ([24], [20])
    assert values(out, EXIF, INTEROP)[0x1001][2] == struct.pack("<I", 24)
    assert numbers(out, 0xA20E, "I") == [20000, 3]  # pixels are smaller, and what was down is across
    assert numbers(out, 0xA20F, "I") == [16000, 3]
    # A quarter turn to the right moves (1, 2) of a picture 6 high to (6-1-2, 1); 2 by 1 becomes 1 by 2.
    assert numbers(out, 0x9214, "H") == [4 * 3 + 2, 4 * 1 + 2, 4, 8]
    assert 0x0112 not in out.tags


@pytest.mark.parametrize("turn", range(1, 9))
def test_subject_stays_at_its_pixel(tmp_path: Path, turn: int) -> None:
    marked = np.zeros((6, 5), dtype=np.uint8)
    marked[2, 1] = 255
    Image.fromarray(marked).save(tmp_path / "x.png", exif=of_a_camera(orientation=turn).tobytes())
    (picture,) = read_pictures(tmp_path / "x.png", max_pixels=100)
    assert picture.exif is not None
    block = parse(picture.exif)
    assert block is not None
    x, y = (int(number) for number in numbers(block, 0x9214, "H")[:2])
    assert picture.rgb[0, 0, y, x] == 1


def test_maker_note_stays_at_its_place(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=of_a_camera().tobytes())
    before = (tmp_path / "x.jpg").read_bytes()
    assert before.find(NOTE) - before.find(b"Exif\0\0") - 6 == 600
    after = convert(tmp_path / "x.jpg", "jpg").read_bytes()
    assert after.find(NOTE) - after.find(b"Exif\0\0") - 6 == 600  # many notes count from there


def test_preview_is_left_out(tmp_path: Path) -> None:
    stored = bytearray(of_a_camera().tobytes()[6:])
    (count,) = struct.unpack_from("<H", stored, 8)
    struct.pack_into("<I", stored, 10 + 12 * count, len(stored))
    stored += struct.pack("<HHHII", 1, 0x0201, LONG, 1, 8) + bytes(4) + b"PREVIEW"
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=b"Exif\0\0" + bytes(stored))
    assert b"PREVIEW" not in convert(tmp_path / "x.jpg", "jpg").read_bytes()


def test_ground_under_a_geotiff_stays_as_large(tmp_path: Path) -> None:
    tags: list[tuple[int, str, int, Any, bool]] = [
        (33550, "d", 3, (10.0, 20.0, 0.0), True),
        (33922, "d", 6, (1.0, 2.0, 0.0, 500.0, 600.0, 0.0), True),
    ]
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, photometric="rgb", extratags=tags)
    with tifffile.TiffFile(convert(tmp_path / "x.tif", "tiff")) as out:
        page = out.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.tags[33550].value == (2.5, 5.0, 0.0)
        assert page.tags[33922].value == (4.0, 8.0, 0.0, 500.0, 600.0, 0.0)


def test_bigtiff_keeps_its_tags(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, photometric="rgb", bigtiff=True, software="Sud", metadata=None)
    found = values(block_in(convert(tmp_path / "x.tif", "jpg")))
    assert found[0x0131][2].rstrip(b"\0") == b"Sud"


def test_a_large_tiff_is_a_bigtiff_with_all_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif, pixels = of_a_camera().tobytes(), PIXELS.repeat(4, axis=0).repeat(4, axis=1)
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / "x.tif", save_all=True, append_images=frames[1:], dpi=(300, 300))
    Image.fromarray(PIXELS).save(tmp_path / "y.jpg", exif=exif)
    classic = block_in(convert(tmp_path / "y.jpg", "tiff"))
    monkeypatch.setattr("srgan.pictures.tiff._LARGEST_CLASSIC", 1000)
    target = convert(tmp_path / "x.tif", "tiff")
    with tifffile.TiffFile(target) as out:
        assert out.is_bigtiff
        assert np.array_equal(out.asarray(), [pixels, 255 - pixels])
    pictures = read_pictures(target, max_pixels=10**6)
    assert [picture.dpi for picture in pictures] == [(300, 300)] * 2
    target = convert(tmp_path / "y.jpg", "tiff")
    assert target.read_bytes()[:4] == b"II+\0"
    strips = {0x0111}  # whose places are of 8 bytes here
    assert values(block_in(target)) == {tag: value for tag, value in values(classic).items() if tag not in strips}
    with Image.open(target) as image:
        assert image.getexif().get_ifd(EXIF)


def test_each_page_of_a_tiff_keeps_its_own_tags(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for text in ("first page", "second page"):
            writer.write(PIXELS, photometric="rgb", description=text, metadata=None, contiguous=False)
    with tifffile.TiffFile(convert(tmp_path / "x.tif", "tiff")) as out:
        pages = [page for page in out.pages if isinstance(page, tifffile.TiffPage)]
        assert [page.description for page in pages] == ["first page", "second page"]
        assert np.array_equal(out.asarray()[1], PIXELS.repeat(4, axis=0).repeat(4, axis=1))


def test_tags_changed_in_memory_are_those_that_count(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=of_a_camera().tobytes())
    with Image.open(tmp_path / "x.jpg") as image:
        image.getexif()[0x010F] = "Nikon"
        picture = from_image(image)
    assert picture.exif is not None
    block = parse(picture.exif)
    assert block is not None
    assert values(block)[0x010F][2] == b"Nikon\0"
    assert values(block, EXIF)[0x9286] == values(of_a_camera(), EXIF)[0x9286]  # of bytes that have no type


@pytest.mark.parametrize("seed", range(60))
def test_damaged_blocks_end_nothing(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stored = bytearray(of_a_camera("<>"[seed % 2], orientation=seed % 9).tobytes())
    for place in rng.integers(6, len(stored), 4):
        stored[place] = rng.integers(256)
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", exif=bytes(stored))
    for target in ("jpg", "tiff"):
        read_pictures(convert(tmp_path / "x.jpg", target), max_pixels=10**6)
