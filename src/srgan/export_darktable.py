"""A folder as darktable 5.6 and later takes its models: the network as ONNX, and what it is for."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from srgan.system.files import atomic_write


def write_darktable(folder: Path, content: bytes, *, scale: int, described: Mapping[str, str]) -> None:
    """Write ``config.json`` and ``model_x<scale>.onnx``.

    Args:
        folder: Where to; its name becomes the model's.
        content: The ONNX file.
        scale: How many times it enlarges.
        described: What is known of the weights; the licence is shown.

    Raises:
        FileExistsError: If there is something else of that name.
    """
    if folder.exists() and not (
        folder.is_dir() and set(folder.iterdir()) <= {folder / "config.json", *folder.glob("*.onnx")}
    ):
        raise FileExistsError(f"Expected out to be a new folder, or a model of darktable to replace, got {folder}.")
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "srgan"
    config = {
        "id": name,
        "name": folder.name,
        "description": f"{scale}x photo upscaling (SRResNet). Licence of the weights: {described['licence']}",
        "task": "upscale",
        "backend": "onnx",
        "num_inputs": 1,
    }
    with atomic_write(folder / f"model_x{scale}.onnx") as file:
        file.write(content)
    with atomic_write(folder / "config.json") as file:
        file.write(json.dumps(config, indent=2).encode())
