"""Wrong answers that readers give: the body of the function, and a piece of the diagnosis."""

WRONG: dict[str, list[tuple[str, str]]] = {}

WRONG["ex01_labels"] = [
    ("""\
rows = [p + s + [eos] for p, s in zip(prompts, summaries)]
T = max(map(len, rows))
ids = torch.full((len(rows), T), eos)
for i, row in enumerate(rows):
    ids[i, : len(row)] = torch.tensor(row)
labels = ids.clone()
for i, p in enumerate(prompts):
    labels[i, : len(p)] = IGNORE
labels[labels == eos] = IGNORE
return ids, labels""", "한 행: labels: EOS와 번호가 같은 자리를 모두 가려"),
    ("""\
rows = [p + s + [eos] for p, s in zip(prompts, summaries)]
T = max(map(len, rows))
ids = torch.tensor([row + [eos] * (T - len(row)) for row in rows])
labels = ids.clone()
for i, p in enumerate(prompts):
    labels[i, : len(p)] = IGNORE
return ids, labels""", "길이가 다른 두 행: labels: 채움을 가리지 않았습니다"),
    ("""\
rows = [p + s for p, s in zip(prompts, summaries)]
T = max(map(len, rows))
ids = torch.tensor([row + [eos] * (T - len(row)) for row in rows])
return ids, ids""", "요약 뒤에 EOS가 없습니다"),
    ("""\
rows = [p + s + [eos] for p, s in zip(prompts, summaries)]
T = max(map(len, rows))
ids = torch.tensor([[eos] * (T - len(row)) + row for row in rows])
labels = torch.tensor([
    [IGNORE] * (T - len(s) - 1) + s + [eos] for s in summaries])
return ids, labels""", "길이가 다른 두 행: input_ids: 왼쪽을 채웠습니다"),
    ("""\
rows = [p + s + [eos] for p, s in zip(prompts, summaries)]
return torch.tensor(rows), torch.tensor(rows)""", "아무것도 가리지 않았습니다"),
    ("""\
T = max(len(p) + len(s) + 1 for p, s in zip(prompts, summaries))
ids = torch.full((len(prompts), T), eos)
labels = torch.full((len(prompts), T), IGNORE)
for i, (p, s) in enumerate(zip(prompts, summaries)):
    ids[i, : len(p + s)] = torch.tensor(p + s)
    labels[i, len(p) - 1 : len(p + s)] = torch.tensor(s + [eos])
return ids, labels""", "한 칸 밀었습니다"),
]  # fmt: skip

