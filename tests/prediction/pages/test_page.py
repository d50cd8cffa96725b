"""Tests of a run's page: it holds the pictures it was given and no way to be tricked by their names."""

import base64
import io
import json
import weakref
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from srgan.prediction.pages.page import Entry, write_report

VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """The page as a browser sees it: elements, ids, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.pictures: list[dict[str, Any]] = []
        self.cells: list[str] = []
        self._is_picture = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self._is_picture = ("class", "picture") in attrs
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._is_picture = False

    def handle_data(self, data: str) -> None:
        if self._is_picture:
            self.pictures.append(json.loads(data))
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def picture(seed: int, height: int = 12, width: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 3, height, width), generator=generator) / 255


def decode(data: str) -> Image.Image:
    kind, content = data.split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == f"data:image/{(image.format or '').lower()}"
    return image


def written(path: Path, *entries: Entry, title: str = "run") -> Page:
    write_report(path / "index.html", entries, title=title)
    return Page((path / "index.html").read_text(encoding="utf-8"))


def test_small_pictures_are_in_the_page_pixel_for_pixel(tmp_path: Path) -> None:
    page = written(tmp_path, Entry("a.png", bicubic=picture(0), sr=picture(1), reference=picture(2)))
    (shown,) = page.pictures
    assert (shown["width"], shown["height"]) == (20, 12)
    for seed, layer in enumerate(["bicubic", "sr", "reference"]):
        pixels = torch.from_numpy(np.array(decode(shown["layers"][layer]))).permute(2, 0, 1)
        assert torch.equal(pixels, (picture(seed)[0] * 255).round().to(torch.uint8))


def test_the_page_is_well_formed_and_asks_no_network(tmp_path: Path) -> None:
    page = written(tmp_path, Entry("a.png", picture(0), picture(1)), Entry("b.png", picture(0), picture(1)))
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    addresses = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "://" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert ("lang", "en") in page.attributes
    assert "{{" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_names_cannot_break_out(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>\u2028<img src=x onerror=alert(2)>'\"&.png"
    page = written(tmp_path, Entry(name, picture(0), picture(1)), title=name)
    assert page.tags.count("script") == 2  # the picture and the page's own
    assert page.tags.count("img") == 1  # the preview
    assert page.pictures[0]["name"] == name
    assert name in page.cells


def test_a_picture_that_is_shown_smaller_says_so(tmp_path: Path) -> None:
    small = torch.linspace(0, 1, 750).expand(1, 3, 600, 750)
    entry = Entry("large.png", small, small, seconds=1.5, size=(2400, 3000), unscored="too large")
    (shown,) = written(tmp_path, entry).pictures
    assert (shown["width"], shown["height"]) == (3000, 2400)  # the page's measure of zoom
    image = decode(shown["layers"]["sr"])
    assert (image.format, image.size) == ("JPEG", (750, 600))
    facts = shown["facts"].split(" · ")
    assert facts[:2] == ["3000 × 2400 pixels", "1.50 s"]
    assert facts[2].startswith("shown at 25% of its size")
    assert facts[3] == "not scored: too large"


def test_scores_are_beside_bicubic_s_with_means(tmp_path: Path) -> None:
    entries = [
        Entry(
            name=f"{number}.png",
            bicubic=picture(0),
            sr=picture(1),
            reference=picture(2),
            scores={"psnr_y": 30.0 + number, "ssim_y": 0.9, "psnr_rgb_border0": float("inf")},
            bicubic_scores={"psnr_y": 28.0, "ssim_y": 0.8, "psnr_rgb_border0": 27.0},
        )
        for number in range(2)
    ]
    page = written(tmp_path, *entries, Entry("no_reference.png", picture(0), picture(1)))
    assert page.pictures[1]["scores"] == [
        ["PSNR on Y (dB)", "28.00", "31.00"],
        ["SSIM on Y", "0.8000", "0.9000"],
        ["PSNR on RGB, border included (dB)", "27.00", "∞ (equal)"],
    ]
    assert page.pictures[2]["scores"] == []
    assert page.cells[-5:] == ["Mean", "", "", "30.50 bicubic 28.00", "0.9000 bicubic 0.8000"]


def test_the_trust_map_covers_as_far_as_detail_is_invented(tmp_path: Path) -> None:
    trust = torch.tensor([[[[0.0, 0.2], [0.6, 1.0]]]])
    (shown,) = written(tmp_path, Entry("a.png", picture(0), picture(1), trust=trust)).pictures
    alpha = np.array(decode(shown["trust"]))[..., 3]
    assert alpha.tolist() == [[0, 51], [153, 255]]


def test_one_picture_at_a_time_is_held(tmp_path: Path) -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def entries() -> Iterator[Entry]:
        for seed in range(3):
            assert all(reference() is None for reference in alive)
            yield entry(seed)

    def entry(seed: int) -> Entry:
        sr = picture(seed)
        alive.append(weakref.ref(sr))
        return Entry(f"{seed}.png", bicubic=picture(9), sr=sr, seconds=2.0)

    write_report(tmp_path / "index.html", entries(), title="run")
    assert len(alive) == 3
    assert "3 pictures, enlarged in 6.0 s" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_run_without_pictures_says_so(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "No picture was enlarged." in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.pictures == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": picture(0, 12, 24)}, r"one shape \(1, 3, H, W\), got \[\(1, 3, 12, 20\), \(1, 3, 12, 24\)\]"),
        ({"trust": picture(0)}, r"trust map of 'a\.png' of \(1, 1, h, w\), got \(1, 3, 12, 20\)"),
    ],
)
def test_pictures_that_do_not_match_are_named_and_leave_no_file(
    tmp_path: Path, changes: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        written(tmp_path, Entry("a.png", picture(0), picture(1), **changes))  # type: ignore[arg-type] # pictures alone
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    write_report(tmp_path / "index.html", [Entry("gr\udcfcn.png", picture(0), picture(1))], title="of \udcfc")
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert page.pictures[0]["name"] == "gr?n.png"
    assert "gr?n.png" in page.cells
