"""Tests of the page of ``srgan serve`` in Chromium, by using it: ``pytest -m browser -n0``."""

import base64
import io
import resource
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from srgan.networks import Generator
from srgan.serve.app import Server
from srgan.serve.networks import Networks
from srgan.serve.tasks import Task
from srgan.serve.wishes import Limits
from srgan.serve.work import Work
from srgan.weights import save_generator
from tests.web_driver import Browser, chromium

pytestmark = pytest.mark.browser

TOKEN = "secret"
ROWS = """return [...document.querySelectorAll("#tasks li")].map((row) => [
    row.querySelector(".task").textContent, row.querySelector(".state span").textContent,
    row.querySelector(".message").textContent])"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Networks, Networks]:
    """For whole pictures and for crops."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("other", "tiny"):
        save_generator(folder / f"{name}.safetensors", Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    own, other = (str(folder / f"{name}.safetensors") for name in ("tiny", "other"))
    whole, crops = (Networks(ckpt=own, blend_with=other, tile_size=32, device="cpu") for _ in range(2))
    return whole, crops


@pytest.fixture
def limits() -> Limits:
    return Limits(max_bytes=2_000_000, max_pixels=1_000_000)


@pytest.fixture
def address(networks: tuple[Networks, Networks], limits: Limits, tmp_path: Path) -> Iterator[str]:
    """A server with nothing to do."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = Server(*networks, folder=folder, token=TOKEN, limits=limits)
    running = uvicorn.Server(uvicorn.Config(server.app(), log_level="warning", lifespan="on"))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}"
        running.should_exit = True
        thread.join()
    assert not list(folder.glob("*.zip"))


@pytest.fixture
def browser(window: Browser, address: str, tmp_path: Path) -> Iterator[Browser]:
    """The page, freshly loaded; what it says to the console is a failure."""
    window.open("about:blank")
    window.open(address)
    (tmp_path / "downloads").mkdir()
    window.download_to(tmp_path / "downloads")
    yield window
    window.open("about:blank")
    assert window.log() == []


def photo(path: Path, width: int = 12, height: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.add.outer(np.arange(height), np.arange(width))[..., None] * [1, 2, 3] % 256
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def wait(browser: Browser, condition: str, seconds: float = 60) -> None:
    """Until an expression of JavaScript is true."""
    deadline = time.monotonic() + seconds
    while not browser.run(f"return {condition}"):
        assert time.monotonic() < deadline, browser.run(ROWS)
        time.sleep(0.05)


def wait_for_rows(browser: Browser, number: int, busy: bool = False, seconds: float = 60) -> dict[str, tuple[str, str]]:
    """State and message of each picture in the queue, once there are so many and none is to be done."""
    settled = "true" if busy else "tasks.every((task) => task.state === 'done' || task.state === 'failed')"
    wait(browser, f"!sending && tasks.length === {number} && rows.size === {number} && {settled}", seconds)
    return {name: (state, message) for name, state, message in browser.run(ROWS)}


def click(browser: Browser, text: str) -> None:
    """The first button of a text that can be seen."""
    browser.run(
        f"[...document.querySelectorAll('button')].find((each) => each.textContent === {text!r} && !each.hidden"
        " && each.offsetParent).click()"
    )


def downloaded(folder: Path, name: str) -> bytes:
    deadline = time.monotonic() + 30
    while not (folder / name).exists() or list(folder.glob("*.crdownload")):
        assert time.monotonic() < deadline, list(folder.iterdir())
        time.sleep(0.05)
    return (folder / name).read_bytes()


def downloaded_result(browser: Browser, tmp_path: Path) -> bytes:
    """The only result, with no trace left of its download."""
    click(browser, "Download")
    content = downloaded(tmp_path / "downloads", "a.png")
    (tmp_path / "downloads" / "a.png").unlink()
    return content


def pixels(content: bytes) -> NDArray[np.int16]:
    """The levels of an encoded picture: (H, W, 3)."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def test_a_folder_is_dropped_and_downloaded_with_its_tree(browser: Browser, tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.jpg", ".hidden.png"):
        photo(tmp_path / "holiday" / name)
    (tmp_path / "holiday" / "note.txt").write_text("no picture")
    browser.drop(tmp_path / "holiday", photo(tmp_path / "single.png", 10))
    found = wait_for_rows(browser, 3)
    assert sorted(found) == ["holiday/a.png", "holiday/sub/b.jpg", "single.png"]
    click(browser, "Download all")
    with zipfile.ZipFile(io.BytesIO(downloaded(tmp_path / "downloads", "enlarged.zip"))) as archive:
        assert sorted(archive.namelist()) == ["holiday/a.png", "holiday/sub/b.png", "single.png"]
        assert size_of(archive.read("single.png")) == (40, 36)


