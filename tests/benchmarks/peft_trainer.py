"""The other side of the training benchmark: PEFT + the HF Trainer, one example at a time."""

import math
import tempfile
import time
from functools import partial
from typing import Any

import peft
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from model.device import pick_device
from model.precision import Precision, pick_precision
from model.tokenizer import with_padding
from tests.benchmarks.training_setup import (
    TARGETS,
    Run,
    Setup,
    examples_of,
    start_alike,
    summary_of,
)
from training.schedule import cosine_with_warmup

NO_DROPOUT = dict.fromkeys(("attn_pdrop", "resid_pdrop", "embd_pdrop"), 0.0)  # as in `load_base`


class Losses(TrainerCallback):
    """Keeps the loss of each step, and the time at which the Trainer logged it."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.ends: list[float] = []

    def on_log(self, _args: Any, _state: Any, _control: Any, **kwargs: Any) -> None:
        if "loss" in kwargs["logs"]:
            self.losses.append(kwargs["logs"]["loss"])
            self.ends.append(time.perf_counter())


def train_with_trainer(setup: Setup) -> Run:
    """Train the task of `setup` with PEFT and the Trainer."""
    precision = pick_precision(setup.precision, pick_device(setup.device))
    examples = examples_of(setup)
    adapted = adapted_model(setup, precision)
    config = setup.config()
    parameters = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=0.0, fused=True)
    warmup = math.ceil(config.warmup_ratio * setup.steps)
    schedule = partial(cosine_with_warmup, warmup=warmup, total=setup.steps)
    losses = Losses()
    tokenizer = with_padding(AutoTokenizer.from_pretrained(setup.base))
    trainer = Trainer(
        model=adapted,
        args=TrainingArguments(
            output_dir=tempfile.gettempdir(),  # nothing is saved
            per_device_train_batch_size=1,
            gradient_accumulation_steps=setup.batch,
            num_train_epochs=1,
            bf16=precision.name == "bf16",
            fp16=precision.name == "fp16",
            use_cpu=precision.device.type == "cpu",
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        # The collator takes lists; our examples are arrays of 4 bytes a number.
        train_dataset=[
            {"input_ids": list(e.input_ids), "labels": list(e.labels)} for e in examples
        ],
        data_collator=DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=8),
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)),
        callbacks=[losses],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return summary_of(losses.losses, losses.ends, examples, setup)


def adapted_model(setup: Setup, precision: Precision) -> peft.PeftModel:
    """The base in fp32 with PEFT's LoRA, whose A matrices are drawn as ours are."""
    model = AutoModelForCausalLM.from_pretrained(setup.base, dtype=torch.float32, **NO_DROPOUT)
    model.to(precision.device)
    config = setup.config()
    adapted = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=config.rank,
            lora_alpha=int(config.alpha),
            lora_dropout=config.dropout,
            target_modules=TARGETS,
            fan_in_fan_out=True,
            task_type="CAUSAL_LM",
        ),
    )
    start_alike(adapted)
    return adapted
