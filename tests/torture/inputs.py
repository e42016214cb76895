"""Hostile input, drawn by hypothesis: each is read, or refused in one line. Nothing else happens.

An attempt fails on a traceback, another exit code than 0 or 2, more than ten seconds, or a changed
input file.
"""

import contextlib
import importlib
import io
import json
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from common.console import run
from data.encode import IGNORE, encode_rows
from data.interviews import COLUMNS, read_interviews
from infer.models import load_model
from lora.adapter import CONFIG, PLAIN, STATE, WEIGHTS, load_adapter, save_adapter
from lora.inject import LoraConfig, inject_lora
from model.base import Base
from model.precision import Precision
from tests.conftest import make_model, make_tokenizer
from training.checkpoint import MOMENTS_FILE, identity, save_state
from training.config import TrainConfig
from training.loop import initial_state, train_step
from training.run import Run

SECONDS = 10
FP32 = Precision("fp32", torch.device("cpu"))
LORA = LoraConfig(rank=4, alpha=8.0, dropout=0.1)

# What has broken other programs, and what would move a mask or a terminal.
PIECES = [
    *("", " ", "0", "음, 저는 꼼꼼한 편입니다.", "각", "🙂👩\u200d💻", "\ufeff", "\u200b\u202e가"),
    *("\x00", "\x1b[2J\x1b]0;x\x07", '"', '""', "'", ",", ",,,", "\n", "\r", "\r\n", "\t", "\\"),
    *("### Response:\n", "\n\n### Response:\n요약", "<|endoftext|>", "<|endoftext|>" * 3, "=1+1"),
    *("\u0085", "\u2028", "\ud800", "\udfff", "a" * 5_000, "가" * 3_000, "," * 1_000, "ᄀ" * 500),
    *("../../etc/passwd", "/dev/null", "nan", "inf", "-1", "1e999", "None", "NA", "null", "%s{0}"),
]
texts = st.one_of(st.sampled_from(PIECES), st.text(st.characters(), max_size=20)).flatmap(
    lambda first: st.one_of(st.just(first), st.sampled_from(PIECES).map(lambda more: first + more))
)
numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 1, 4, 2**31, 2**63, 10**30, True])
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def meet(main: Callable[[], None], *argv: str) -> str:
    """Call a command as `python -m` would: "read" or "refused".

    Raises:
        AssertionError: it did anything else.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2)]
    before = sys.argv
    sys.argv = ["x", *argv]
    try:
        with (
            contextlib.redirect_stdout(streams[0]),
            contextlib.redirect_stderr(streams[1]),
            alarm(SECONDS),
        ):
            run(main)
    except SystemExit as stop:
        streams[1].seek(0)
        error = streams[1].read()
        assert stop.code in (0, 2), (stop.code, error)
        if stop.code == 2:
            last = error.rstrip("\n").split("\n")[-1]
            assert last.startswith("오류: ") and "Traceback" not in error, error
            assert error.count("오류: ") == 1 and last.isprintable(), error
        return "refused" if stop.code else "read"
    finally:
        sys.argv = before
    raise AssertionError("unreachable")


@contextlib.contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise TimeoutError inside after that long."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def hammer(
    strategy: st.SearchStrategy[Any], attempt: Callable[[Any], str], count: int, number: int
) -> Counter[str]:
    """Call `attempt` with `count` drawn values, and count what it returns."""
    counts = Counter[str]()

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def trial(value: Any) -> None:
        counts[attempt(value)] += 1

    trial()
    return counts


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV that somebody or something has had its hands on."""
    odd = st.lists(st.sampled_from([*COLUMNS, "", "row", " Answer"]))
    header = draw(odd if draw(st.integers(0, 4)) == 0 else st.just(list(COLUMNS)))
    width = 3 if draw(st.booleans()) else None
    cells = st.lists(texts, min_size=width or 2, max_size=width or 4)
    rows = draw(st.lists(cells, min_size=2, max_size=6))
    separator = draw(st.sampled_from([*[","] * 9, ";", "\t"]))
    quote, nul = draw(st.integers(0, 4)) > 0, draw(st.integers(0, 9)) == 0

    def cell(text: str) -> str:
        text = text if nul else text.replace("\0", "")
        return '"' + text.replace('"', '""') + '"' if quote else text

    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(separator.join(map(cell, row)) for row in [header, *rows])
    encoding = draw(st.sampled_from([*["utf-8", "utf-8-sig", "cp949"] * 3, "utf-16"]))
    errors = draw(st.sampled_from([*["replace"] * 4, "surrogatepass"]))
    data = text.encode(encoding, errors if "utf" in encoding else "replace")
    if draw(st.integers(0, 3)) == 0 and data:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 3)) :]
    return data


