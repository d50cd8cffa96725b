"""Tests of a run's page in Chromium, with real mouse, fingers and keys: ``pytest -m browser -n0``."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srgan.prediction.pages.page import Entry, write_report
from tests.web_driver import Browser

pytestmark = pytest.mark.browser

RED, GREEN, BLUE = (torch.tensor(colour).view(1, 3, 1, 1) for colour in ([1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]))
SPLIT = "return Number(document.getElementById('handle').getAttribute('aria-valuenow'))"
ZOOM = "return document.getElementById('zoom').textContent"
NAME = "return document.getElementById('name').textContent"
BOX = (
    "const box = document.getElementById('stage').getBoundingClientRect(); return [box.x, box.y, box.width, box.height]"
)


def flat(colour: torch.Tensor, height: int = 100, width: int = 150) -> torch.Tensor:
    return colour.expand(1, 3, height, width)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of three pictures: red on the left, green on the right, blue for the reference."""
    path = tmp_path_factory.mktemp("report") / "index.html"
    trust = torch.ones(1, 1, 10, 15)
    entries = [
        Entry("first <b>.png", flat(RED), flat(GREEN), flat(BLUE), trust, {"psnr_y": 30.0}, {"psnr_y": 28.0}),
        Entry("tiny.png", flat(RED, 1, 1), flat(GREEN, 1, 1)),
        Entry("wide.png", flat(RED, 20, 2000), flat(GREEN, 20, 2000)),
    ]
    write_report(path, entries, title="run")
    return path.as_uri()


def centre(browser: Browser) -> tuple[float, float]:
    x, y, width, height = browser.run(BOX)
    return x + width / 2, y + height / 2


def colours(browser: Browser, tmp_path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the screen shows left and right of the middle of the stage, well off the handle."""
    browser.screenshot(tmp_path / "screen.png")
    pixels = np.array(Image.open(tmp_path / "screen.png").convert("RGB"))
    x, y = map(round, centre(browser))
    return tuple(pixels[y + 90, x - 80].tolist()), tuple(pixels[y + 90, x + 80].tolist())


def test_bicubic_is_left_of_the_slider_and_the_result_right(browser: Browser, tmp_path: Path) -> None:
    assert browser.run(NAME) == "first <b>.png"
    assert browser.run(SPLIT) == 50
    assert colours(browser, tmp_path) == ((255, 0, 0), (0, 255, 0))


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_dragging_the_handle_moves_the_slider(browser: Browser, tmp_path: Path, kind: str) -> None:
    x, y = centre(browser)
    width = browser.run(BOX)[2]
    browser.drag((x, y), (x + width / 4, y), kind=kind)
    assert abs(browser.run(SPLIT) - 75) <= 1
    assert colours(browser, tmp_path) == ((255, 0, 0), (255, 0, 0))


def test_wheel_buttons_and_fingers_zoom(browser: Browser) -> None:
    x, y = centre(browser)

    def zoom() -> int:
        return int(browser.run(ZOOM).removesuffix(" %"))

    whole = zoom()
    browser.wheel((x, y + 50), -300)
    assert abs(zoom() / whole - 1.82) < 0.05  # e^(300 * 0.002)
    browser.run("document.getElementById('zoom-fit').click()")
    assert zoom() == whole
    browser.pinch((x, y + 100), start=40, end=120)
    assert 2.5 < zoom() / whole < 3.1
    browser.run("document.getElementById('zoom-full').click()")
    assert zoom() == 100


def test_a_zoomed_picture_is_dragged_and_stays_in_sight(browser: Browser) -> None:
    left = "return document.querySelector('#right img').getBoundingClientRect().x"
    x, y = centre(browser)
    browser.wheel((x, y), -600)
    before = browser.run(left)
    browser.drag((x + 100, y + 100), (x + 40, y + 100))
    assert abs(browser.run(left) - (before - 60)) <= 1
    assert browser.run(SPLIT) == 50
    for _ in range(8):
        browser.drag((x - 300, y + 100), (x + 300, y + 100))
    assert abs(browser.run(left) - browser.run(BOX)[0]) <= 1  # no further than its edge


def test_keys(browser: Browser) -> None:
    whole = browser.run(ZOOM)
    browser.press("\ue014", "\ue014", "\ue012")  # right, right, left
    assert browser.run(SPLIT) == 52
    browser.press("+")
    assert browser.run(ZOOM) != whole
    browser.press("-")
    assert browser.run(ZOOM) == whole
    browser.press("p")
    assert browser.run(NAME) == "first <b>.png"
    browser.press("n")
    assert browser.run(NAME) == "tiny.png"
    browser.press("n", "n")
    assert browser.run(NAME) == "wide.png"
    assert browser.run(ZOOM) == "58 %"  # 1160 pixels of 2000
    browser.press("p", "p")
    assert browser.run(SPLIT) == 52


def test_two_presses_in_quick_succession_are_two_pictures(browser: Browser) -> None:
    browser.run("const next = document.getElementById('next'); next.click(); next.click()")
    assert browser.run(NAME) == "wide.png"


def test_the_trust_map_covers_the_right_side_only(browser: Browser, tmp_path: Path) -> None:
    browser.press("t")
    assert colours(browser, tmp_path) == ((255, 0, 0), (255, 96, 0))
    assert browser.run("return document.getElementById('trust-toggle').ariaPressed") == "true"
    browser.press("t")
    assert colours(browser, tmp_path)[1] == (0, 255, 0)


def test_the_reference_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    browser.run(
        "const choice = document.getElementById('left-choice'); choice.value = 'reference';"
        "choice.dispatchEvent(new Event('change'))"
    )
    assert colours(browser, tmp_path) == ((0, 0, 255), (0, 255, 0))
    assert "28.00" in browser.run("return document.getElementById('scores').textContent")


def test_a_link_of_the_table_shows_its_picture(browser: Browser) -> None:
    browser.run("document.querySelector('a[href=\"#3\"]').click()")
    assert browser.run(NAME) == "wide.png"
    assert browser.run("return document.querySelectorAll('#pictures tr.shown').length") == 1
