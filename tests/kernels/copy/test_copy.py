import pytest
import torch

from lessons.kernels.copy import copy


def test_what_does_not_fit_is_refused_with_a_remedy():
    """What it copies is checked in the simulator and on a device: see ``cuda_checks.py``."""
    words = torch.zeros(4, dtype=torch.float64)
    with pytest.raises(ValueError, match="both must be of one length"):
        copy(words, words[:3])
    with pytest.raises(ValueError, match="view them as float64"):
        copy(words, words.float())
