import pytest
import torch

from common.console import UserError
from model.device import pick_device, place
from tests.conftest import make_model


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="cuda"):
        pick_device("cuda")
    for name in ("tpu", "cpu:x", "", "cuda:99", "가"):
        with pytest.raises(UserError, match=f"--device {name}"):
            pick_device(name)


def test_place_moves_a_model_in_place_and_returns_it() -> None:
    model = make_model()
    assert place(model, torch.device("meta")) is model
    assert {p.device.type for p in model.parameters()} == {"meta"}
