"""What lesson 1 claims, proved by `make verify LESSON=data`."""

import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from common.claims import Proof, claim
from data.batches import collate, split_batch
from data.encode import IGNORE, Example, encode_prompt, encode_rows
from data.prompts import build_prompt
from data.text import clean_text

EMBEDDED = Path(__file__).resolve().parent.parent / "checkpoints" / "ko-gpt2-mini"
QUESTION = "실패했던 일을 말씀해 주세요."
ANSWER = "음, 재고를 잘못 세어 출고가 3일 늦었습니다. 그 뒤로는 두 사람이 따로 세었습니다. "
SENTENCE = "재고를 두 사람이 따로 세었다."


def load_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of the embedded base. Its EOS, 0, is also its padding token, as in GPT-2."""
    return AutoTokenizer.from_pretrained(EMBEDDED, trust_remote_code=False)


def load_examples() -> list[Example]:
    """Eight rows whose summaries have one to eight sentences."""
    count = range(1, 9)
    columns = {"question": [QUESTION] * 8, "answer": [ANSWER] * 8, "row": list(count)}
    summaries = [" ".join([SENTENCE] * n) for n in count]
    rows = Dataset.from_dict(columns | {"summary": summaries})
    return encode_rows(rows, load_tokenizer(), max_length=1024)


@claim("채움을 값으로 가리면 EOS까지 가려진다. 길이로 가리면 남는다")
def masking_by_id_loses_eos() -> Proof:
    batch = collate(load_examples(), pad_id=0)
    by_value = batch["labels"].masked_fill(batch["input_ids"] == 0, IGNORE)
    ours, wrong = int((batch["labels"] == 0).sum()), int((by_value == 0).sum())
    return Proof({"배울 EOS: 길이로": ours, "값으로": wrong}, ours == 8 and wrong == 0)


@claim("프롬프트에는 손실이 없다: 요약과 EOS의 토큰만 배운다")
def the_prompt_is_masked() -> Proof:
    tokenizer, example = load_tokenizer(), load_examples()[0]
    response = [*tokenizer(SENTENCE)["input_ids"], tokenizer.eos_token_id]
    learnt = [label for label in example.labels if label != IGNORE]
    numbers = {"배우는 토큰": len(learnt), "요약과 EOS의 토큰": len(response)}
    return Proof(numbers, learnt == response)


@claim("오른쪽부터 자르면 '### Response:'가 사라진다")
def truncation_keeps_the_marker() -> Proof:
    tokenizer, answer = load_tokenizer(), ANSWER * 50
    prompt, _ = encode_prompt(tokenizer, QUESTION, answer, max_tokens=200)
    from_the_right = tokenizer(build_prompt(QUESTION, answer))["input_ids"][:200]
    ours, wrong = (tokenizer.decode(x).count("### Response:") for x in (prompt, from_the_right))
    return Proof({"남은 표식: 답변의 끝만": ours, "오른쪽부터": wrong}, (ours, wrong) == (1, 0))


@claim("토큰 경계에서 자르면 글자가 깨진다. 글자 경계에서 자른다")
def truncation_keeps_characters_whole() -> Proof:
    tokenizer, answer = load_tokenizer(), "뷁쀍쒧" * 30  # three tokens a syllable
    answer_ids = tokenizer(answer)["input_ids"]
    ours = wrong = 0
    for room in range(100, 130):
        prompt, _ = encode_prompt(tokenizer, QUESTION, answer, room)
        ours += "\ufffd" in tokenizer.decode(prompt)
        wrong += "\ufffd" in tokenizer.decode(answer_ids[:room])
    return Proof({"30번 가운데 깨짐: 글자 경계": ours, "토큰 경계": wrong}, ours == 0 < wrong)


@claim("사용자가 적은 <|endoftext|>는 글의 끝이 아니라 글이다")
def a_typed_eos_is_text() -> Proof:
    tokenizer, answer = load_tokenizer(), "끝<|endoftext|>"
    prompt, _ = encode_prompt(tokenizer, QUESTION, answer, max_tokens=200)
    as_usual = tokenizer(build_prompt(QUESTION, answer))["input_ids"]
    ours, wrong = prompt.count(0), as_usual.count(0)
    return Proof({"프롬프트의 EOS: 여기서": ours, "토크나이저의 기본": wrong}, ours == 0 < wrong)


@claim("자모로 나눠 적힌 글(NFD)을 모으면(NFC) 같은 토큰이다")
def nfd_is_nfc() -> Proof:
    tokenizer, text = load_tokenizer(), "면접에서 배운 점"
    nfd = unicodedata.normalize("NFD", text)
    ours, raw = (len(tokenizer(t)["input_ids"]) for t in (clean_text(nfd), nfd))
    return Proof({"토큰: 모아서": ours, "나눈 채로": raw}, clean_text(nfd) == text and ours < raw)


@claim("보이지 않는 공백은 빼지만, 이모지를 잇는 문자는 남긴다")
def invisible_characters_go() -> Proof:
    text = clean_text("면\u200b접 👩\u200d💻")  # a woman at a computer
    spaces, joiners = text.count("\u200b"), text.count("\u200d")
    return Proof({"남은 공백": spaces, "남은 이음": joiners}, (spaces, joiners) == (0, 1))


@claim("길이순으로 세워 묶으면 채움이 준다")
def sorting_saves_padding() -> Proof:
    lengths = random.Random(0).choices(range(20, 500), k=32)
    examples = [Example([1] * n, [1] * n) for n in lengths]

    def padding(batches: Sequence[Sequence[Example]]) -> int:
        return sum(int((collate(b, pad_id=0)["input_ids"] == 0).sum()) for b in batches)

    ours, in_order = padding(split_batch(examples, 1, 1024)), padding(split_batch(examples, 4, 0))
    return Proof({"채운 토큰: 길이순": ours, "온 차례대로": in_order}, 2 * ours < in_order)
