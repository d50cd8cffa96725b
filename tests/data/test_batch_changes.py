"""Tests of srgan.data.batch_changes: what several changes of one batch have to do with each other."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from srgan.data.augmentations import Augmentation
from srgan.data.batch_changes import BatchChanges


def blacken(hr: Tensor, *, scale: int, rngs: Sequence[np.random.Generator]) -> Tensor:
    """A degradation that leaves nothing."""
    return torch.zeros(len(rngs), 3, hr.shape[-2] // scale, hr.shape[-1] // scale)


def test_cutblur_pastes_the_recoloured_picture() -> None:
    augmentation = Augmentation(colour_jitter=1, cutblur_probability=1)
    lr = torch.rand(4, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 8, 8)  # of one colour each
    changes = BatchChanges(blacken, augmentation, scale=4, seed=0)
    batch = changes({"lr": lr, "hr": lr.repeat_interleave(4, -1).repeat_interleave(4, -2)}, first_sample=0)
    pasted = batch["lr"].amax(dim=(2, 3))  # where it is not black
    torch.testing.assert_close(pasted, batch["hr"].mean(dim=(2, 3)), atol=1 / 255, rtol=0)
    assert (pasted - lr[..., 0, 0]).abs().mean() > 0.05  # else this test shows nothing
