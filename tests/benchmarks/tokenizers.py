"""Which tokenizer copies best: a tiny GPT-2 learns to copy with each, from equally many tokens.

    python -m tests.benchmarks.tokenizers --corpus DIR

A model of two layers and width 128 sees the same number of tokens of copying drills, then copies
sentences of tests/data/handwritten_dev.csv, which it has never seen. Bits per character can be
compared between tokenizers; "words" is the share of words that greedy decoding copies whole and in
order.
"""

import argparse
import csv
import difflib
import itertools
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from data.encode import IGNORE
from evaluation.baselines import sentences as split_sentences
from infer.generate import generate
from infer.settings import GREEDY
from model.loss import response_loss
from model.precision import pick_precision
from pretraining.documents import labelled_documents
from pretraining.muon import MuonAdamW, sinusoids
from pretraining.text import drills
from pretraining.text.corpus import Corpus
from pretraining.tokenizer import train_tokenizer
from tests.benchmarks.measure import parse, print_table, write_record

# The size of the vocabulary, and whether every syllable of KS X 1001 is a piece.
CANDIDATES = {
    "4,096": (4096, False),
    "4,096, all syllables": (4096, True),
    "8,192": (8192, False),
    "8,192, all syllables": (8192, True),
}
LAYERS, WIDTH, HEADS, LENGTH, BATCH, RATE = 2, 128, 4, 256, 16, 6e-3
SENTENCES = Path("tests/data/handwritten_dev.csv")
HEADER = ["", "characters per token", "bits per copied character", "words", "minutes"]


def sentences(count: int) -> list[str]:
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        answers = [row["answer"] for row in csv.DictReader(file)]
    found = (text for answer in answers for text in split_sentences(answer))
    return [text for text in found if 15 <= len(text) <= 60][:count]


def pack(documents: Iterator[str], tokenizer: PreTrainedTokenizerFast) -> Iterator[list[int]]:
    """Documents with EOS after each, cut into sequences of `LENGTH` tokens without padding."""
    buffer: list[int] = []
    for document in documents:
        buffer += [*tokenizer(document)["input_ids"], tokenizer.eos_token_id]
        while len(buffer) >= LENGTH:
            yield buffer[:LENGTH]
            buffer = buffer[LENGTH:]


def pretrain(
    tokenizer: PreTrainedTokenizerFast, corpus: Corpus | None, steps: int
) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    precision = pick_precision("auto", torch.device("cpu"))
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=LENGTH, n_embd=WIDTH, n_layer=LAYERS,
            n_head=HEADS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            activation_function="gelu_pytorch_tanh", bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(sinusoids(LENGTH, WIDTH))
    optimizer = MuonAdamW(model, RATE)
    rng = random.Random(2)
    documents = (drills.document(rng, corpus) for _ in itertools.count())
    sequences = pack(documents, tokenizer)
    for step in range(steps):
        for group in optimizer.param_groups:  # up in 50 steps, down over the last 30%
            group["lr"] = RATE * min((step + 1) / 50, 1.0, (steps - step) / (0.3 * steps))
        ids = torch.tensor(list(islice(sequences, BATCH)))
        with precision.autocast():
            loss = response_loss(model, ids, ids) / ids.numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@torch.no_grad()
def copying(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> tuple[float, float]:
    """Bits per character of the copied line, and the share of words copied greedily (0 to 100)."""
    nats, right, words = 0.0, 0, 0
    for text in texts:
        prompt = tokenizer(f"{text}\n\n받아쓰기\n")["input_ids"]
        copy = tokenizer(text)["input_ids"]
        ids = torch.tensor([prompt + copy])
        labels = torch.tensor([[IGNORE] * len(prompt) + copy])
        nats += response_loss(model, ids, labels).item()
        start = torch.tensor([prompt])
        room = min(len(copy) + 4, LENGTH - len(prompt))
        settings = replace(GREEDY, max_new_tokens=room)
        tokens = generate(model, start, torch.ones_like(start), tokenizer.eos_token_id, settings)
        written = str(tokenizer.decode([int(token) for token in tokens])).split()
        wanted = text.split()
        matcher = difflib.SequenceMatcher(None, written, wanted, autojunk=False)
        right += sum(block.size for block in matcher.get_matching_blocks())
        words += len(wanted)
    return nats / math.log(2) / sum(map(len, texts)), 100 * right / words


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="what `pretraining.prepare` has written")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", default=list(CANDIDATES))
    parser.add_argument("--documents", type=int, default=12_000, help="for each tokenizer")
    parser.add_argument("--sentences", type=int, default=100)
    short = {"steps": 2, "documents": 50, "sentences": 2, "only": ["4,096, all syllables"]}
    options = parse(parser, short, argv)
    texts = sentences(options.sentences)
    corpus = Corpus.read(options.corpus) if options.corpus else None
    lines = []
    for name in options.only:
        vocab_size, syllables = CANDIDATES[name]
        documents = (text for _, text in islice(labelled_documents(0, corpus), options.documents))
        tokenizer = train_tokenizer(documents, vocab_size, LENGTH, syllables)
        started = time.perf_counter()
        model = pretrain(tokenizer, corpus, options.steps)
        minutes = (time.perf_counter() - started) / 60
        density = sum(map(len, texts)) / sum(map(len, tokenizer(texts)["input_ids"]))
        bits, words = copying(model, tokenizer, texts)
        figures = (f"{density:.2f}", f"{bits:.2f}", f"{words:.1f}", f"{minutes:.1f}")
        lines.append([name, *figures])
        print(*lines[-1], sep=", ", flush=True)
    print_table("tokenizers", HEADER, lines)
    write_record(options.out, lines)


if __name__ == "__main__":
    main()
