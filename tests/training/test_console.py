"""Tests of what is left out on the console."""

import warnings

import torch

from srgan.training.console import quieten


def test_torch_compiles_look_at_gradients_is_not_worth_a_line() -> None:
    sr = torch.zeros(1, requires_grad=True) * 2  # no leaf, like the generator's pictures
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _ = sr.grad
        assert len(caught) == 1  # torch warns indeed
        quieten()
        _ = sr.grad
    assert len(caught) == 1
