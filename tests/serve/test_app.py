"""Tests of the server's endpoints: each request gets its picture or a clear refusal, also while others are served."""

import errno
import io
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from srgan.networks import Generator
from srgan.serve.app import Server
from srgan.serve.networks import Networks
from srgan.serve.wishes import Limits, read_wish
from srgan.serve.work import Work
from srgan.weights import save_generator

TOKEN = "secret"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny untrained generators in files, of one architecture."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(("tiny", "other")):
        torch.manual_seed(seed)
        save_generator(folder / f"{name}.safetensors", Generator(num_blocks=1, channels=4, global_skip="bicubic"))
    return folder


def make_server(weights: Path, folder: Path, limits: Limits) -> Server:
    settings: dict[str, Any] = {"ckpt": str(weights / "tiny.safetensors"), "tile_size": 16, "device": "cpu"}
    settings["blend_with"] = str(weights / "other.safetensors")
    return Server(Networks(**settings), Networks(**settings), folder=folder, token=TOKEN, limits=limits)


@pytest.fixture
def limits() -> Limits:
    return Limits(max_bytes=100_000, max_pixels=10_000, max_tasks=300)


@pytest.fixture
def server(weights: Path, tmp_path: Path, limits: Limits) -> Server:
    return make_server(weights, tmp_path, limits)


@pytest.fixture
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(server.app(), base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def picture(height: int = 9, width: int = 12, *, seed: int = 0, format: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(values).save(encoded, format)
    return encoded.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def tasks(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/tasks").json()["tasks"]
    return found


def wait(client: TestClient, seconds: float = 60) -> list[dict[str, Any]]:
    """The queue, once nothing is left to do."""
    deadline = time.monotonic() + seconds
    while any(task["state"] in ("waiting", "running") for task in tasks(client)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return tasks(client)


def test_a_picture_comes_back_enlarged(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/enlarge", params={"name": "in/ä.jpg", "size": "30", "format": "webp"}, content=picture())
    assert (answer.status_code, size_of(answer.content)) == (200, (30, 22))
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4.webp"
    assert tasks(client) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/", "/tasks", "/results.zip", "/tasks/0/view", "/tasks/0/result", "/tasks/0/crop"])
def test_without_the_token_nothing_is_told(client: TestClient, path: str) -> None:
    for given in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        answer = client.get(path, headers=given)
        assert (answer.status_code, "token" in answer.text) == (401, True)
        assert TOKEN not in answer.text
    assert client.post("/enlarge", headers={"Authorization": "Bearer ü".encode()}, content=b"").status_code == 401
    assert client.get("/tasks", params={"token": TOKEN}, headers={"Authorization": ""}).status_code == 200
    assert client.get("/tasks", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"size": "huge"}, "size= to be a factor"),
        ({"weights": "/etc/passwd"}, "Expected weights to be one of tiny, srgan, srresnet, web, got /etc/passwd"),
        ({"format": "exe"}, "Expected format"),
        ({"strength": "2"}, "strength from 0 to 1, got 2"),
        ({"strength": "nan"}, "strength from 0 to 1"),
        ({"weights": "srresnet", "strength": "0.5"}, "no weights to be blended with"),
        ({"quality": "x"}, "quality from 1 to 100, got x"),
    ],
)
def test_a_setting_that_is_none_is_refused(client: TestClient, given: dict[str, str], reason: str) -> None:
    for path in ("/enlarge", "/tasks"):
        answer = client.post(path, params=given, content=picture())
        assert answer.status_code == 400
        assert reason in answer.text


def test_what_is_no_picture_or_too_large_is_refused(client: TestClient, tmp_path: Path) -> None:
    broken, cut = b"no picture", picture(60, 60)[:3000]
    for content, status, reason in (
        (b"", 400, "nothing came"),
        (broken, 422, "x.png: its content is no picture"),
        (cut, 422, "x.png"),
        (picture(101, 100), 422, "x.png: expected at most max_pixels=10000 pixels, but it has 100x101"),
        (bytes(100_001), 413, "at most 100000 bytes"),
    ):
        answer = client.post("/enlarge", params={"name": "x.png"}, content=content)
        assert (answer.status_code, reason in answer.text) == (status, True)
        assert str(tmp_path) not in answer.text

    def chunks() -> Iterator[bytes]:  # whose length nobody states
        for _ in range(200):
            yield bytes(1000)

    assert client.post("/enlarge", content=chunks()).status_code == 413
    assert list(tmp_path.iterdir()) == []


def test_the_queue_keeps_results_and_failures(client: TestClient) -> None:
    for name, content in (("a.png", picture()), ("b/c.png", b"broken"), ("../../d.png", picture(5, 7))):
        assert client.post("/tasks", params={"name": name}, content=content).status_code == 201
    first, second, third = wait(client)
    assert (first["state"], first["progress"], first["result"]) == ("done", 1, "a.png")
    assert (second["state"], second["message"]) == (
        "failed",
        "Cannot read b/c.png: its content is no picture. Replace or remove it.",
    )
    assert size_of(client.get(f"/tasks/{first['id']}/result").content) == (48, 36)
    assert client.get(f"/tasks/{second['id']}/result").status_code == 409
    with zipfile.ZipFile(io.BytesIO(client.get("/results.zip").content)) as archive:
        assert archive.namelist() == ["a.png", "d.png"]  # no way out of the folder
        assert size_of(archive.read("d.png")) == (28, 20)
    assert third["result"] == "d.png"


def test_names_that_meet_are_numbered_in_the_archive(client: TestClient) -> None:
    for seed in range(3):
        client.post("/tasks", params={"name": "a.jpg"}, content=picture(seed=seed))
    wait(client)
    with zipfile.ZipFile(io.BytesIO(client.get("/results.zip").content)) as archive:
        assert archive.namelist() == ["a.png", "a (2).png", "a (3).png"]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("../../up.png", "up.png"),
        ("C:\\x\\y.jpg", "C/x/y.png"),
        ("a\0b\r\nc.png", "abc.png"),
        ("😀" * 300, "😀" * 50 + ".png"),
        ("n" * 296 + ".png", "n" * 200 + ".png"),
        ("..", "picture.png"),
        ("page.svg", "page.png"),
    ],
)
def test_no_name_leads_out_of_an_archive(client: TestClient, name: str, inside: str) -> None:
    client.post("/tasks", params={"name": name, "format": "same"}, content=picture())
    wait(client)
    archive = zipfile.ZipFile(io.BytesIO(client.get("/results.zip").content))
    assert archive.namelist() == [inside.replace("y.png", "y.jpg")]


