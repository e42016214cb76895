"""What a base can do before any finetuning, on answers it has never seen: copy and retell.

The loss on the stream says little about copying, which is learnt late and suddenly. So a run is
judged by the words that it copies whole, and by the loss of hand-written summaries after their
answers. Both are teacher-forced: one forward pass a text.
"""

from functools import cache

import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

from data.interviews import SAMPLE_CSV, read_interviews
from model.precision import Precision

COPY, RETELL = "{a}\n\n받아쓰기\n", "말한 그대로\n{a}\n\n요점\n"
MOST = 200


def probe(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, precision: Precision
) -> dict[str, float]:
    """`copied` (% of words copied whole), `retold` (the same in summaries), `retell_loss`."""
    model.eval()
    rows = _rows()
    copied, retold = (
        [_score(model, tokenizer, precision, frame, row["answer"], row[target]) for row in rows]
        for frame, target in ((COPY, "answer"), (RETELL, "summary"))
    )
    model.train()
    return {
        "copied": round(100 * sum(s[0] for s in copied) / sum(s[1] for s in copied), 2),
        "retold": round(100 * sum(s[0] for s in retold) / sum(s[1] for s in retold), 2),
        "retell_loss": round(sum(s[2] for s in retold) / sum(s[3] for s in retold), 4),
    }


@cache
def _rows() -> list[dict[str, str]]:
    return list(read_interviews(SAMPLE_CSV).rows)[-MOST:]  # a base never reads the sample


@torch.no_grad()
def _score(
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerBase,
    precision: Precision,
    frame: str,
    answer: str,
    target: str,
) -> tuple[int, int, float, int]:
    """(words whose tokens are all the likeliest ones, words, nats, characters) of `target`."""
    prompt = tokenizer(frame.replace("{a}", answer))["input_ids"]
    encoding = tokenizer(target, return_offsets_mapping=True)
    if len(prompt) + len(encoding["input_ids"]) > model.config.n_positions:
        return 0, 0, 0.0, 0
    wanted, starts = encoding["input_ids"], [start for start, _ in encoding["offset_mapping"]]
    ids = torch.tensor([prompt + wanted], device=precision.device)
    with precision.autocast():
        logits = model(input_ids=ids, logits_to_keep=ids.shape[1] - len(prompt) + 1).logits
    predicted, targets = logits[0, :-1].float(), ids[0, len(prompt) :]
    right = (predicted.argmax(-1) == targets).tolist()
    # A word begins after a blank; its tokens are those that start inside it.
    words: dict[int, bool] = {}
    for start, is_right in zip(starts, right, strict=False):
        word = target.count(" ", 0, start + 1)
        words[word] = words.get(word, True) and is_right
    nats = F.cross_entropy(predicted, targets, reduction="sum").item()
    return sum(words.values()), len(words), nats, len(target)
