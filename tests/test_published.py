"""Numbers that the tests of other projects expect, computed by our code from the same inputs.

Each test names the file that publishes its numbers. Inputs and tolerances are theirs.
"""

import torch
from torch import Tensor, nn

from infer.generate import forbid_repeats, keep_likeliest, penalize
from lora.layer import LoRALinear
from quant import nf4


def ramp(shape: torch.Size) -> Tensor:
    """n evenly spaced values from 0 to 1 - 1 / n, in the order of memory."""
    return (torch.arange(shape.numel()) / shape.numel()).view(shape)


def test_torchtune_a_lora_layer() -> None:
    """https://github.com/meta-pytorch/torchtune, tests/torchtune/modules/peft/test_lora.py

    `EXPECTED_VAL`, which torchtune computed with microsoft/LoRA. `fixed_init_model`, in
    tests/test_utils.py, fills every parameter with a ramp.
    """
    torch.manual_seed(16)
    inputs = torch.randn(2, 32, 64)
    layer = LoRALinear(nn.Linear(64, 128), rank=4, alpha=1.0)
    for parameter in layer.parameters():
        parameter.data = ramp(parameter.shape)
    torch.testing.assert_close(layer(inputs).mean(), torch.tensor(1.1252), atol=1e-4, rtol=1e-6)


def test_bitsandbytes_nf4_errors() -> None:
    """https://github.com/bitsandbytes-foundation/bitsandbytes, tests/test_functional.py

    `test_4bit_quant`: means over 1,000 normal matrices. Theirs are upper bounds, of which ours have
    to be within the same 1e-3 on both sides.
    """
    torch.manual_seed(0)
    weight = torch.randn(1024, 1024)
    error = (nf4.dequantize(*nf4.quantize(weight), weight.shape) - weight).abs()
    assert abs(error.mean() - 0.072792) < 1e-3
    assert abs((error / (weight.abs() + 1e-8)).mean() - 0.203299) < 1e-3


def test_bitsandbytes_nf4_levels() -> None:
    """https://github.com/bitsandbytes-foundation/bitsandbytes, bitsandbytes/functional.py

    `get_4bit_type`, which cites appendix E of QLoRA (https://arxiv.org/abs/2305.14314).
    """
    published = """
        -1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453
        -0.28444138169288635 -0.18477343022823334 -0.09105003625154495 0.0
        0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224
        0.44070982933044434 0.5626170039176941 0.7229568362236023 1.0"""
    assert torch.equal(nf4.LEVELS, torch.tensor([float(level) for level in published.split()]))
    # Each level is stored as its own code, two to a byte, the first of a pair in the high bits.
    packed, absmax = nf4.quantize(nf4.LEVELS)
    assert packed.tolist() == [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]
    assert torch.equal(nf4.dequantize(packed, absmax, nf4.LEVELS.shape), nf4.LEVELS)


# https://github.com/huggingface/transformers, tests/generation/test_logits_process.py, has the
# numbers of all the tests below.


def test_transformers_repetition_penalty() -> None:
    """`test_repetition_penalty_dist_process`"""
    scores = torch.full((2, 10), 1 / 10)
    scores[0, 0], scores[1, 5] = -1 / 10, 4 / 10
    found = penalize(scores, torch.tensor([[0, 1], [5, 0]]), 2.0)
    expected = scores.clone()
    expected[0, :2] = torch.tensor([-1 / 10 * 2, 1 / 10 / 2])
    expected[1, 0], expected[1, 5] = 1 / 10 / 2, 4 / 10 / 2
    torch.testing.assert_close(found, expected)


def test_transformers_top_k() -> None:
    """`test_top_k_dist_warper`"""
    ramps = torch.arange(10.0).repeat(2, 1)
    ramps[1, :5] += 10
    removed = keep_likeliest(ramps, top_k=3, top_p=1.0).isinf()
    assert removed[0].tolist() == 7 * [True] + 3 * [False]
    assert removed[1].tolist() == 2 * [True] + 3 * [False] + 5 * [True]


def test_transformers_top_p() -> None:
    """`test_top_p_dist_warper`: in float, too, 0.5 and 0.3 reach 0.8."""
    probabilities = torch.tensor([[0.3, 0.1, 0.1, 0.5], [0.15, 0.3, 0.3, 0.25]])
    kept = keep_likeliest(probabilities.log(), top_k=0, top_p=0.8).exp()
    expected = torch.tensor([[0.3, 0.0, 0.0, 0.5], [0.0, 0.3, 0.3, 0.25]])
    torch.testing.assert_close(kept, expected, rtol=1e-3, atol=1e-3)
    ramp_logits = (torch.arange(10.0) - 5).repeat(2, 1)
    ramp_logits[1] *= 100
    # Theirs keeps 3 and 2, the latter by `min_tokens_to_keep=2`, where the nucleus is one token.
    assert keep_likeliest(ramp_logits, 0, 0.9).isfinite().sum(1).tolist() == [3, 1]


def test_transformers_no_repeat_ngram() -> None:
    """`test_no_repeat_ngram_dist_processor` and its two neighbours"""
    scores = torch.full((2, 3), 1 / 3)
    tokens = torch.tensor([[1, 1, 2, 1], [0, 1, 0, 1]])
    removed = [[False, True, True], [True, False, False]]
    assert forbid_repeats(scores, tokens, 2).isinf().tolist() == removed
    removed = [[False, False, False], [True, False, False]]
    assert forbid_repeats(scores, tokens, 3).isinf().tolist() == removed
    assert not forbid_repeats(scores, tokens[:, :2], 3).isinf().any()
    tokens = torch.tensor([[1, 2, 5, 7, 8, 5, 1, 2]])
    found = forbid_repeats(torch.full((1, 10), 1 / 10), tokens, 3).isinf()
    assert found.nonzero()[:, 1].tolist() == [5]
