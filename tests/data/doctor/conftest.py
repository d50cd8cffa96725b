"""A photo that is sharp enough for all that the doctor looks for."""

import pytest
from torch import Tensor

from tests.data.doctor.made import textured


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """A picture that is sharp enough to tell kernels apart."""
    return textured(100)
