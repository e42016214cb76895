"""What lesson 3 claims, proved by `make verify LESSON=training`.

The model is that of `lora/claims.py` with LoRA, the rows are those of `data/claims.py`.
"""

import math
from collections.abc import Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import NewGELUActivation

from common.claims import Proof, claim
from data.batches import collate, split_batch
from data.claims import load_examples
from data.encode import Example
from lora.claims import learn, small_gpt2
from lora.inject import LoraConfig, inject_lora
from lora.layer import LoRALinear
from model.base import prepare
from model.loss import count_targets, response_loss
from model.precision import Precision
from training.config import TrainConfig
from training.loop import TrainingState, initial_state, train, train_step

CPU = torch.device("cpu")
FP32, FP16 = Precision("fp32", CPU), Precision("fp16", CPU)
CONFIG = TrainConfig(gradient_accumulation_steps=2, epochs=1)  # four steps over eight rows


def adapted(dropout: float = 0.0) -> PreTrainedModel:
    """The small model with LoRA that has learnt something."""
    model = small_gpt2()
    prepare(model)
    inject_lora(model, LoraConfig(rank=4, alpha=8.0, dropout=dropout))
    learn(model)
    return model


def learnt(model: nn.Module) -> Tensor:
    """All of A and B as one vector."""
    return torch.cat([p.detach().flatten() for p in model.parameters() if p.requires_grad])


