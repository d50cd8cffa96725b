"""Tests of the page that compares networks in Chromium, with real mouse and keys: ``pytest -m browser -n0``."""

from pathlib import Path

import pytest
import torch

from srgan.prediction.pages.compare_page import Comparison, Network, write_comparison
from tests.web_driver import Browser, chromium

pytestmark = pytest.mark.browser

PANES = (
    "return [...document.querySelectorAll('.pane')].map((pane) => {"
    " const [outer, inner] = [pane, pane.querySelector('img')].map((each) => each.getBoundingClientRect());"
    " return [inner.x - outer.x, inner.y - outer.y, inner.width].map(Math.round); })"
)
CAPTIONS = "return [...document.querySelectorAll('.pane span')].map((each) => each.textContent)"
BOX = "const box = stage.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]"
SIDES = "return ['left', 'right'].map((side) => document.querySelector(`#${side} img`).alt)"
SPLIT = "return Number(document.getElementById('handle').getAttribute('aria-valuenow'))"


def flat(value: float) -> torch.Tensor:
    return torch.full((1, 3, 100, 150), value)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of two pictures by three networks, of which the first has an original."""
    path = tmp_path_factory.mktemp("compared") / "index.html"
    networks = [Network(name, 4, 10**6) for name in ("one", "<b>two", "bicubic")]
    results = {each.name: flat(0.2 * index) for index, each in enumerate(networks)}
    scores = {each.name: {"psnr_y": 30.0, "ssim_y": 0.9} for each in networks}
    entries = [
        Comparison("a.png", flat(1), results, (100, 150), flat(0.5), scores, {"psnr_y": 28.0, "ssim_y": 0.8}),
        Comparison("b.png", flat(1), results, (100, 150)),
    ]
    write_comparison(path, entries, networks=networks, title="run")
    return path.as_uri()


def test_each_network_and_the_original_has_a_column(browser: Browser) -> None:
    scored = [f"{name} · 30.00 dB · 0.9000" for name in ("one", "<b>two", "bicubic")]
    assert browser.run(CAPTIONS) == [*scored, "Reference"]
    browser.run("document.querySelector('#shown button').click()")
    assert browser.run(CAPTIONS) == ["Bicubic · 28.00 dB · 0.8000", *scored, "Reference"]
    browser.press("n")
    assert browser.run(CAPTIONS) == ["Bicubic", "one", "<b>two", "bicubic"]


def test_all_columns_pan_and_zoom_together(browser: Browser) -> None:
    x, y, width, height = browser.run(BOX)
    browser.wheel((x + width * 0.9, y + height / 2), -800)
    before = browser.run(PANES)
    assert len(before) == 4
    assert all(each == before[0] for each in before)
    assert before[0][2] > width / 4
    start = (x + width * 0.4, y + height / 2)
    browser.drag(start, (start[0] + 30, start[1]))  # in the second
    after = browser.run(PANES)
    assert all(each == after[0] for each in after)
    assert after[0][0] == pytest.approx(before[0][0] + 30, abs=1)


def test_a_divider_lies_between_any_two(browser: Browser) -> None:
    browser.press("c")
    assert browser.run(PANES) == []
    assert browser.run(SIDES) == [f"{name} · 30.00 dB · 0.9000" for name in ("one", "<b>two")]
    browser.run("const c = find('right-choice'); c.value = 'reference'; c.dispatchEvent(new Event('change'))")
    assert browser.run(SIDES)[1] == "Reference"
    x, y, width, height = browser.run(BOX)
    browser.drag((x + width / 2, y + height / 2), (x + width / 4, y + height / 2))
    assert browser.run(SPLIT) == 25
    browser.press("c")
    assert len(browser.run(PANES)) == 4


def test_one_column_stays(browser: Browser) -> None:
    for index in (1, 2, 3, 4):
        browser.run(f"document.querySelectorAll('#shown button')[{index}].click()")
    assert browser.run(CAPTIONS) == ["Reference"]


def test_a_narrow_screen_has_rows(tmp_path: Path, address: str) -> None:
    with chromium(tmp_path, width=500) as narrow:
        narrow.open(address)
        narrow.run("document.body.style.width = '390px'; return new Promise((done) => setTimeout(done, 300))")
        assert narrow.run("return [panes.across, panes.down]") == [2, 2]