def read_table(path: Path, tokenizer: PreTrainedTokenizerBase) -> Callable[[bytes], str]:
    """Check a CSV; where it is read, make examples of it, and see that the mask is in its place."""
    check = importlib.import_module("data.__main__").main

    def attempt(data: bytes) -> str:
        path.write_bytes(data)
        outcome = meet(check, "check", "--data", str(path))
        assert path.read_bytes() == data
        if outcome == "read":
            rows = read_interviews(path).rows

            def encode() -> None:
                for row, example in zip(rows, encode_rows(rows, tokenizer, 512), strict=True):
                    response = [label for label in example.labels if label != IGNORE]
                    assert response[-1] == tokenizer.eos_token_id
                    assert list(example.labels[-len(response) :]) == response
                    assert tokenizer.decode(response[:-1]) == row["summary"]
                    assert example.input_ids.count(response[-1]) == 1  # EOS as text is text

            outcome = meet(encode)
        return outcome

    return attempt


def fuzz(folder: Path, share: float = 1.0, number: int = 0) -> dict[str, Counter[str]]:
    """All kinds of hostile input; `share` 1 makes ten thousand attempts, `number` seeds them."""
    tokenizer = make_tokenizer()
    adapter, checkpoint, base = folder / "adapter", folder / "run/checkpoint-1", folder / "tiny"
    for directory in (adapter, checkpoint):
        directory.mkdir(parents=True)
    model = make_model(vocab_size=len(tokenizer))
    who = identity(TrainConfig(), Base(model, tokenizer, "tiny"), Path(__file__), FP32)
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    inject_lora(model, LORA)
    for directory in (adapter, checkpoint):
        save_adapter(model, LORA, str(base), directory)
    config = TrainConfig(rank=4, max_steps=3)
    state, ids = initial_state(model, config, FP32), torch.arange(1, 9)[None]
    train_step(model, [{"input_ids": ids, "labels": ids}], state, FP32, max_grad_norm=1.0)
    record = save_state(checkpoint, model, state)
    found = {"best_loss": 1.0, "evaluations_since_best": 0, "results": {}}
    record |= {"identity": who, "finished": False} | found
    merged = folder / "merged"
    shutil.copytree(base, merged)
    shape = json.loads((merged / "config.json").read_text())
    plain = json.loads((adapter / CONFIG).read_text())
    weights = (adapter / WEIGHTS).read_bytes()
    tensors = (checkpoint / MOMENTS_FILE).read_bytes()

    def open_adapter() -> None:
        load_adapter(make_model(vocab_size=len(tokenizer)), adapter)

    def settings_file(changes: Any) -> str:
        text = json.dumps(plain | changes) if isinstance(changes, dict) else changes
        (adapter / CONFIG).write_bytes(text.encode("utf-8", "surrogatepass"))
        return meet(open_adapter)

    def weights_file(data: bytes) -> str:
        (adapter / CONFIG).write_text(json.dumps(plain))
        (adapter / WEIGHTS).write_bytes(data)
        return meet(open_adapter)

    def checkpoint_files(changes: tuple[Any, bytes]) -> str:
        (checkpoint / STATE).write_text(json.dumps(record | changes[0]), errors="replace")
        (checkpoint / MOMENTS_FILE).write_bytes(changes[1])
        fresh = make_model(vocab_size=len(tokenizer))
        inject_lora(fresh, LORA)
        resumed = Run(checkpoint.parent, Base(fresh, tokenizer, "tiny"), config, who)
        return meet(lambda: resumed.resume(initial_state(fresh, config, FP32)))

    def model_settings(changes: Any) -> str:
        text = json.dumps(shape | changes) if isinstance(changes, dict) else changes
        (merged / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        return meet(lambda: load_model(str(merged), FP32.device) and None)

    def summarize(drawn: tuple[str, str, list[tuple[str, Any]]]) -> str:
        question, answer = (text.replace("\x00", "") for text in drawn[:2])
        main = importlib.import_module("infer.__main__").main
        words = [f"--{flag}={value}" for flag, value in drawn[2]]
        given = (f"--question={question}", f"--answer={answer}", "--device=cpu")
        return meet(main, "--model", str(base), *given, "--max-new-tokens=3", *words)

    def changed(data: bytes) -> st.SearchStrategy[bytes]:
        """The file cut short, or with some bytes of its beginning replaced."""
        cut = st.integers(0, len(data)).map(lambda at: data[:at])
        places = st.tuples(st.integers(0, min(len(data), 2_000)), st.binary(min_size=1, max_size=8))
        return cut | places.map(lambda p: data[: p[0]] + p[1] + data[p[0] + len(p[1]) :])

    def mostly(data: bytes) -> st.SearchStrategy[bytes]:
        return st.integers(0, 3).flatmap(lambda n: st.just(data) if n else changed(data))

    keys = st.sampled_from([*plain, *PLAIN, "auto_mapping", "../x"])
    # Not the number of layers: a billion of them are a billion, and take their time.
    of_shape = st.sampled_from([*(key for key in shape if key != "n_layer"), "quantization_config"])
    of_record = st.sampled_from([*record, "x"])
    flags = ["temperature", "top-k", "top-p", "repetition-penalty", "no-repeat-ngram", "seed"]
    decoding = st.lists(st.tuples(st.sampled_from(flags), numbers), max_size=2)
    deep = st.sampled_from(["[" * 100_000, "{", "", "[]", "null", '{"r": 1e999}', "\ud800"])
    kinds: dict[str, tuple[int, st.SearchStrategy[Any], Callable[[Any], str]]] = {
        "CSV": (3500, tables(), read_table(folder / "x.csv", tokenizer)),
        "adapter_config.json": (
            *(1500, st.dictionaries(keys, values, max_size=3) | deep | texts),
            settings_file,
        ),
        "adapter_model.safetensors": (1000, changed(weights), weights_file),
        "checkpoint": (
            *(1000, st.tuples(st.dictionaries(of_record, values, max_size=1), mostly(tensors))),
            checkpoint_files,
        ),
        "config.json": (
            *(1000, st.dictionaries(of_shape, values, max_size=2) | deep | texts),
            model_settings,
        ),
        "options": (1000, command_lines(folder), lambda words: meet(*words)),
        "question and answer": (1000, st.tuples(texts, texts, decoding), summarize),
    }
    return {
        name: hammer(strategy, attempt, max(1, round(count * share)), number)
        for name, (count, strategy, attempt) in kinds.items()
    }


@st.composite
def command_lines(draw: st.DrawFn, folder: Path) -> tuple[Any, ...]:
    """A command with drawn options, kept from real work by a last one that names nothing."""
    nothing = str(folder / "nothing")
    commands = {
        "training.__main__": ("TrainConfig", "--data"),
        "infer.__main__": ("InferOptions", "--model"),
        "quant.__main__": ("QuantizeOptions", "--adapter"),
        "evaluation.__main__": ("EvaluateOptions", "--output-dir"),
    }
    name = draw(st.sampled_from(sorted(commands)))
    module = importlib.import_module(name)
    options, last = commands[name]
    flags = [f"--{field.name.replace('_', '-')}" for field in fields(getattr(module, options))]
    words = draw(st.lists(st.one_of(st.sampled_from(flags), texts, numbers.map(str)), max_size=6))
    return (module.main, *(word for word in words if "--de" not in word), last, nothing)
