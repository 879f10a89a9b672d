"""Value rescaling: literal values, the round trip, and what float32 leaves of it."""

import math

import pytest
import torch

from agents.losses.rescale import h, h_inverse


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (3.0, 1.003), (-3.0, -1.003), (99.0, 9.099), (-8.0, -2.008)])
def test_h_and_its_inverse_at_squares(x: float, y: float):
    """sqrt(|x| + 1) - 1 + x / 1000 where x + 1 is a square."""
    one, two = torch.tensor([x], dtype=torch.float64), torch.tensor([y], dtype=torch.float64)
    assert h(one, 1e-3).item() == pytest.approx(y, rel=1e-12, abs=1e-12)
    assert h_inverse(two, 1e-3).item() == pytest.approx(x, rel=1e-9, abs=1e-9)


def test_the_inverse_is_the_papers_formula():
    for x in (-20.0, -0.3, 0.001, 5.0, 1e4):
        root = (math.sqrt(1 + 4e-3 * (abs(x) + 1 + 1e-3)) - 1) / 2e-3
        expected = math.copysign(root**2 - 1, x)
        found = h_inverse(torch.tensor(x, dtype=torch.float64), 1e-3).item()
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("bound", "error"), [(1.0, 2e-6), (300.0, 3e-4)])
def test_the_round_trip_in_single_precision(bound: float, error: float):
    x = torch.linspace(-bound, bound, 20_001)
    assert (h_inverse(h(x, 1e-3), 1e-3) - x).abs().max() < error
