"""A generator for Hugging Face's Hub: weights, a card with metadata, and an entry for OpenModelDB."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from srgan.export.parity import ExportError
from srgan.networks import Generator
from srgan.spandrel_arch import SRResNetArchitecture
from srgan.weights import HUB_FILE

_IDENTIFIER = re.compile(r"[A-Za-z0-9.+-]+")  # of SPDX
_CARD = """\
# {name}

Enlarges photos {scale} times with SRResNet, the generator of SRGAN ([Ledig et al. 2017](https://arxiv.org/abs/1609.04802)).

```bash
srgan predict photo.jpg ckpt=hf://USER/{name}  # with your name for USER, or the folder's path
```

`{file}` holds plain tensors. It loads in ComfyUI, chaiNNer and other programs that use spandrel, too, once
`srgan.spandrel_arch.register()` has been called.

- **Input**: {input}
- **Output**: {output}
- **Trained on**: {data}
- **Licence**: {licence}
"""


def hub_files(content: bytes, generator: Generator, *, name: str, described: Mapping[str, str]) -> dict[str, bytes]:
    """The folder's files by name.

    Args:
        content: The weights, as safetensors that spandrel reads.
        generator: The network they are of.
        name: The model's.
        described: What is known of the weights.
    """
    licence = _identifier(described["licence"])
    metadata = {
        "license": licence.lower() if licence else "other",
        **({} if licence else {"license_name": "see-card"}),
        "pipeline_tag": "image-to-image",
        "library_name": "srgan",
        "tags": ["super-resolution", "image-upscaling", "srresnet", f"{generator.scale}x"],
    }
    card = _CARD.format(
        name=name,
        scale=generator.scale,
        file=HUB_FILE,
        input=described["input"],
        output=described["output"],
        data=described.get("data", "not stated by the weights' file"),
        licence=described["licence"],
    )
    entry = _openmodeldb(content, generator, name=name, licence=licence, described=described)
    return {
        HUB_FILE: content,
        "config.json": json.dumps(generator.config, indent=2).encode(),  # what the Hub counts downloads by
        "openmodeldb.json": json.dumps(entry, indent=2).encode(),
        "README.md": f"---\n{yaml.safe_dump(metadata, sort_keys=False)}---\n\n{card}".encode(),
    }


def _openmodeldb(
    content: bytes, generator: Generator, *, name: str, licence: str | None, described: Mapping[str, str]
) -> dict[str, Any]:
    """An entry by OpenModelDB's schema; who submits it adds an author, pictures and the address of the file."""
    resource = {
        "platform": "pytorch",
        "type": "safetensors",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "urls": [],
    }
    steps = described.get("steps", "")
    return {
        "name": name,
        "author": [],
        "license": licence,
        "tags": ["photo"],
        "description": f"SRResNet for photos, {generator.scale}x. Licence: {described['licence']}",
        "date": datetime.now(tz=timezone.utc).date().isoformat(),
        "architecture": SRResNetArchitecture().id.lower(),
        "size": [f"{generator.channels}nf", f"{generator.num_blocks}nb"],
        "scale": generator.scale,
        "inputChannels": 3,
        "outputChannels": 3,
        "resources": [resource],
        **({"trainingIterations": int(steps)} if steps.isdecimal() else {}),
        **({"dataset": described["data"]} if "data" in described else {}),
        "images": [],
    }


def _identifier(licence: str) -> str | None:
    """The licence's short name where what is stated begins with one: ``MIT; see …`` is ``MIT``."""
    first = licence.split(";")[0].strip()
    return first if _IDENTIFIER.fullmatch(first) else None


def require_login() -> str:
    """The name of who is logged in to the Hub.

    Raises:
        ExportError: If nobody is, or the package is missing.
    """
    api = _api()
    try:
        return str(api.whoami()["name"])
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(
            f"Expected somebody to be logged in to Hugging Face's Hub for push=true, but nobody is ({_brief(error)})."
            " Run hf auth login, or leave push out."
        ) from error


def push_folder(folder: Path, *, user: str) -> str:
    """Upload a folder that ``export_generator`` wrote; where there is such a model, as a new version of it.

    Args:
        folder: The folder; its name is the model's.
        user: Who is logged in.

    Returns:
        What to give to ``ckpt=``.

    Raises:
        ExportError: If the user has another model of that name, or the Hub refuses.
    """
    api, repo = _api(), f"{user}/{folder.resolve().name}"
    try:
        if api.repo_exists(repo) and not api.file_exists(repo, HUB_FILE):
            raise ExportError(
                f"The Hub has a model {repo} already that is not from here: nothing was uploaded. Rename {folder}."
            )
        api.create_repo(repo, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder)
    except OSError as error:
        raise ExportError(f"{folder} is written, but could not be uploaded to {repo}: {_brief(error)}") from error
    return f"hf://{repo}"


def _api() -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ExportError(
            "Expected huggingface-hub for push=true, but it is not installed: pip install 'srgan[hub]'."
        ) from error
    return HfApi()


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
