import pytest
import torch

from common.console import UserError
from model.device import pick_device


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="cuda"):
        pick_device("cuda")
    for name in ("tpu", "cpu:x", "", "cuda:99", "가"):
        with pytest.raises(UserError, match=f"--device {name}"):
            pick_device(name)
