"""The stream of token ids: the tokenizer's own, packed without loss, the same in processes."""

from itertools import islice
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from pretraining.documents import SHARES, labelled_documents
from pretraining.stream import BLOCK, WordEncoder, blocks, packed


def test_words_from_memory_are_the_tokenizers_own_ids(tokenizer: PreTrainedTokenizerFast) -> None:
    encode = WordEncoder(tokenizer)
    texts = [text for _, text in islice(labelled_documents("words"), 400)]
    texts += [
        "",
        "\n",
        "가",
        " 가",
        "가 ",
        "가\n",
        "가\n\n나",
        "가\n나 다",
        "가  나",
        "가\n\n\n나",
        "\t",
    ]
    for text in texts * 2:  # the second time from memory
        assert encode(text) == tokenizer(text)["input_ids"]


def test_packing_loses_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    found = np.concatenate(list(islice(packed(tokenizer, 32, 5, None), 3))).flatten()
    assert len(found) == 3 * BLOCK * 32
    expected: list[int] = []
    for _, text in labelled_documents(5):
        expected += [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        if len(expected) >= len(found):
            break
    assert found.tolist() == expected[: len(found)]


def test_processes_take_turns(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.save_pretrained(tmp_path)
    found = list(islice(blocks(tmp_path, 32, 7, None, 0, SHARES, workers=2), 4))
    streams = [list(islice(packed(tokenizer, 32, f"7-{i}", None), 2)) for i in range(2)]
    for block, expected in zip(
        found, [streams[0][0], streams[1][0], streams[0][1], streams[1][1]], strict=True
    ):
        assert (block == expected).all()
