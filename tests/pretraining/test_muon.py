import torch

from pretraining.muon import MuonAdamW, sinusoids
from tests.conftest import make_model


def test_the_first_step_of_a_matrix_is_orthogonal_and_of_an_embedding_is_adams() -> None:
    model = make_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = MuonAdamW(model, lr=1e-3)
    model(input_ids=torch.arange(40)[None], labels=torch.arange(40)[None]).loss.backward()
    optimizer.step()
    for name, p in model.named_parameters():
        # Muon's weight decay takes its share first.
        matrix = ".h." in name and p.dim() == 2
        update = p.detach() - before[name] * (1 - 1e-3 * 0.1 if matrix else 1)
        if matrix:
            values = torch.linalg.svdvals(update)
            largest = max(update.shape) ** 0.5 * 0.2 * 1e-3  # arXiv:2502.16982, equation 4
            assert values.max() < 1.3 * largest, name
            assert values.median() > 0.6 * largest, name
        else:
            # Adam's first step is the rate against the gradient's sign, and none where that is 0.
            moved = p.grad.abs() > 1e-4
            expected = -1e-3 * p.grad.sign()
            torch.testing.assert_close(update[moved], expected[moved], rtol=1e-3, atol=1e-6)
            assert moved.any() and (update[p.grad == 0] == 0).all(), name


def test_a_scheduler_moves_both_rates() -> None:
    optimizer = MuonAdamW(make_model(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for part in optimizer.parts for group in part.param_groups] == [0.5, 0.5]
    assert scheduler.get_last_lr() == [0.5, 0.5]


def test_neighbouring_positions_are_alike_wherever_they_stand() -> None:
    table = sinusoids(300, 64, amplitude=1.0).double()
    products = table @ table.T
    for distance in (0, 1, 7, 100):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert products[0, 0] > products[0, 1] > products[0, 3] > products[0, 10]