def test_names_that_differ_in_case_meet_in_the_archive(client: TestClient) -> None:
    for name in ("a.png", "A.png", "a (2).png"):
        client.post("/tasks", params={"name": name}, content=picture())
    wait(client)
    names = zipfile.ZipFile(io.BytesIO(client.get("/results.zip").content)).namelist()
    assert len({name.lower() for name in names}) == 3


def test_a_crop_of_what_cannot_be_read_tells_no_path(client: TestClient, tmp_path: Path) -> None:
    task = client.post("/tasks", params={"name": "bad.png"}, content=b"no picture").json()
    answer = client.get(f"/tasks/{task['id']}/crop", params={"x": 0, "y": 0, "width": 4, "height": 4})
    assert (answer.status_code, "bad.png" in answer.text, str(tmp_path) in answer.text) == (400, True, False)


def test_max_pixels_alone_limits_pixels(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # of which Pillow refuses twice as many
    server = make_server(weights, tmp_path, Limits(max_pixels=200))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(server.app(), base_url="http://127.0.0.1", headers=headers) as client:
        assert client.post("/enlarge", content=picture(9, 12)).status_code == 200
        refused = client.post("/enlarge", content=picture(20, 20), params={"name": "x.png"})
    assert refused.status_code == 422
    assert "x.png: expected at most max_pixels=200 pixels, but it has 20x20" in refused.text


def test_a_network_of_another_scale_is_counted_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_generator(tmp_path / "twice.safetensors", Generator(num_blocks=1, channels=4, scale=2))
    networks = Networks(ckpt=str(tmp_path / "twice.safetensors"), tile_size=16, device="cpu")
    server = Server(networks, networks, folder=tmp_path, token=TOKEN, limits=Limits())
    source = tmp_path / "a.png"
    source.write_bytes(picture())
    given = ({"size": "2x"}, {"size": "4x"})
    wishes = [read_wish(each, weights=networks.names, blended=networks.blended) for each in given]
    work = Work(networks, networks, Limits())
    assert [work.tiles(source, each) for each in wishes] == [1, 5]  # once, and once more in four times the pixels
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(server.app(), base_url="http://127.0.0.1", headers=headers) as client:
        task = client.post("/tasks", params={"size": "5x"}, content=picture()).json()
    assert (task["state"], "the network enlarges 2 times" in task["message"]) == ("failed", True)


def test_a_full_disk_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    answer = client.post("/tasks", content=picture())
    assert (answer.status_code, "No space left on device" in answer.text) == (507, True)


def test_the_view_has_layers_and_the_trust_map(client: TestClient) -> None:
    client.post("/tasks", params={"name": "a.png", "trust": "true"}, content=picture())
    (task,) = wait(client)
    block = client.get(f"/tasks/{task['id']}/view").json()
    assert (block["width"], block["height"], block["source"], block["name"]) == (48, 36, [12, 9], "a.png")
    assert set(block["layers"]) == {"bicubic", "sr"}
    assert block["trust"].startswith("data:image/png")


def test_what_is_too_large_to_be_shown_is_said_to_be(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/tasks", params={"name": "a.png"}, content=picture())
    (task,) = wait(client)
    monkeypatch.setattr("srgan.prediction.pages.looking.available_memory", lambda device: 1000)
    answer = client.get(f"/tasks/{task['id']}/view")
    assert (answer.status_code, "a.png is too large to be shown" in answer.text) == (507, True)
    assert client.get(f"/tasks/{task['id']}/result").status_code == 200


def test_a_crop_is_the_same_part_of_the_whole(client: TestClient) -> None:
    client.post("/tasks", params={"name": "a.png", "strength": "0.5"}, content=picture(80, 70))
    (task,) = wait(client)
    part = {"x": 20, "y": 30, "width": 24, "height": 16, "strength": "0.5"}
    crop = np.array(Image.open(io.BytesIO(client.get(f"/tasks/{task['id']}/crop", params=part).content)))
    whole = np.array(Image.open(io.BytesIO(client.get(f"/tasks/{task['id']}/result").content)))
    assert np.abs(crop.astype(int) - whole[120:184, 80:176]).max() <= 1
    other = client.get(f"/tasks/{task['id']}/crop", params={**part, "strength": "1"}).content
    assert not np.array_equal(np.array(Image.open(io.BytesIO(other))), crop)
    for wrong in ({"x": 60}, {"width": 0}, {"y": -1}, {"width": "x"}):
        assert client.get(f"/tasks/{task['id']}/crop", params={**part, **wrong}).status_code == 400


def test_again_replaces_the_result_once_it_is_there(client: TestClient) -> None:
    client.post("/tasks", params={"name": "a.png"}, content=picture())
    (task,) = wait(client)
    assert client.post(f"/tasks/{task['id']}/again", params={"size": "2x", "format": "jpg"}).status_code == 200
    (again,) = wait(client)
    assert (again["id"], again["version"], again["result"]) == (task["id"], 2, "a.jpg")
    assert size_of(client.get(f"/tasks/{task['id']}/result").content) == (24, 18)


def test_a_size_that_cannot_be_is_mended_by_another(client: TestClient) -> None:
    task = client.post("/tasks", params={"name": "a.png", "size": "17x"}, content=picture()).json()
    assert (task["state"], "size=17x" in task["message"]) == ("failed", True)
    answer = client.post(f"/tasks/{task['id']}/again", params={"size": "18x"})
    assert (answer.status_code, "size=18x" in answer.text) == (400, True)
    assert client.post(f"/tasks/{task['id']}/again", params={"size": "2x"}).status_code == 200
    (mended,) = wait(client)
    assert (mended["state"], mended["message"]) == ("done", None)


class Gate:
    """Holds the network back before each tile, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        forward = Generator.forward

        def held(network: Generator, lr: torch.Tensor) -> torch.Tensor:
            self.reached.set()
            assert self.opened.wait(30)
            return forward(network, lr)

        monkeypatch.setattr(Generator, "forward", held)


def test_cancelling_ends_one_and_leaves_the_others(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    ids = [client.post("/tasks", params={"name": f"{n}.png"}, content=picture(60, 60)).json()["id"] for n in range(3)]
    assert gate.reached.wait(30)
    assert [task["state"] for task in tasks(client)] == ["running", "waiting", "waiting"]
    for cancelled in ids[:2]:
        assert client.delete(f"/tasks/{cancelled}").status_code == 204
    gate.opened.set()
    (left,) = wait(client)
    assert (left["id"], left["state"]) == (ids[2], "done")
    assert client.delete(f"/tasks/{ids[0]}").status_code == 404
    client.delete(f"/tasks/{ids[2]}")
    assert list(tmp_path.iterdir()) == []


def test_another_wish_while_at_work_is_what_counts(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    id = client.post("/tasks", params={"name": "a.png"}, content=picture(60, 60)).json()["id"]
    assert gate.reached.wait(30)
    client.post(f"/tasks/{id}/again", params={"size": "2x"})
    gate.opened.set()
    (task,) = wait(client)
    assert (task["state"], task["version"]) == ("done", 1)
    assert size_of(client.get(f"/tasks/{id}/result").content) == (120, 120)


@pytest.mark.parametrize("limits", [Limits(max_tasks=2)])
def test_a_full_queue_says_so(client: TestClient, limits: Limits) -> None:
    for _ in range(2):
        client.post("/tasks", content=picture())
    answer = client.post("/enlarge", content=picture())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "2 pictures, as many as are taken" in answer.text
    client.delete(f"/tasks/{wait(client)[0]['id']}")
    assert client.post("/enlarge", content=picture()).status_code == 200


def test_two_clients_see_one_queue(client: TestClient, server: Server) -> None:
    second = TestClient(server.app(), base_url="http://localhost", headers={"Authorization": f"Bearer {TOKEN}"})
    for n, each in enumerate((client, second, client, second)):
        each.post("/tasks", params={"name": f"{n}.png"}, content=picture(5 + n, 5))
    done = wait(client)
    assert tasks(second) == done
    for n, task in enumerate(done):
        assert size_of(second.get(f"/tasks/{task['id']}/result").content) == (20, 4 * (5 + n))


def test_two_hundred_requests_lose_nothing_and_keep_nothing(client: TestClient, tmp_path: Path) -> None:
    def request(n: int) -> tuple[int, bool]:
        bad = n % 5 == 0
        content = picture(6, 6, seed=n)[:90] if bad else picture(6 + n % 7, 6, seed=n)
        answer = client.post("/enlarge", params={"name": f"{n}.png"}, content=content)
        return n, answer.status_code == 422 if bad else size_of(answer.content) == (24, 4 * (6 + n % 7))

    with ThreadPoolExecutor(4) as pool:
        assert all(right for _, right in pool.map(request, range(40)))  # all that is made once is made
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        results = dict(pool.map(request, range(200)))
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert results == dict.fromkeys(range(200), True)
    assert grown < 1_000_000
    assert list(tmp_path.iterdir()) == []


def test_remaining_time_is_told_once_it_is_known(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/tasks").json()["remaining_s"] == 0
    client.post("/tasks", content=picture())
    wait(client)
    gate = Gate(monkeypatch)
    client.post("/tasks", content=picture())
    assert gate.reached.wait(30)
    assert client.get("/tasks").json()["remaining_s"] > 0
    gate.opened.set()
    wait(client)


def test_the_page_names_the_weights_and_lets_nothing_else_in(client: TestClient) -> None:
    page = client.get("/", params={"token": TOKEN})
    assert page.status_code == 200
    for name in ("tiny", "srgan", "srresnet", "web"):
        assert f"<option>{name}</option>" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
