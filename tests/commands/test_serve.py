"""Tests of ``srgan serve`` as a process: it says where it is, answers those who know, and ends in one line."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from srgan.commands import serve
from srgan.networks import Generator
from srgan.weights import save_generator

COMMAND = [sys.executable, "-c", "import sys; from srgan.commands import run; sys.exit(run())", "serve"]


def fetch(address: str) -> tuple[int, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
def test_it_answers_who_has_its_address_until_ctrl_c(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_generator(tmp_path / "tiny.safetensors", Generator(num_blocks=1, channels=4))
    line = [*COMMAND, f"ckpt={tmp_path / 'tiny.safetensors'}", "device=cpu", "open=false"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        status, page = fetch(address)
        assert status == 200
        assert "<option>tiny</option>" in page
        assert fetch(address.partition("?")[0])[0] == 401
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert rest.splitlines()[-1] == "Stopped."


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("port=x", "port to be a whole number, got x"),
        ("max_pixels=-1", "max_pixels to be a whole number"),
        ("ckpt=missing.safetensors", "missing.safetensors"),
    ],
)
def test_what_cannot_be_is_said_before_it_listens(
    argument: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.main([argument, "open=false"]) == 2
    assert reason in capsys.readouterr().err


def test_without_its_packages_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert serve.main(["open=false"]) == 2
    assert "pip install 'srgan[serve]'" in capsys.readouterr().err
