"""Documents as token ids, packed without padding, made by several processes at once."""

import multiprocessing
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pretraining.documents import SHARES, labelled_documents
from pretraining.text.corpus import Corpus

# Sequences that a process makes at a time.
BLOCK = 64
_REMEMBERED = 1_500_000


class WordEncoder:
    """The ids that the tokenizer gives, each word looked up in a memory of those met before.

    A piece of the embedded base's tokenizer never crosses a blank or a newline, so a text's ids are
    its words' ids one after another: ten times faster than encoding it anew.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.backend = tokenizer.backend_tokenizer
        self.memory: dict[str, list[int]] = {}
        # Without the blank that every text begins with.
        self.newlines = {n: self._encode(n)[1:] for n in ("\n", "\n\n")}

    def __call__(self, text: str) -> list[int]:
        """The same ids as `tokenizer(text)["input_ids"]`."""
        unusual = ("  ", " \n", "\n ", "\n\n\n", "\t", "\r")
        if text.startswith(" ") or text.endswith(("\n", " ")) or any(u in text for u in unusual):
            return self._encode(text)
        ids: list[int] = []
        for i, block in enumerate(text.split("\n\n")):
            ids += self.newlines["\n\n"] if i else []
            for j, line in enumerate(block.split("\n")):
                ids += self.newlines["\n"] if j else []
                for word in line.split(" "):
                    known = self.memory.get(word)
                    if known is None:
                        known = self._encode(word)
                        if len(self.memory) < _REMEMBERED:
                            self.memory[word] = known
                    ids += known
        return ids

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids


def packed(
    tokenizer: PreTrainedTokenizerBase,
    length: int,
    seed: int | str,
    corpus: Corpus | None,
    drills_first: int = 0,
    shares: Mapping[str, float] = SHARES,
) -> Iterator[NDArray[np.uint16]]:
    """Documents with EOS after each, cut into blocks of (BLOCK, length) ids without padding."""
    encode = WordEncoder(tokenizer)
    buffer: list[int] = []
    for _, document in labelled_documents(seed, corpus, drills_first, shares):
        buffer += [*encode(document), tokenizer.eos_token_id]
        while len(buffer) >= BLOCK * length:
            yield np.array(buffer[: BLOCK * length], dtype=np.uint16).reshape(BLOCK, length)
            buffer = buffer[BLOCK * length :]


def blocks(
    tokenizer_folder: Path,
    length: int,
    seed: int,
    corpus_folder: Path | None,
    drills_first: int,
    shares: Mapping[str, float],
    workers: int,
) -> Iterator[NDArray[np.uint16]]:
    """`packed`, each worker with a stream of its own, in turn: the same however fast they are."""
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(maxsize=4) for _ in range(workers)]
    for worker, queue in enumerate(queues):
        arguments = (tokenizer_folder, length, f"{seed}-{worker}", corpus_folder)
        context.Process(
            target=_work, args=(*arguments, drills_first // workers, shares, queue), daemon=True
        ).start()
    while True:
        for queue in queues:
            yield queue.get()


def _work(
    tokenizer_folder: Path,
    length: int,
    seed: str,
    corpus_folder: Path | None,
    drills_first: int,
    shares: Mapping[str, float],
    queue: "multiprocessing.Queue[NDArray[np.uint16]]",
) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder)
    corpus = Corpus.read(corpus_folder) if corpus_folder else None
    for block in packed(tokenizer, length, seed, corpus, drills_first, shares):
        queue.put(block)