def test_one_result_is_downloaded_under_its_name(browser: Browser, tmp_path: Path) -> None:
    browser.drop(photo(tmp_path / "Zoë & ich, 100 %.png"))
    wait_for_rows(browser, 1)
    click(browser, "Download")
    assert size_of(downloaded(tmp_path / "downloads", "Zoë & ich, 100 %.png")) == (48, 36)


def test_what_cannot_be_enlarged_says_why_and_the_rest_goes_on(browser: Browser, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    cut = photo(tmp_path / "cut.png", 200, 200)
    cut.write_bytes(cut.read_bytes()[:-200])
    Image.new("L", (1001, 1000)).save(tmp_path / "large.png")
    (tmp_path / "heavy.png").write_bytes(bytes(2_000_001))
    names = ("broken.jpg", "cut.png", "large.png", "heavy.png")
    browser.drop(*(tmp_path / name for name in names), photo(tmp_path / "good.png"))
    found = wait_for_rows(browser, 4)  # a file of too many bytes is not sent
    assert found["good.png"][0].startswith("done in")
    assert found["broken.jpg"] == ("failed", "Cannot read broken.jpg: its content is no picture. Replace or remove it.")
    assert found["cut.png"][0] == "failed"
    assert "at most max_pixels=1000000 pixels, but it has 1001x1000" in found["large.png"][1]
    trouble = browser.run("return document.getElementById('trouble').textContent")
    assert trouble == "heavy.png has more than 2000000 bytes."


def test_two_tabs_see_one_queue_and_each_can_cancel(browser: Browser, address: str, tmp_path: Path) -> None:
    browser.drop(photo(tmp_path / "first.png", 900, 900), photo(tmp_path / "second.png", 800, 800))
    wait_for_rows(browser, 2, busy=True)
    with browser.another_tab(address):
        assert list(wait_for_rows(browser, 2, busy=True)) == ["first.png", "second.png"]
        click(browser, "Cancel")
        wait_for_rows(browser, 1, busy=True)
        browser.drop(photo(tmp_path / "third.png"))
        wait_for_rows(browser, 2, busy=True)
    wait(browser, "tasks.map((task) => task.name).join() === 'second.png,third.png'")  # it looks twice a second
    assert list(wait_for_rows(browser, 2, busy=True)) == ["second.png", "third.png"]
    click(browser, "Cancel all")
    wait(browser, "tasks.length === 0 || tasks.every((task) => task.state === 'done')")


def test_what_cannot_be_shown_is_asked_for_once(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def too_large(work: Work, task: Task) -> None:
        asked.append(task.name)
        raise MemoryError("this takes 9.0 GB of memory, and 1.0 GB are free")

    monkeypatch.setattr(Work, "view", too_large)
    browser.drop(photo(tmp_path / "a.png"))
    wait(browser, "find('trouble').textContent.startsWith('a.png is too large to be shown')")
    time.sleep(1.5)  # of three looks at the queue
    assert asked == ["a.png"]
    assert len(browser.log()) == 1  # of the answer 507
    click(browser, "Download")
    assert size_of(downloaded(tmp_path / "downloads", "a.png")) == (48, 36)


def test_the_shown_picture_is_made_again_when_asked(browser: Browser, tmp_path: Path) -> None:
    browser.drop(photo(tmp_path / "a.png"))
    wait(browser, "shown && !find('viewer').hidden")
    browser.run("find('size').value = '2x'; find('format').value = 'jpg'")
    click(browser, "Enlarge the shown picture again")
    wait(browser, "tasks[0].version === 2 && shown.version === 2")
    facts: Any = browser.run("return find('facts').textContent")
    assert "24" in facts
    click(browser, "Download")
    assert size_of(downloaded(tmp_path / "downloads", "a.jpg")) == (24, 18)


def test_the_slider_answers_on_a_part_and_then_computes_the_whole(browser: Browser, tmp_path: Path) -> None:
    browser.drop(photo(tmp_path / "a.png", 900, 800))
    wait(browser, "shown && !find('viewer').hidden")
    before = pixels(downloaded_result(browser, tmp_path))
    left, top, width, height = browser.run(
        "const box = find('strength').getBoundingClientRect(); return [box.left, box.top, box.width, box.height]"
    )
    middle = top + height / 2
    browser.drag((left + width - 8, middle), (left + 0.3 * width, middle))
    wait(browser, "document.querySelector('#right .trial')")
    assert browser.run("return tasks[0].version") == 1  # the whole takes longer
    assert browser.run("return find('strength-value').textContent") == "30 %"
    area, trial = browser.run(
        """const image = document.querySelector('#right .trial'), canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        canvas.getContext('2d').drawImage(image, 0, 0);
        return [image.area, canvas.toDataURL('image/png').split(',')[1]]"""
    )
    wait(browser, "tasks[0].version === 2 && shown.version === 2 && !document.querySelector('#right .trial')")
    after = pixels(downloaded_result(browser, tmp_path))
    part = tuple(slice(round(area[a]), round(area[a] + area[b])) for a, b in (("y", "height"), ("x", "width")))
    assert after[part].shape == (384, 384, 3)
    assert np.abs(pixels(base64.b64decode(trial)) - after[part]).max() <= 1
    assert np.abs(before - after).max() > 10


class TestHundredMegapixels:
    """A server with the limits that it has by default."""

    @pytest.fixture
    def limits(self) -> Limits:
        return Limits()

    @pytest.mark.filterwarnings("ignore:.*takes no network")  # as the command does
    def test_such_a_picture_is_enlarged_shown_and_tried_out(self, browser: Browser, tmp_path: Path) -> None:
        Image.new("RGB", (10_000, 10_000), "teal").save(tmp_path / "hundred.jpg")
        Image.new("RGB", (10_001, 10_000), "teal").save(tmp_path / "more.jpg")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        browser.run("find('size').value = '1x'; find('format').value = 'jpg'")
        browser.drop(tmp_path / "hundred.jpg", tmp_path / "more.jpg")
        found = wait_for_rows(browser, 2, seconds=240)
        assert found["hundred.jpg"][0].startswith("done in")
        assert "at most max_pixels=100000000 pixels, but it has 10001x10000" in found["more.jpg"][1]
        wait(browser, "shown && find('facts').textContent.includes('shown at 40% of its size')", seconds=240)
        browser.run("find('strength').value = 0.5; find('strength').dispatchEvent(new Event('input'))")
        wait(browser, "document.querySelector('#right .trial')")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4_000_000  # kilobytes

    def test_one_that_takes_hours_is_cancelled_at_once(self, browser: Browser, tmp_path: Path) -> None:
        Image.new("RGB", (10_000, 10_000), "teal").save(tmp_path / "hundred.jpg")
        browser.drop(tmp_path / "hundred.jpg")
        wait(browser, "tasks.length && tasks[0].state === 'running' && tasks[0].progress > 0")
        click(browser, "Cancel")
        browser.drop(photo(tmp_path / "next.png"))
        assert wait_for_rows(browser, 1)["next.png"][0].startswith("done in")
