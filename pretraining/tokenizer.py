"""Train the embedded base's tokenizer: BPE over characters whose pieces are easy to copy.

Three choices serve a small model that has to copy words it has never seen (BENCHMARKS.md):

- A regular expression peels particles off the end of a word, and merges never cross that seam: a
  noun is the same tokens before 을 as before 이. Digits stand alone for the same reason.
- All 2,350 syllables of KS X 1001 are pieces, and bytes only a fallback: a rare syllable is one
  token to copy, not three.
- A line begins with a blank that nobody sees: a word is the same tokens at the head of a line,
  where a summary begins, as in the middle of one.
"""

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

EOS = "<|endoftext|>"
PARTICLES = (
    "에서|에게|한테|까지|부터|처럼|보다|으로|이나|이라|마다|조차|밖에|"
    "은|는|이|가|을|를|의|에|도|로|와|과|만|나|라|께|랑"
)
HANGUL = "[가-힣]"
SPLIT = "|".join(
    [
        # a stem that nothing but particles follows; applied again to the particles
        rf" ?{HANGUL}+?(?=(?:{PARTICLES})+(?!{HANGUL}))",
        rf" ?{HANGUL}+",
        r" ?\p{L}+",
        r" ?\p{N}",
        r" ?[^\s\p{L}\p{N}]+",
        r"\n+",
        r"[^\S\n]+(?!\S)",  # GPT-2's own rule: the last blank of a run belongs to the next word
        r"\s+",
    ]
)
# KS X 1001, rows 16 to 40: every syllable that a Korean keyboard's everyday text needs.
SYLLABLES = [
    bytes([row, cell]).decode("euc_kr") for row in range(0xB0, 0xC9) for cell in range(0xA1, 0xFF)
]
OTHERS = [
    *map(chr, range(32, 127)),
    *"\n\t·“”‘’…–—×→℃%㎞㎡°ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎㅏㅑㅓㅕㅗㅛㅜㅠㅡㅣㅢ「」『』《》〈〉■●○•»☆★",
]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def train_tokenizer(
    documents: Iterable[str], vocab_size: int, context: int, syllables: bool = True
) -> PreTrainedTokenizerFast:
    """BPE over `documents`; every string round-trips, since all 256 bytes are tokens.

    The ids: 0 is EOS, 1 to 256 are the bytes, then come the characters and the merged pieces.
    Without `syllables`, bytes spell those syllables that BPE has not learnt by itself.
    """
    alphabet = [*(SYLLABLES if syllables else []), *OTHERS]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        # One blank before each line that is not empty; a text that ends in a newline gets none
        # after it, so that prompt and summary may be encoded apart.
        [normalizers.Replace(Regex(r"\n(?=[^\n])"), "\n "), normalizers.Prepend(" ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Replace("\n ", "\n"),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(BYTES),
        special_tokens=[EOS],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet) if syllables else vocab_size // 4,
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=_with_bytes(tokenizer),
        eos_token=EOS,
        pad_token=EOS,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with the 256 byte tokens in its vocabulary.

    They are ordinary pieces, not special tokens: "<0x41>" in a text stays six characters.
    """
    content = json.loads(tokenizer.to_str())
    pieces = sorted(content["model"]["vocab"], key=content["model"]["vocab"].get)
    ordered = [EOS, *BYTES, *(piece for piece in pieces if piece != EOS)]
    content["model"]["vocab"] = {piece: i for i, piece in enumerate(ordered)}
    return Tokenizer.from_str(json.dumps(content))
