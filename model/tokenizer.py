"""The tokenizer of a base: as its file says, and checked against the rows of the embedding."""

import re
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from common.console import UserError
from common.files import read_json
from data.prompts import build_prompt

# How GPT-2, SentencePiece vocabularies, Llama 3 and BERT-like vocabularies name the end of a text.
EOS_NAMES = ("<|endoftext|>", "</s>", "<eos>", "<|end_of_text|>", "[EOS]")
SAMPLE = build_prompt(
    "지원 동기가 무엇인가요?", "네, 물류 창고에서 2년 일하며 출고 오류를 줄였습니다."
)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that `tokenizer.json` describes, with a padding token.

    AutoTokenizer goes by the type of the model. For gpt2 transformers 5 takes the vocabulary from
    the file and builds a byte-level tokenizer around it, whatever the pre-tokenizer in the file:
    KoGPT2's is Metaspace, so a Korean sentence becomes one unknown token (transformers #45920).
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        backend = Tokenizer.from_file(str(path))
        tokens = special_tokens(folder, backend)
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
            tokenizer_object=backend, **tokens
        )
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    # Some files ask for English spacing, under which decode(encode(text)) is not text.
    tokenizer.clean_up_tokenization_spaces = False
    return with_padding(tokenizer)


def special_tokens(folder: Path, backend: Tokenizer) -> dict[str, str]:
    """The special tokens that the files of a folder name, by transformers' names of their kinds.

    Only tokens of the vocabulary count: transformers would add any other one, with an id for which
    the embedding has no row.
    """
    names = ("tokenizer_config.json", "special_tokens_map.json", "config.json")
    files = [read_json(folder / name) for name in names if (folder / name).is_file()]
    found = {}
    for kind in ("bos", "eos", "unk", "pad"):
        given = [file.get(f"{kind}_token") for file in files]
        candidates = [token["content"] if isinstance(token, dict) else token for token in given]
        for ids in [file.get(f"{kind}_token_id") for file in files]:
            numbers = ids if isinstance(ids, list) else [ids]
            candidates += [backend.id_to_token(i) for i in numbers if i is not None and i >= 0]
        if kind == "eos":
            candidates += EOS_NAMES
        if kind == "unk":
            candidates.append(getattr(backend.model, "unk_token", None))
        known = (token for token in candidates if token and backend.token_to_id(token) is not None)
        if token := next(known, None):
            found[f"{kind}_token"] = token
    return found


def with_padding(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Make EOS the padding token of a tokenizer that, like GPT-2's, does not have one."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, rows: int) -> str:
    """Check that a model whose embedding has so many rows can learn Korean with the tokenizer.

    Returns a Korean line about characters of the prompt that the vocabulary lacks, or "".

    Raises:
        UserError: there is no EOS, an id has no row, or Korean does not survive encode + decode.
    """
    if tokenizer.eos_token_id is None:
        raise UserError(
            "토크나이저에 글의 끝(EOS)이 없어 멈추는 법을 가르칠 수 없습니다. "
            "tokenizer_config.json에 eos_token을 적거나 다른 베이스를 쓰세요."
        )
    last, token = max((index, token) for token, index in tokenizer.get_vocab().items())
    if last >= rows:
        raise UserError(
            f"토큰 {token!r}의 번호 {last:,}이(가) 임베딩의 {rows:,}행을 넘습니다. "
            "이 모델의 tokenizer.json을 쓰세요."
        )
    ids = tokenizer(SAMPLE, split_special_tokens=True)["input_ids"]
    if ids[-1:] == [tokenizer.eos_token_id]:
        raise UserError(
            "토크나이저가 프롬프트를 EOS로 닫아 그 뒤를 쓸 수 없습니다. "
            "tokenizer.json의 post_processor를 고치거나 다른 베이스를 쓰세요."
        )
    decoded = unicodedata.normalize("NFC", str(tokenizer.decode(ids, skip_special_tokens=True)))
    lost = set(SAMPLE) - set(decoded)
    kept = [c for c in SAMPLE if c not in lost and not c.isspace()]
    if kept != [c for c in decoded if not c.isspace()] or re.search("[가-힣0-9]", "".join(lost)):
        raise UserError(
            f"토크나이저가 한국어 프롬프트를 되살리지 못합니다('{decoded[-30:]}'). "
            "한국어를 아는 베이스를 쓰세요."
        )
    if not lost:
        return ""
    names = ", ".join("줄바꿈" if c == "\n" else c for c in sorted(lost))
    return f"알림: 베이스의 어휘에 없는 글자({names})는 모델이 읽지 못합니다. 그대로 학습합니다."
