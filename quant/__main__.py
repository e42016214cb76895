"""`python -m quant`: merge the newest adapter into its base, then quantise the result."""

from dataclasses import dataclass
from pathlib import Path

import torch

from common.console import option, parse_options, run, validate
from common.folders import find_adapter, output_folder
from common.locks import exclusive
from lora.adapter import base_bits_of, base_of
from model.base import load_base
from quant.build import add_adapter, merge, quantize, size_in_mb
from quant.store import default_compute_dtype
from quant.swap import EightBit, FourBit


@dataclass
class QuantizeOptions:
    """Options of the command."""

    adapter: Path | None = option(None, "어댑터 폴더. 안 주면 가장 새로운 best 어댑터")
    output_dir: Path = option(Path("checkpoints"), "어댑터를 찾고 결과를 쓸 폴더")
    bits: int = option(4, "4(nf4) 또는 8(int8)", (lambda bits: bits in (4, 8), "4 또는 8만 됩니다"))
    double_quant: bool = option(False, "4비트의 블록별 배율도 양자화 (QLoRA 3절)")


def main() -> None:
    options = parse_options(QuantizeOptions, "python -m quant", "어댑터를 병합하고 양자화합니다.")
    validate(options)
    adapter = options.adapter or find_adapter(options.output_dir)
    base = load_base(base_of(adapter))
    bits = base_bits_of(adapter)
    trained_on = f", {bits}비트로 학습해 그 값에 합침" if bits else ""
    print(f"어댑터: {adapter} (베이스 {base.name}{trained_on})")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    four_bit = FourBit(options.double_quant, default_compute_dtype(device))
    merged = output_folder(options.output_dir, base.name, "merged")
    quantized = output_folder(options.output_dir, base.name, f"{options.bits}bit")
    with exclusive(options.output_dir):
        merge(base, adapter, merged, device)
        if bits == options.bits:
            # Q(W) + B·A would be rounded back to Q(W), its nearest: what was learnt would be lost.
            # W lies anywhere between two levels, so that W + B·A is rounded to the next one as
            # often as B·A is long.
            base = load_base(base.name)
            add_adapter(base, adapter)
        errors = quantize(base, four_bit if options.bits == 4 else EightBit(), device, quantized)
    worst = max(errors, key=lambda layer: errors[layer])
    print(
        f"상대 오차 |Wq-W|/|W|: 평균 {sum(errors.values()) / len(errors):.2%}, "
        f"최대 {errors[worst]:.2%} ({worst}); 층별 값은 {quantized / 'relative_errors.json'}"
    )
    before, after = size_in_mb(merged), size_in_mb(quantized)
    print(f"크기: {merged} {before:.1f} MB -> {quantized} {after:.1f} MB ({after / before:.0%})")


if __name__ == "__main__":
    run(main)
