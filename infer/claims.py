"""What lesson 5 claims, proved by `make verify LESSON=infer`. The model is the embedded base."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from common.claims import Proof, claim
from data.claims import ANSWER, QUESTION
from data.encode import encode_prompt
from infer.candidates import draw_candidates
from infer.copying import favour_copies
from infer.generate import generate, keep_likeliest
from infer.settings import GREEDY
from infer.summarize import Summarizer, pad_left
from model.base import EMBEDDED, Base, load_base

ANSWERS = (ANSWER, "네.", "재고를 잘못 세었습니다.")  # three lengths


def load() -> Base:
    return load_base(EMBEDDED.name)


def prompts(base: Base) -> list[list[int]]:
    return [encode_prompt(base.tokenizer, QUESTION, answer, 900)[0] for answer in ANSWERS]


def written(
    model: PreTrainedModel, ids: list[list[int]], new: int = 4, no_repeat_ngram: int = 0
) -> Tensor:
    """The tokens (B, new) that greedy decoding writes, whether or not they are EOS."""
    input_ids, mask = pad_left(ids, 0)
    settings = replace(GREEDY, max_new_tokens=new, no_repeat_ngram=no_repeat_ngram)
    return torch.stack(list(generate(model, input_ids, mask, -1, settings)), dim=1)


@torch.inference_mode()
def written_without_cache(model: PreTrainedModel, ids: list[list[int]], new: int = 4) -> Tensor:
    """The same by reading the whole text anew for each token, padding counted as positions."""
    text, mask = pad_left(ids, 0)
    for _ in range(new):
        logits = model(text, attention_mask=mask, use_cache=False, logits_to_keep=1).logits
        text = torch.cat([text, logits.argmax(-1)], dim=1)
        mask = torch.cat([mask, mask[:, -1:]], dim=1)
    return text[:, -new:]


@claim("KV 캐시를 써도 글은 같고, 읽는 토큰은 몇 분의 일이다")
def with_the_cache_is_without() -> Proof:
    base, read = load(), list[int]()
    embedding: nn.Module = base.model.get_input_embeddings()
    embedding.register_forward_hook(lambda _m, ids, _y: read.append(ids[0].numel()))
    prompt = prompts(base)[:1]
    ours, with_cache = written(base.model, prompt), sum(read)
    theirs, without = written_without_cache(base.model, prompt), sum(read) - with_cache
    numbers = {"읽은 토큰: 캐시로": with_cache, "캐시 없이": without}
    return Proof(numbers, torch.equal(ours, theirs) and 3 * with_cache < without)


@claim("왼쪽을 채워 함께 써도 같은 글이다. 위치에 채움까지 세면 다르다")
def left_padding_needs_positions() -> Proof:
    base = load()
    alone = torch.cat([written(base.model, [prompt]) for prompt in prompts(base)])
    together = written(base.model, prompts(base))
    padding_counted = written_without_cache(base.model, prompts(base))
    ours, wrong = (int((found != alone).sum()) for found in (together, padding_counted))
    return Proof({"다른 토큰: 여기서": ours, "채움까지 세면": wrong}, ours == 0 < wrong)


@claim("greedy는 transformers의 generate와 토큰마다 같다")
def greedy_is_transformers_generate() -> Proof:
    base = load()
    prompt = prompts(base)[0]
    ids = torch.tensor([prompt])
    model: Any = base.model  # the annotations of PreTrainedModel lack `generate`
    theirs = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, pad_token_id=0
    )[0, len(prompt) :]
    ours = written(base.model, [prompt], new=20)[0]
    same = int((ours[: len(theirs)] == theirs).sum())
    return Proof({"같은 토큰": same, "쓴 토큰": len(theirs)}, same == len(theirs))


@claim("후보 8개가 프롬프트를 한 번만 읽는다")
def candidates_share_a_prefill() -> Proof:
    base, read = load(), list[int]()
    base.model.register_forward_pre_hook(
        lambda _m, _x, named: read.append(named["input_ids"].numel()), with_kwargs=True
    )
    ids = torch.tensor([prompts(base)[0]])
    settings = replace(GREEDY, candidates=8, max_new_tokens=4)
    drawn = draw_candidates(base.model, ids, torch.ones_like(ids), 0, settings)
    numbers = {"읽은 프롬프트 토큰": sum(read), "하나씩이라면": len(drawn) * ids.numel()}
    return Proof(numbers, len(drawn) == 8 and sum(read) == ids.numel())


@claim("한글 한 글자가 세 토큰이어도 반쪽 글자는 보이지 않는다")
def no_half_syllable_is_shown() -> Proof:
    base, text = load(), "뷁쀍쒧"
    ids = base.tokenizer(text)["input_ids"]
    tokens = iter([*ids, 0])

    def say(_module: nn.Module, _x: object, logits: Tensor) -> Tensor:
        return torch.full_like(logits, -100).index_fill(-1, torch.tensor(next(tokens)), 100)

    base.model.lm_head.register_forward_hook(say)
    shown = "".join(Summarizer(base.model, base.tokenizer, GREEDY).stream(QUESTION, ANSWER))
    naive = "".join(str(base.tokenizer.decode([token])) for token in ids)
    ours, wrong = shown.count("\ufffd"), naive.count("\ufffd")
    return Proof({"깨진 글자: 여기서": ours, "토큰마다 찍으면": wrong}, shown == text and wrong > 0)


@claim("확률 .5 .3 .1 .1에서 top-p 0.8은 둘을 남긴다. 흔한 식은 셋을 남긴다")
def the_nucleus_is_smallest() -> Proof:
    logits = torch.tensor([[0.5, 0.3, 0.1, 0.1]]).log()
    ours = int(keep_likeliest(logits, top_k=0, top_p=0.8).isfinite().sum())
    probabilities = logits.softmax(-1)
    likelier = probabilities.cumsum(-1) - probabilities  # 0, 0.5, 0.7999999, 0.9
    usual = int((likelier < 0.8).sum())
    return Proof({"남은 것: 여기서": ours, "흔한 식": usual}, (ours, usual) == (2, 3))


@claim("no-repeat-ngram 4면 이어진 네 토큰은 한 번만 나온다")
def no_ngram_comes_twice() -> Proof:
    base = load()

    def repeated(n: int) -> int:
        row = written(base.model, prompts(base)[:1], new=60, no_repeat_ngram=n)[0]
        found = row.unfold(0, 4, 1)  # (57, 4)
        return len(found) - len(found.unique(dim=0))

    ours, free = repeated(4), repeated(0)
    return Proof({"되풀이된 네 토큰: 막으면": ours, "두면": free}, ours == 0 < free)


@claim("덤 0.5는 답변에서 이어지던 토큰의 승산을 e^0.5배로 만든다")
def a_bias_shifts_the_odds() -> Proof:
    prompt, response = torch.tensor([[5, 6, 7]]), torch.tensor([[5]])  # 6 followed 5
    before = torch.zeros(1, 10)
    after = favour_copies(before, prompt, response, bias=0.5)
    gain = (after - before).exp()[0].tolist()
    numbers = {"승산의 배: 이어지던 토큰": gain[6], "다른 토큰": gain[7]}
    return Proof(numbers, math.isclose(gain[6], math.exp(0.5), rel_tol=1e-6) and gain[7] == 1)
