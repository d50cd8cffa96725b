"""Tests of srgan.data.doctor.copies: which of many pictures are set beside which."""

import numpy as np
import pytest
import torch

from srgan.data.doctor import copies
from srgan.data.doctor.copies import Signature, collection_findings


def test_burst_photos_match_the_nearest_earlier_one_on_each_side() -> None:
    signature = torch.ones(256, dtype=torch.int8)
    burst = []
    for number in range(20):  # one sign more changes with each photo
        burst.append(Signature(str(number), "train", bytes([number]), signature.clone()))
        signature[number] = -1
    held_out = [Signature(f"val{number}", "val", b"v%d" % number, signature.clone()) for number in range(2)]
    findings = collection_findings([*burst, *held_out])
    assert [(each.name, each.file, each.values["other"]) for each in findings] == [
        *(("near_duplicate", str(number), str(number - 1)) for number in range(1, 20)),
        ("leakage", "val0", "19"),
        ("leakage", "val1", "19"),
        ("near_duplicate", "val1", "val0"),
    ]
    assert findings[0].values["distance"] == 1


def test_however_many_photos_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    originals = rng.choice([-1, 1], (12, 256)).astype(np.int8)
    signatures = []
    for number in range(60):  # each a copy of one of 12 pictures with some other signs
        signature = originals[number % 12].copy()
        signature[rng.choice(256, int(rng.integers(0, 20)), replace=False)] *= -1
        side = "val" if number % 5 == 4 else "train"
        signatures.append(Signature(f"{number:02d}", side, b"%d" % number, torch.from_numpy(signature)))
    together = collection_findings(signatures)
    monkeypatch.setattr(copies, "_BLOCK", 7)
    assert sorted(collection_findings(signatures), key=str) == sorted(together, key=str)
    assert {each.file for each in together} == {f"{number:02d}" for number in range(12, 60)}
