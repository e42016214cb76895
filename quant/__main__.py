"""`python -m quant`: merge the newest adapter into its base, then quantise the result."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from console import UserError, option, parse_options, run
from lora.adapter import base_of, find_adapter, load_adapter
from lora.base import Base, load_base, short_name
from lora.files import atomic_directory, exclusive
from lora.merge import merge_lora
from quant.store import save_quantized
from quant.swap import (
    QuantConfig,
    default_compute_dtype,
    linear_weights,
    quantize_weights,
    relative_errors,
    swap_modules,
)


@dataclass
class QuantizeOptions:
    """Options of the command."""

    adapter: Path | None = option(None, "어댑터 폴더. 안 주면 가장 새로운 best 어댑터")
    output_dir: Path = option(Path("checkpoints"), "어댑터를 찾고 결과를 쓸 폴더")
    bits: int = option(4, "4(nf4) 또는 8(int8)")
    double_quant: bool = option(False, "4비트의 블록별 배율도 양자화 (QLoRA 3절)")

    def __post_init__(self) -> None:
        if self.bits not in (4, 8):
            raise UserError(f"--bits {self.bits}: 4 또는 8만 됩니다. 값을 바꿔 다시 실행하세요.")


def main() -> None:
    options = parse_options(QuantizeOptions, "python -m quant", "어댑터를 병합하고 양자화합니다.")
    adapter = options.adapter or find_adapter(options.output_dir)
    base = load_base(base_of(adapter))
    name = short_name(base.name)
    print(f"어댑터: {adapter} (베이스 {base.name})")
    merged = options.output_dir / f"{name}-merged"
    quantized = options.output_dir / f"{name}-bnb-{options.bits}bit"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = QuantConfig(options.bits, options.double_quant, default_compute_dtype(device))
    with exclusive(options.output_dir):
        merge(base, adapter, merged)
        errors = quantize(base, config, device, quantized)
    worst = max(errors, key=lambda layer: errors[layer])
    print(
        f"상대 오차 |Wq-W|/|W|: 평균 {sum(errors.values()) / len(errors):.2%}, "
        f"최대 {errors[worst]:.2%} ({worst}); 층별 값은 {quantized / 'relative_errors.json'}"
    )
    before, after = size_in_mb(merged), size_in_mb(quantized)
    print(f"크기: {merged} {before:.1f} MB -> {quantized} {after:.1f} MB ({after / before:.0%})")


def merge(base: Base, adapter: Path, directory: Path) -> None:
    """Fold the adapter into the base in fp32, in place, and write the sum in fp16.

    Raises:
        UserError: a weight does not fit into fp16.
    """
    load_adapter(base.model, adapter)
    merge_lora(base.model)
    base.model.half()
    for name, parameter in base.model.named_parameters():
        if not parameter.isfinite().all():
            raise UserError(
                f"{adapter}: 병합한 {name}이(가) fp16의 범위를 넘습니다. "
                "--learning-rate를 낮춰 다시 학습하세요."
            )
    with atomic_directory(directory) as draft:
        base.model.save_pretrained(draft)
        base.tokenizer.save_pretrained(draft)


def quantize(
    base: Base, config: QuantConfig, device: torch.device, directory: Path
) -> dict[str, float]:
    """Swap and quantise the merged model, in place, and write it; the relative error per layer."""
    originals = linear_weights(base.model)
    names = swap_modules(base.model, config)
    quantize_weights(base.model, names, device)
    errors = relative_errors(base.model, originals)
    with atomic_directory(directory) as draft:
        save_quantized(base.model, names, config, draft)
        base.tokenizer.save_pretrained(draft)
        text = json.dumps(errors, indent=2)
        (draft / "relative_errors.json").write_text(text + "\n")
    return errors


def size_in_mb(directory: Path) -> float:
    """Size of a folder's weights in megabytes (10^6 bytes)."""
    return sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 1e6


if __name__ == "__main__":
    run(main)