WRONG["ex02_forward"] = [
    ("return layer.base(x) + F.linear(F.linear(x, layer.lora_A), layer.lora_B)",
     "nn.Linear, 한 행: 출력: alpha / rank(layer.scaling)를 곱하지 않았습니다"),
    ("""\
low = layer.dropout(x) @ layer.lora_A.T @ layer.lora_B.T
return (layer.base(x) + low) * layer.scaling""",
     "nn.Linear, 한 행: 출력: scaling을 베이스의 값에도 곱했습니다"),
    ("""\
low = layer.dropout(x) @ layer.lora_A.T @ layer.lora_B.T
return low * layer.scaling""", "nn.Linear, 한 행: 출력: B·A·x뿐입니다"),
    ("return layer.base(x) + x @ layer.lora_A.T @ layer.lora_B.T * layer.scaling",
     "드롭아웃은 A로 가는 x에만: 출력: layer.dropout을 쓰지 않았습니다"),
    ("""\
x = layer.dropout(x)
return layer.base(x) + x @ layer.lora_A.T @ layer.lora_B.T * layer.scaling""",
     "베이스로 가는 x에도 드롭아웃을 주었습니다"),
    ("""\
low = layer.dropout(x) @ layer.lora_A.T @ layer.lora_B.T
return layer.base(x) + low * layer.scaling""", "enabled가 False인데도 LoRA를 더했습니다"),
    ("""\
if not layer.enabled:
    return layer.base(x)
low = layer.dropout(x).float() @ layer.lora_A.T @ layer.lora_B.T
return layer.base(x) + low * layer.scaling""",
     "베이스와 x가 bf16: 출력: 값은 맞지만 dtype이 torch.bfloat16이어야 하는데 torch.float32"),
    ("""\
return layer.base(x) + x @ layer.lora_A @ layer.lora_B""",
     "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
]  # fmt: skip

WRAP = """\
    base = model.get_submodule(name)
    parent, _, child = name.rpartition(".")
    layer = LoRALinear(base, config.rank, config.alpha, config.dropout)
    setattr(model.get_submodule(parent), child, layer)
"""
WRONG["ex03_inject"] = [
    (f"""\
names = [n for n, _ in model.named_modules() if n.endswith(config.targets)]
model.requires_grad_(False)
for name in names:
{WRAP}return names""", "이름의 마디를 통째로 견준다"),
    (f"""\
names = [n for n, m in model.named_modules()
         if isinstance(m, nn.Linear) and any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
for name in names:
{WRAP}return names""",
     "감싸지 않았습니다: h.0.attn.c_proj, h.1.attn.c_proj (GPT-2의 Conv1D도"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
for name in names:
{WRAP}return names""", "학습하는 것은 A와 B뿐이다: 얼리지 않은 파라미터"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
for name in names:
{WRAP}model.requires_grad_(False)
return names""", "얼린 *뒤에* A와 B를 만드세요"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
model.requires_grad_(False)
for name in names:
{WRAP}""", "대상 하나: 이름의 리스트를 돌려주어야 하는데 None을 돌려주었습니다"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
model.requires_grad_(False)
for name in names:
{WRAP}return names""", "맞는 층이 없는 이름에는 오류: targets ('attn.c_porj',)"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
model.requires_grad_(False)
for name in names:
{WRAP.replace("config.rank, config.alpha", "config.alpha, config.rank")}return names""",
     "config.rank가 2인데 A의 행이 8개입니다"),
    (f"""\
names = [n for n, _ in model.named_modules()
         if any(f".{{n}}".endswith(f".{{t}}") for t in config.targets)]
model.requires_grad_(False)
import copy
for name in names:
{WRAP.replace("LoRALinear(base", "LoRALinear(copy.deepcopy(base)")}return names""",
     "layer.base가 원래의 층이 아닙니다"),
]  # fmt: skip

WRONG["ex04_merge"] = [
    ("""\
for name, layer in lora_layers(model).items():
    layer.base.weight.data += layer.scaling * layer.lora_B @ layer.lora_A
    replace_module(model, name, layer.base)""",
     "정사각형 Conv1D: weight: B·A를 뒤집지 않았습니다"),
    ("""\
for name, layer in lora_layers(model).items():
    delta = layer.lora_B @ layer.lora_A
    delta = delta.T if isinstance(layer.base, Conv1D) else delta
    layer.base.weight.data += delta
    replace_module(model, name, layer.base)""",
     "nn.Linear: weight: alpha / rank(layer.scaling)를 곱하지 않았습니다"),
    ("""\
for name, layer in lora_layers(model).items():
    delta = layer.scaling * layer.lora_B @ layer.lora_A
    delta = delta.T if isinstance(layer.base, Conv1D) else delta
    layer.base.weight.data += delta""", "LoRALinear가 그 자리에 남아"),
    ("""\
for name, layer in lora_layers(model).items():
    delta = (layer.scaling * layer.lora_B @ layer.lora_A).to(layer.base.weight.dtype)
    delta = delta.T if isinstance(layer.base, Conv1D) else delta
    layer.base.weight.data += delta
    replace_module(model, name, layer.base)""", "두 번 반올림되었습니다"),
    ("""\
for name, layer in lora_layers(model).items():
    delta = layer.scaling * layer.lora_B @ layer.lora_A
    delta = delta.T if isinstance(layer.base, Conv1D) else delta
    layer.base.weight.data = layer.base.weight.data + delta
    replace_module(model, name, layer.base)""",
     "dtype이 torch.float16이어야 하는데 torch.float32입니다"),
]  # fmt: skip

WRONG["ex05_loss"] = [
    ("""\
total = 0.0
for batch in micro_batches:
    loss = model(batch["input_ids"], labels=batch["labels"]).loss / len(micro_batches)
    loss.backward()
    total += loss.item()
return total""",
     "마이크로배치 둘: 그래디언트: 마이크로배치마다 평균을 내고 그 평균을 다시 평균했습니다"),
    ("""\
total = 0.0
for batch in micro_batches:
    logits = model(batch["input_ids"]).logits
    loss = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
    loss.backward()
    total += loss.item()
return total""", "마이크로배치 하나, 한 행: 그래디언트: 로짓과 labels를 한 칸 어긋나게"),
    ("""\
tokens = sum(batch["labels"].numel() for batch in micro_batches)
total = 0.0
for batch in micro_batches:
    logits = model(batch["input_ids"]).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / tokens
    loss.backward()
    total += loss.item()
return total""", "프롬프트와 채움까지 세어 나누었습니다"),
    ("""\
tokens = sum((batch["labels"] != -100).sum() for batch in micro_batches)
for batch in micro_batches:
    model.zero_grad()
    logits = model(batch["input_ids"]).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / tokens
    loss.backward()
return loss.item()""", "마이크로배치 둘: 그래디언트: 마지막 마이크로배치의 것뿐입니다"),
    ("""\
tokens = sum((batch["labels"] != -100).sum() for batch in micro_batches)
for batch in micro_batches:
    logits = model(batch["input_ids"]).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / tokens
    loss.backward()
return loss.item()""", "마이크로배치 둘: 그래디언트는 맞습니다. 돌려준 손실은"),
    ("return model(micro_batches[0]['input_ids'], labels=micro_batches[0]['labels']).loss",
     "p.grad가 비어 있습니다"),
]  # fmt: skip


def amp_step(*lines: str) -> str:
    """A body of `train_step`: the given lines after the backward passes, then the end."""
    return "\n".join([
        "optimizer, scaler, total = state.optimizer, state.scaler, 0.0",
        "for loss in losses(model, micro_batches, precision):",
        "    scaler.scale(loss).backward()",
        "    total += loss.item()",
        *lines,
        "return total, norm.item(), not math.isfinite(norm)",
    ])  # fmt: skip


UNSCALE = "scaler.unscale_(optimizer)"
CLIP = "norm = clip_grad_norm_(model.parameters(), max_grad_norm)"
STEP, UPDATE, ZERO = "scaler.step(optimizer)", "scaler.update()", "optimizer.zero_grad()"
WRONG["ex06_step"] = [
    (amp_step(CLIP, UNSCALE, STEP, UPDATE, ZERO),
     "돌려준 손실, 노름, 건너뛰었는지: 노름: 배율이 곱해진 노름입니다"),
    (amp_step("norm = gradient_norm(model) / 1024", CLIP.replace("norm = ", ""), UNSCALE, STEP,
              UPDATE, ZERO).replace("optimizer, ", """\
def gradient_norm(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
optimizer, """, 1), "노름이 최대를 넘으면 자른다: 배율이 곱해진 그래디언트를 잘라"),
    (amp_step(CLIP, "optimizer.step()", ZERO), "그래디언트에 배율이 곱해진 채로"),
    (amp_step(UNSCALE, CLIP, "optimizer.step()", UPDATE, ZERO),
     "그래디언트에 inf가 있으면 건너뛴다: 가중치가 nan이 되었습니다"),
    (amp_step(UNSCALE, CLIP, STEP, UPDATE),
     "다음 스텝에 그래디언트가 남지 않는다: 앞 스텝의 그래디언트가 더해졌습니다"),
    (amp_step(UNSCALE, CLIP, STEP, ZERO), "앞 스텝에서 scaler.update()를 부르지 않았습니다"),
    (amp_step(UNSCALE, CLIP, STEP, UPDATE, ZERO).replace("not math.isfinite(norm)", "False"),
     "건너뛰었는데 그렇다고 하지 않았습니다"),
    (amp_step(UNSCALE, CLIP, UPDATE, ZERO), "가중치를 고치지 않았습니다"),
]  # fmt: skip

BLOCKS = """\
flat = weight.float().flatten()
n = len(flat)
blocks = F.pad(flat, (0, -n % 64)).view(-1, 64)
absmax = blocks.abs().amax(dim=1)
scaled = blocks / absmax.clamp(min=1e-30)[:, None]
codes = (scaled[..., None] - LEVELS).abs().argmin(dim=-1).flatten().to(torch.uint8)
"""
PACK = "return ((codes[::2] << 4) | codes[1::2])[: (n + 1) // 2], absmax"
WRONG["ex07_nf4"] = [
    (BLOCKS.replace(".abs().amax(dim=1)", ".amax(dim=1)") + PACK,
     "블록 하나 (64개): absmax: 절댓값이 아니라 값의 최대입니다"),
    ("weight = weight.float()\nabsmax = weight.abs().max()[None]\nn = weight.numel()\n"
     "codes = (weight.flatten()[:, None] / absmax - LEVELS).abs().argmin(dim=-1)"
     ".to(torch.uint8)\n" + PACK,
     "블록 둘, 크기가 다른 배율: absmax: 가중치 전체의 최대 하나입니다"),
    (BLOCKS + "return ((codes[1::2] << 4) | codes[::2])[: (n + 1) // 2], absmax",
     "한 바이트 안의 순서가 거꾸로입니다"),
    (BLOCKS + "return codes, absmax", "두 개씩 한 바이트에 묶지 않았습니다"),
    (BLOCKS + "codes = torch.bucketize(scaled.flatten(), LEVELS).to(torch.uint8)\n" + PACK,
     "바로 위의 값을 골랐습니다"),
    (BLOCKS + "return (codes[::2] << 4) | codes[1::2], absmax",
     "64로 나누어떨어지지 않는 (3, 30): packed: 채운 0까지 돌려주었습니다"),
    (BLOCKS.replace(".clamp(min=1e-30)", "") + PACK, "모두 0인 블록: packed: 모두 0인 블록의"),
    (BLOCKS.replace(".to(torch.uint8)", "") + PACK, "dtype이 torch.uint8이어야 하는데 torch.int64"),
]  # fmt: skip

HEADS = """\
B = len(x)
q, k, v = (part.view(B, attn.num_heads, 1, attn.head_dim) for part in attn.c_attn(x).chunk(3, -1))
"""
MASK = "mask = None if visible is None else visible[:, None, None]\n"
WRONG["ex08_attention"] = [
    (HEADS + """\
keys, values = cache.update(k, v)
h = F.scaled_dot_product_attention(q, keys, values, is_causal=True)
return attn.c_proj(h.reshape(B, -1))""",
     "한 행, 토큰 다섯을 차례로: 출력: 첫 토큰만 봤습니다"),
    (HEADS + """\
cache.update(k, v)
h = F.scaled_dot_product_attention(q, k, v)
return attn.c_proj(h.reshape(B, -1))""", "새 토큰 자신만 봤습니다"),
    (HEADS + """\
keys, values = cache.update(k, v)
h = (q @ keys.mT).softmax(dim=-1) @ values
return attn.c_proj(h.reshape(B, -1))""", "√head_dim으로 나누지 않았습니다"),
    (HEADS + """\
keys, values = cache.update(k, v)
h = F.scaled_dot_product_attention(q, keys, values)
return attn.c_proj(h.reshape(B, -1))""", "두 행, 한 행의 왼쪽에 채움: 출력: 채움까지 봤습니다"),
    (HEADS + MASK + """\
keys, values = cache.update(k, v)
h = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
return h.reshape(B, -1)""", "한 행, 첫 토큰: 출력: attn.c_proj를 지나지 않았습니다"),
    (HEADS + """\
h = F.scaled_dot_product_attention(q, k, v)
return attn.c_proj(h.reshape(B, -1))""", "캐시에는 0개입니다"),
    (HEADS.replace("q, k, v", "k, q, v") + MASK + """\
keys, values = cache.update(k, v)
h = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
return attn.c_proj(h.reshape(B, -1))""", "q, k, v의 순서가 다릅니다"),
]  # fmt: skip

WRONG["ex09_top_p"] = [
    ("""\
ordered, order = logits.sort(dim=-1, descending=True)
outside = ordered.softmax(-1).cumsum(-1) > top_p
return logits.masked_fill(outside.scatter(1, order, outside), float("-inf"))""",
     "합이 top_p에 이르게 하는 토큰까지 남겨야 하는데 그것을 버렸습니다"),
    ("""\
ordered, order = logits.sort(dim=-1, descending=True)
p = ordered.softmax(-1)
outside = p.cumsum(-1) - p >= top_p
return logits.masked_fill(outside, float("-inf"))""",
     "한 행, 섞인 로짓: 정렬한 순서의 자리에 -inf를 넣었습니다"),
    ("""\
ordered, order = logits.sort(dim=-1, descending=True)
p = ordered.softmax(-1)
outside = p.cumsum(-1) - p >= top_p
order = order[0].expand_as(order)
return logits.masked_fill(outside.scatter(1, order, outside), float("-inf"))""",
     "두 행: 로짓: 0번 행은 맞고 1번 행은 틀립니다"),
    ("""\
ordered, order = logits.sort(dim=-1, descending=True)
p = ordered.softmax(-1)
outside = p.cumsum(-1) - p >= top_p
return logits.masked_fill(outside.scatter(1, order, outside), float("-inf"))""",
     "확률 .5, .3, .1, .1과 top_p 0.8: 둘이 남는다: 합이 top_p에 꼭 이르렀는데"),
    ("""\
ordered, order = logits.sort(dim=-1)
outside = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
outside[:, -1] = False
logits[outside.scatter(1, order, outside)] = float("-inf")
return logits""", "받은 logits을 고쳤습니다"),
    ("""\
ordered, order = logits.sort(dim=-1)
outside = ordered.softmax(-1).cumsum(-1) <= 1 - top_p
return logits.softmax(-1).masked_fill(outside.scatter(1, order, outside), 0)""",
     "한 행, 큰 것부터 놓인 로짓: 로짓이 아니라 확률을 돌려주었습니다"),
]  # fmt: skip

WRONG["ex10_tokenizer"] = [
    ("return text.split()", "형태소가 아니라 어절(빈칸)로 나누었습니다"),
    ("return list(text.replace(' ', ''))", "형태소가 아니라 글자로 나누었습니다"),
    ("return BLEU(tokenize='ko-mecab').tokenizer(text)", "str을(를) 돌려주었습니다. .split()으로"),
    ("return BLEU(tokenize='ko-mecab').tokenizer(text).split()",
     "NFD로 적힌 같은 문장: 눈에 같은 글인데 토큰이 다릅니다"),
    ("text = unicodedata.normalize('NFC', text)\n"
     "return BLEU(tokenize='ko-mecab').tokenizer(text).split(' ')", "빈 글: 빈 토큰이 섞였습니다"),
    ("import re\nreturn re.findall('[a-z0-9]+', text.lower())", "한글을 버렸습니다"),
]  # fmt: skip
