"""Train the embedded base's tokenizer: byte-level BPE whose pieces respect Korean particles.

Plain BPE fuses a noun's last syllable with the particle behind it (분석력을 -> 분석, 력을), so one
noun has several spellings in tokens, and a small model cannot copy it from where it stood before
을 to where it stands before 이. Here a regular expression peels particles off the end of a word
first, and merges never cross that seam: a noun is the same tokens wherever it stands. Digits stand
alone for the same reason.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

EOS = "<|endoftext|>"
PARTICLES = (
    "에서|에게|한테|까지|부터|처럼|보다|으로|이나|이라|마다|조차|밖에|"
    "은|는|이|가|을|를|의|에|도|로|와|과|만|나|라|께|랑"
)
HANGUL = "[가-힣]"
SPLIT = "|".join(
    [
        # a stem, where nothing but particles is behind it; applied again to what is left
        rf" ?{HANGUL}+?(?=(?:{PARTICLES})+(?!{HANGUL}))",
        rf" ?{HANGUL}+",
        r" ?\p{L}+",
        r" ?\p{N}",
        r" ?[^\s\p{L}\p{N}]+",
        r"\s+(?!\S)",  # GPT-2's own rule: the last blank of a run belongs to the word behind it
        r"\s+",
    ]
)


def train_tokenizer(
    documents: Iterable[str], vocab_size: int, context: int, split: str = SPLIT
) -> PreTrainedTokenizerFast:
    """Byte-level BPE over `documents`; every string round-trips, since all 256 bytes are tokens.

    Merges never cross a seam between two matches of the regular expression `split`.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=EOS,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
