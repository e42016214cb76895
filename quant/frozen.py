"""QLoRA: the base that an adapter is trained on, its frozen weights in 4 or 8 bits.

Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
"""

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from common.console import UserError
from quant.swap import EightBit, FourBit, layers_to_quantize, quantize_weights, swap_modules


def quantize_base(
    model: PreTrainedModel, bits: int, device: torch.device, dtype: torch.dtype
) -> None:
    """Quantise the linear layers of a plain base, in place, and move it to a device.

    The products are computed in `dtype`, which the other weights are converted to. Load the base in
    the dtype of its file or in fp32: then the codes are the same ones here and in `round_base`.

    Raises:
        UserError: the device is Apple's GPU, on which bitsandbytes has not been tried.
    """
    if device.type == "mps":
        raise UserError(f"--base-bits {bits}: Apple GPU에서는 안 됩니다. --device cpu를 쓰세요.")
    names = list(swap_modules(model, scheme_of(bits, dtype)))
    quantize_weights(model, names, device)
    for name in names:
        layer: Any = model.get_submodule(name)
        # On a CPU with AVX512-BF16 an evaluation would repack the weights, after which
        # bitsandbytes passes no gradient.
        layer.support_avx512bf16_for_cpu = False
        if bits == 4:
            layer.weight.quant_state.dtype = dtype  # of the weights in the backward pass
        # Under autocast a layer norm returns fp32, and bitsandbytes answers in the dtype it is
        # given. In half precision the activations take half of the memory.
        layer.register_forward_pre_hook(lambda _layer, inputs: (inputs[0].to(dtype),))
    model.to(device, dtype)  # type: ignore[arg-type]


@torch.no_grad()
def round_base(model: PreTrainedModel, bits: int, device: torch.device) -> None:
    """Replace the weights of a plain base, in place, by those that `quantize_base` computes with.

    An adapter has to be merged into the base that it was trained on. That was not W but Q(W), whose
    distance from W is not small: B·A was learnt on top of it, and has made up for a part of it.
    """
    scheme = scheme_of(bits, torch.float32)
    for layer in layers_to_quantize(model).values():
        transposed = isinstance(layer, Conv1D)  # (in, out)
        weight = layer.weight.data.T if transposed else layer.weight.data
        quantized = scheme.wrap(weight.contiguous(), bias=False).to(device).weight
        rounded = scheme.dequantize(quantized).to(weight)
        layer.weight.data = rounded.T.contiguous() if transposed else rounded


def scheme_of(bits: int, dtype: torch.dtype) -> FourBit | EightBit:
    """The scheme for this many bits; a 4-bit layer computes its products in `dtype`."""
    return FourBit(compute_dtype=dtype) if bits == 4 else EightBit()
