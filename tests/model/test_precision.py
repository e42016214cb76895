import pytest
import torch

from common.console import UserError
from model.precision import cpu_has_bf16, pick_precision


def test_auto_precision_is_what_the_device_does_best() -> None:
    cpu = "bf16" if cpu_has_bf16() else "fp32"
    for device, expected in {"cuda": "fp16", "mps": "fp32", "cpu": cpu}.items():
        assert pick_precision("auto", torch.device(device)).name == expected
    with pytest.raises(UserError, match="fp8"):
        pick_precision("fp8", torch.device("cpu"))


def test_a_precision_that_the_device_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.precision.cuda_has_bf16", lambda: False)  # as on a T4
    with pytest.raises(UserError, match=r"bf16.*fp16"):
        pick_precision("bf16", torch.device("cuda"))
    assert pick_precision("auto", torch.device("cuda")).name == "fp16"
