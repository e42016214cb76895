"""What lesson 2 claims, proved by `make verify LESSON=lora`."""

import tempfile
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

from common.claims import Proof, claim
from lora.adapter import save_adapter
from lora.inject import LoraConfig, count_parameters, inject_lora, lora_layers
from lora.layer import LoRALinear
from lora.merge import merge_lora, unmerge_lora

CONFIG = LoraConfig(rank=4, alpha=8.0)
IDS = torch.arange(1, 31)[None]  # (1, T)


def small_gpt2() -> GPT2LMHeadModel:
    """Two narrow layers with random weights, in eval mode, for the tokenizer of the repository."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=8192, n_positions=1024, n_embd=64, n_layer=2, n_head=4)
    return GPT2LMHeadModel(config).eval()


def half_layer() -> tuple[nn.Module, LoRALinear]:
    """A model of one layer, whose base is fp16, and that layer."""
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 64).half(), rank=4, alpha=8.0)
    nn.init.normal_(layer.lora_B, std=0.1)
    return nn.Sequential(layer), layer


def learn(model: nn.Module) -> None:
    """Give every B random values, as if it had learnt something."""
    for layer in lora_layers(model).values():
        nn.init.normal_(layer.lora_B, std=0.1)


def logits(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        return model(IDS).logits


def apart(x: Tensor, y: Tensor) -> float:
    """The largest difference of two tensors."""
    return float((x - y).detach().abs().max())


@claim("LoRA를 붙인 모델은 베이스와 비트까지 같게 시작한다")
def starts_as_the_base() -> Proof:
    model = small_gpt2()
    base = logits(model)
    inject_lora(model, CONFIG)
    at_first = int((logits(model) != base).sum())
    learn(model)
    later = int((logits(model) != base).sum())
    return Proof({"베이스와 다른 로짓: 처음": at_first, "배운 뒤": later}, at_first == 0 < later)


@claim("LoRALinear는 식 (3), W₀·x + b + (alpha/rank)·B·A·x이다")
def is_equation_3() -> Proof:
    torch.manual_seed(0)
    base, x = nn.Linear(64, 32), torch.randn(10, 64)
    layer = LoRALinear(base, rank=4, alpha=8.0)
    nn.init.normal_(layer.lora_B)
    w, b, a = (p.double() for p in (base.weight, layer.lora_B, layer.lora_A))
    expected = x.double() @ (w + 8.0 / 4 * b @ a).T + base.bias.double()
    ours, without = apart(layer(x), expected), apart(base(x), expected)
    return Proof({"식과의 차이: LoRALinear": ours, "베이스만": without}, ours < 1e-4 < without)


@claim("저장한 어댑터를 PEFT가 열면 같은 로짓을 낸다", needs="peft")
def equals_peft() -> Proof:
    from peft import PeftModel

    ours = small_gpt2()
    theirs, base = deepcopy(ours), logits(ours)
    inject_lora(ours, CONFIG)
    learn(ours)
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(ours, CONFIG, "", Path(folder))
        peft = logits(PeftModel.from_pretrained(theirs, folder).eval())
    same, learnt = apart(logits(ours), peft), apart(base, peft)
    return Proof({"PEFT와의 차이": same, "베이스와의 차이": learnt}, same < 1e-5 < learnt)


@claim("gpt2의 c_attn에 rank 16이면 고칠 것의 2.8%만 배운다")
def learns_few_parameters() -> Proof:
    layer = Conv1D(2304, 768)
    weight = layer.weight.numel()
    model = nn.Sequential(layer)
    inject_lora(model, LoraConfig(rank=16, targets=("0",)))
    trainable, _ = count_parameters(model)
    numbers = {"배우는 수": trainable, "층의 가중치": weight}
    return Proof(numbers, trainable == 16 * (768 + 2304) and round(trainable / weight, 3) == 0.028)


@claim("병합한 모델은 병합하기 전과 같은 로짓을 낸다")
def merged_is_unmerged() -> Proof:
    model = small_gpt2()
    base = logits(model)
    inject_lora(model, CONFIG)
    learn(model)
    before = logits(model)
    merge_lora(model)
    merged, learnt = apart(logits(model), before), apart(base, before)
    return Proof({"병합 전과의 차이": merged, "베이스와의 차이": learnt}, merged < 1e-5 < learnt)


@claim("Conv1D는 가중치를 뒤집어 저장하니 B·A도 뒤집어 더해야 한다")
def conv1d_is_transposed() -> Proof:
    torch.manual_seed(0)
    layer, x = LoRALinear(Conv1D(64, 64), rank=4, alpha=8.0), torch.randn(10, 64)
    nn.init.normal_(layer.lora_B)
    h, wrong = layer(x), layer.base(x) + x @ layer.delta_weight()  # (in, out) of a square
    model = nn.Sequential(layer)
    merge_lora(model)
    ours, unturned = apart(model(x), h), apart(wrong, h)
    return Proof({"병합 전과의 차이: 뒤집어서": ours, "그대로": unturned}, ours < 1e-4 < unturned)


@claim("병합은 몇 번 되돌려도 비트까지 같다. 빼서는 그렇지 않다")
def unmerge_does_not_drift() -> Proof:
    model, layer = half_layer()
    weight, delta = layer.base.weight.clone(), layer.delta_weight()
    drifting = weight
    for _ in range(20):
        unmerge_lora(model, merge_lora(model))
        merged = (drifting.float() + delta).half()
        drifting = (merged.float() - delta).half()
    ours, wrong = int((layer.base.weight != weight).sum()), int((drifting != weight).sum())
    return Proof({"달라진 가중치: 되돌려서": ours, "빼서": wrong}, ours == 0 < wrong)


@claim("fp16 베이스에는 fp32로 더하고 한 번만 반올림한다")
def rounds_once() -> Proof:
    model, layer = half_layer()
    weight, delta = layer.base.weight.data, layer.delta_weight()
    merge_lora(model)
    merged, added = layer.base.weight.data, weight + delta.half()
    exact = weight.double() + delta.double()
    ours, twice = (float((w - exact).norm()) for w in (merged, added))
    return Proof({"반올림 오차: 한 번": ours, "두 번": twice}, ours < twice)


@claim("병합해도 wte와 lm_head는 한 텐서다. gpt2라면 풀릴 때 31% 는다")
def the_head_stays_tied() -> Proof:
    with torch.device("meta"):  # shapes without memory
        model = GPT2LMHeadModel(GPT2Config())
    inject_lora(model, LoraConfig())
    merge_lora(model)
    merged = sum(p.numel() for p in model.parameters())  # a shared parameter counts once
    untied = merged + model.lm_head.weight.numel()
    numbers = {"파라미터: 병합한 gpt2": merged, "풀렸다면": untied}
    return Proof(numbers, merged == 124_439_808 and round(untied / merged, 2) == 1.31)


@claim("eval()인 모델에 끼운 층은 드롭아웃도 꺼져 있다")
def follows_the_mode_of_the_base() -> Proof:
    model = small_gpt2()
    inject_lora(model, LoraConfig(rank=4, dropout=0.5))
    learn(model)
    ours = apart(logits(model), logits(model))
    for layer in lora_layers(model).values():
        layer.train()  # what a new module is
    wrong = apart(logits(model), logits(model))
    return Proof({"두 번 읽은 차이: 여기서": ours, "새 모듈 그대로": wrong}, ours == 0 < wrong)
