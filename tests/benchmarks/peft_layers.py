"""PEFT's LoRA layers in our training loop: the same settings, data, decoding and scores.

    python -m tests.benchmarks.peft_layers        # some five minutes on two cores

Prints the line that belongs under the tables of `make evaluate`, for the validation rows of the
sample data and for the hand-written rows. The product never imports PEFT, so this is a benchmark.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import peft
import torch

from data.encode import encode_rows
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from evaluation.evaluate import judge_model
from evaluation.results import results_table
from infer.summarize import Summarizer
from lora.adapter import load_adapter
from lora.inject import default_targets
from model.base import EMBEDDED, load_base
from model.precision import pick_precision
from tests.benchmarks.measure import parse, write_record
from training.config import TrainConfig
from training.execution import configure_execution
from training.loop import initial_state, train

CPU = torch.device("cpu")
NAME = "PEFT, 같은 설정"
HANDWRITTEN = Path("tests/data/handwritten_eval.csv")


def train_with_peft(max_steps: int | None = None) -> Summarizer:
    """Do the run of `make train`, with its settings and its loop, around PEFT's LoRA layers.

    Returns the last step's weights. They are also the best ones where, as here, the validation
    loss falls to the end.
    """
    config = TrainConfig(max_steps=max_steps)
    precision = pick_precision("auto", CPU)
    torch.manual_seed(config.seed)
    base = load_base(EMBEDDED.name, precision.dtype)
    adapted = peft.get_peft_model(
        base.model,
        peft.LoraConfig(
            r=config.rank,
            lora_alpha=int(config.alpha),
            lora_dropout=config.dropout,
            target_modules=list(config.targets or default_targets(base.model)),
            fan_in_fan_out=True,
        ),
    )
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[0]
    examples = encode_rows(rows, base.tokenizer, base.context)
    longest = max(len(example.input_ids) for example in examples)
    configure_execution(base.model, config, precision, longest)
    state = initial_state(base.model, config, precision)
    for _step in train(base.model, examples, config, precision, state):
        pass
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)  # PEFT's own file, which is then opened as ours is
        fresh = load_base(EMBEDDED.name)
        load_adapter(fresh.model, Path(folder))
    return Summarizer(fresh.model, fresh.tokenizer)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--max-steps", type=int, help="end the training after this many steps")
    parser.add_argument("--limit", type=int, help="score only this many rows of each set")
    options = parse(parser, {"max_steps": 1, "limit": 2}, argv)
    summarizer = train_with_peft(options.max_steps)
    sets = {
        "validation": split_interviews(read_interviews(SAMPLE_CSV).rows)[1],
        "hand-written": read_interviews(HANDWRITTEN).rows,
    }
    fp32 = pick_precision("fp32", CPU)
    record = {}
    for title, rows in sets.items():
        part = list(rows)[: options.limit]
        result = judge_model(NAME, summarizer, part, fp32)
        print(f"\n**{title}, {len(part)} rows**\n\n{results_table([result])}", flush=True)
        record[title] = asdict(result)
    write_record(options.out, record)


if __name__ == "__main__":
    main()
