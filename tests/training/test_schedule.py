import pytest

from training.schedule import cosine_with_warmup


@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (1, 6), (9, 297), (5, 5)])
def test_rises_peaks_falls_and_never_wastes_a_step(warmup: int, total: int) -> None:
    factors = [cosine_with_warmup(step, warmup, total) for step in range(total)]
    assert all(0 < factor <= 1 for factor in factors)
    rise, fall = factors[: warmup + 1], factors[warmup:]
    assert rise == sorted(rise) and fall == sorted(fall, reverse=True)
    if total > warmup:
        assert factors[warmup] == 1


def test_by_hand() -> None:
    assert cosine_with_warmup(0, 3, 100) == 0.25
    assert cosine_with_warmup(50, 0, 100) == pytest.approx(0.5)
    assert cosine_with_warmup(100, 0, 100) == pytest.approx(0)