def step(
    micro_batches: Sequence[Sequence[Example]], precision: Precision = FP32
) -> tuple[Tensor, float]:
    """The gradient of a training step, which SGD at rate 1 subtracts, and its norm."""
    model = adapted()
    parameters = [p for p in model.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(parameters, lr=1.0)
    state = TrainingState(sgd, precision.grad_scaler())
    batches = [collate(examples, pad_id=0) for examples in micro_batches]
    before = learnt(model)
    _, norm, _ = train_step(model, batches, state, precision, max_grad_norm=math.inf)
    return before - learnt(model), norm


def apart(x: Tensor, y: Tensor) -> float:
    """The norm of the difference of two vectors, relative to the second one."""
    return float((x - y).norm() / y.norm())


@claim("1×8도 2×4도 같은 그래디언트다. 마이크로배치마다 평균하면 다르다")
def mean_over_the_whole_batch() -> Proof:
    examples = load_examples()
    one_by_one, _ = step(split_batch(examples, 1, 0))
    by_four, _ = step(split_batch(examples, 4, 0))
    means = torch.stack([step([[example]])[0] for example in examples])
    ours, wrong = apart(by_four, one_by_one), apart(means.mean(0), one_by_one)
    return Proof({"1×8과의 차이: 2×4": ours, "평균의 평균": wrong}, ours < 1e-4 < 0.01 < wrong)


@claim("출력층을 응답 위치에만 써도 그래디언트가 같다")
def response_only_head_is_the_full_head() -> Proof:
    batch = collate(load_examples(), pad_id=0)
    ours, theirs = adapted(), adapted()
    response_loss(ours, batch["input_ids"], batch["labels"]).backward()
    logits = theirs(batch["input_ids"]).logits[:, :-1]  # (B, T - 1, V), the prompt's too
    F.cross_entropy(logits.mT, batch["labels"][:, 1:], reduction="sum").backward()
    found, expected = (
        torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        for model in (ours, theirs)
    )
    share = 100 * count_targets(batch["labels"]) / batch["labels"].numel()
    numbers = {"그래디언트의 차이": apart(found, expected), "계산한 로짓(%)": share}
    return Proof(numbers, apart(found, expected) < 1e-4)


@claim("채움은 손실을 바꾸지 않는다")
def padding_changes_nothing() -> Proof:
    model, examples = adapted(), load_examples()

    def loss(part: Sequence[Example]) -> float:
        batch = collate(part, pad_id=0, multiple=16)
        return response_loss(model, batch["input_ids"], batch["labels"]).item()

    padded = loss(examples)
    one_by_one = sum(loss([example]) for example in examples)
    numbers = {"손실의 합: 함께 채워서": padded, "하나씩": one_by_one}
    return Proof(numbers, math.isclose(padded, one_by_one, rel_tol=1e-5))


@claim("inf가 나온 스텝은 가중치도 학습률도 그 자리에 둔다")
def inf_skips_step_and_schedule() -> Proof:
    model = adapted()
    state = initial_state(model, CONFIG, FP32)
    steps, weights = [], [learnt(model)]
    for done in train(model, load_examples(), CONFIG, FP32, state):
        steps.append(done)
        weights.append(learnt(model))
        if done.step == 1:  # the loss of the second step is inf
            hook = model.lm_head.register_forward_hook(lambda _m, _x, logits: logits * math.inf)
        elif done.step == 2:
            hook.remove()
    held = steps[1].skipped and torch.equal(weights[1], weights[2])
    numbers = {"학습률: 건너뛴 스텝": steps[1].lr, "그다음 스텝": steps[2].lr}
    return Proof(numbers, held and steps[1].lr == steps[2].lr)


@claim("fp16에서는 손실에 배율이 없으면 작은 그래디언트가 0이 된다")
def fp16_needs_loss_scaling() -> Proof:
    scaler, gradients = FP16.grad_scaler(), []
    for scale in (scaler.scale, lambda loss: loss):
        layer, x = nn.Linear(8, 8), torch.ones(1, 8)
        with FP16.autocast():
            loss = 1e-9 * layer(x).sum().float()  # of gradient 1e-9 everywhere
        gradients.append(float(torch.autograd.grad(scale(loss), layer.bias)[0][0]))
    scaled, unscaled = gradients[0] / scaler.get_scale(), gradients[1]
    numbers = {"그래디언트 1e-9: 배율 있이": scaled, "없이": unscaled}
    return Proof(numbers, math.isclose(scaled, 1e-9, rel_tol=0.01) and unscaled == 0)


@claim("자르기 전에 배율을 나눠, 진짜 그래디언트의 노름을 본다")
def clipping_sees_true_gradients() -> Proof:
    batch = [load_examples()]
    (_, fp32), (_, fp16) = step(batch), step(batch, FP16)
    return Proof({"노름: fp16": fp16, "fp32": fp32}, math.isclose(fp16, fp32, rel_tol=0.05))


@claim("A와 B는 언제나 fp32다. fp16에 더한 작은 변화는 사라진다")
def masters_are_fp32() -> Proof:
    ours = LoRALinear(nn.Linear(8, 8).half(), rank=1, alpha=1.0).lora_A.data.fill_(1)
    half = ours.half()
    for _ in range(1000):
        ours += 1e-4
        half += 1e-4
    numbers = {"1에 0.0001을 1,000번: A": float(ours[0, 0]), "fp16": float(half[0, 0])}
    return Proof(numbers, ours.dtype == torch.float32 and abs(numbers["fp16"] - 1) < 1e-6)


@claim("드롭아웃도 스텝마다 새로 정해지니, 이어서 해도 비트까지 같다")
def resumes_bit_for_bit() -> Proof:
    examples, models = load_examples(), [adapted(dropout=0.5), adapted(dropout=0.5)]
    for model, stop in zip(models, (4, 2), strict=True):
        state = initial_state(model, CONFIG, FP32)
        for _ in islice(train(model, examples, CONFIG, FP32, state), stop):
            pass
    early = int((learnt(models[0]) != learnt(models[1])).sum())
    torch.manual_seed(7)  # whatever else has drawn random numbers in between
    for _ in train(models[1], examples, CONFIG, FP32, state):
        pass
    resumed = int((learnt(models[0]) != learnt(models[1])).sum())
    return Proof({"다른 가중치: 끊은 때": early, "이어서 마친 때": resumed}, resumed == 0 < early)


@claim("GELU를 커널 하나로 계산하면 간직하는 값이 4분의 1이다")
def gelu_in_one_kernel() -> Proof:
    x = torch.randn(1000, requires_grad=True)

    def kept(activation: nn.Module) -> int:
        """How many tensors of this size are kept for the backward pass."""
        found: dict[int, Tensor] = {}  # by where they are in memory

        def keep(tensor: Tensor) -> Tensor:
            return found.setdefault(tensor.data_ptr(), tensor)

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            activation(x)
        return len(found)

    ours = kept(adapted().get_submodule("transformer.h.0.mlp.act"))
    usual = kept(NewGELUActivation())
    return Proof({"간직한 벌: 커널 하나": ours, "식 그대로": usual}, (ours, usual) == (1, 4))
