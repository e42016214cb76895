"""The three commands as a person types them, on a tiny random base: files, errors, exit codes."""

import csv
import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from common.console import UserError, run
from data.interviews import read_interviews, split_interviews
from evaluation.__main__ import held_out_rows, models_of
from lora.adapter import STATE
from pretraining.rows import interview_rows
from tests.bases import as_pickle, write_base
from tests.conftest import make_model
from training.checkpoint import NO_FILE, file_identity

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "data/sample_interview.csv"


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=ROOT,
        input="",
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, a CSV, and what train, quantize (4 and 8 bits) leave under `out`."""
    folder = tmp_path_factory.mktemp("runs")
    rows = interview_rows(24, seed=7)
    with (folder / "my.csv").open("w", encoding="cp949", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, ["question", "answer", "summary"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def trained(runs: Path, byte_tokenizer: PreTrainedTokenizerFast) -> Path:
    base = runs / "tiny"
    make_model(vocab_size=len(byte_tokenizer), n_positions=1024).save_pretrained(base)
    byte_tokenizer.save_pretrained(base)
    out = runs / "out"
    result = command(
        *("training", "--base", base, "--data", runs / "my.csv", "--output-dir", out),
        *("--max-steps", 3, "--eval-every", 2, "--gradient-accumulation-steps", 4),
        *("--eval-samples", 1, "--max-length", 512, "--precision", "fp32"),
    )
    assert result.returncode == 0, result.stderr
    assert "CP949" in result.stdout and "자른 행" in result.stdout
    for bits in (4, 8):
        result = command("quant", "--output-dir", out, "--bits", bits)
        assert result.returncode == 0, result.stderr
        assert "MB" in result.stdout and "상대 오차" in result.stdout
    return out


def test_what_training_writes(trained: Path) -> None:
    run = trained / "tiny-lora"
    names = {path.name for path in run.iterdir()}
    assert names == {
        *("checkpoint-2", "checkpoint-3", "best", "metrics.jsonl", "comparison.json"),
        *("report.html", "report.json", "curves.png", "lengths.png"),
        *([".lock"] if (run / ".lock").exists() else []),
    }
    assert {path.name for path in (run / "best").iterdir()} >= {
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
        "tokenizer.json",
        "trainer_state.json",
    }
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "loss" in r] == [1, 2, 3]
    assert [r["step"] for r in records if "rougeL" in r] == [2, 3]
    assert not list(trained.rglob("*.bin")) and not list(trained.rglob("*.pt"))


@pytest.mark.parametrize("name", ["tiny-merged", "tiny-bnb-4bit", "tiny-bnb-8bit"])
def test_transformers_opens_what_quant_writes(trained: Path, name: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(trained / name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(trained / name)
    ids = tokenizer("질문", return_tensors="pt").input_ids
    assert model(ids).logits.isfinite().all()


def test_infer_picks_the_newest_model_and_prints_the_summary_alone(trained: Path) -> None:
    result = command("infer", "--output-dir", trained, "--max-new-tokens", 20)
    assert result.returncode == 0, result.stderr
    assert "tiny-bnb-8bit" in result.stderr and "질문:" in result.stderr  # made last
    assert "###" not in result.stdout and "질문:" not in result.stdout
    assert "\ufffd" not in result.stdout


def test_the_chat_answers_with_the_same_model(trained: Path) -> None:
    result = command("chat", "--output-dir", trained)
    assert result.returncode == 0, result.stderr
    assert "tiny-bnb-8bit" in result.stderr and "알림" not in result.stderr


@pytest.mark.parametrize("name", ["tiny-lora/best", "tiny-merged", "tiny-bnb-8bit", "../tiny"])
def test_infer_opens_every_kind(trained: Path, name: str) -> None:
    result = command("infer", "--model", trained / name, "--max-new-tokens", 3)
    assert result.returncode == 0, result.stderr


def test_csv_in_csv_out(trained: Path, runs: Path) -> None:
    out = runs / "result.csv"
    result = command(
        *("infer", "--output-dir", trained, "--csv", runs / "my.csv", "--out", out),
        *("--max-new-tokens", 4, "--batch-size", 16),
    )
    assert result.returncode == 0, result.stderr
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with (runs / "my.csv").open(encoding="cp949", newline="") as file:
        given = list(csv.DictReader(file))
    assert len(rows) == 24 and any(row["summary"] for row in rows)
    for row, before in zip(rows, given, strict=True):  # nothing of the user's is lost
        assert row.pop("summary (원본)") == before["summary"]
        assert row | {"summary": before["summary"]} == before
    assert not list(runs.glob("*.partial"))


def test_evaluate_compares_what_exists(trained: Path, runs: Path) -> None:
    result = command(
        *("evaluation", "--output-dir", trained, "--limit", 2),
        *("--models", "first", "lora", "4bit", "--tokenization", "char", "--show", 1),
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n정답: ") == 1 and "\n  4비트: " in result.stdout
    assert "tok:char" in result.stdout and "chrf: nrefs:1" in result.stdout
    record = json.loads((trained / "tiny-lora" / "comparison.json").read_text(encoding="utf-8"))
    assert [line["name"] for line in record["results"]] == ["first", "lora", "4bit"]
    first, lora, four_bit = record["results"]
    assert first["faithfulness"] == 100 and first["perplexity"] is None
    assert len(lora["summaries"]) == len(record["rows"])
    # bytes are tokens in the tiny base: 2.5 or so to a character
    assert 1 < lora["perplexity"] < lora["character_perplexity"]
    assert four_bit["megabytes"] < lora["megabytes"] < four_bit["peak_megabytes"]
    lines = (trained / "tiny-lora" / "comparison.md").read_text(encoding="utf-8").splitlines()
    assert len({line.count("|") for line in lines[:5]}) == 1 and len(lines[0]) > 50


def test_a_quantised_base_from_training_to_summary(
    trained: Path,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["training", "--base", runs / "tiny", "--data", runs / "my.csv", "--base-bits", 4]
    words += ["--targets", "attn.c_attn:qv", "mlp.c_fc", "--rslora", "--lora-plus", 4]
    words += ["--max-steps", 1, "--eval-samples", 1, "--output-dir", tmp_path, "--device", "cpu"]
    for line in (
        words,
        ["quant", "--output-dir", tmp_path],
        ["infer", "--model", tmp_path / "tiny-lora/best", "--max-new-tokens", 3],
    ):
        monkeypatch.setattr("sys.argv", [str(word) for word in line])
        with pytest.raises(SystemExit) as stop:
            run(importlib.import_module(f"{line[0]}.__main__").main)
        assert stop.value.code == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "4비트)" in shown and "4비트로 학습해" in shown
    config = json.loads((tmp_path / "tiny-lora/best/adapter_config.json").read_text())
    assert config["target_modules"] == ["attn.c_attn", "mlp.c_fc"] and config["use_rslora"]


def test_rows_that_were_trained_on_are_not_evaluated(trained: Path, runs: Path) -> None:
    adapter = trained / "tiny-lora" / "best"
    held_out = held_out_rows(runs / "my.csv", adapter)
    assert 1 <= len(held_out) < 4
    assert held_out["answer"][:] == held_out_rows(None, adapter)["answer"][:]
    text = (runs / "my.csv").read_bytes()
    (runs / "copy.csv").write_bytes(text)
    assert held_out_rows(runs / "copy.csv", adapter)["answer"][:] == held_out["answer"][:]
    (runs / "other.csv").write_bytes(text.replace("습니다".encode("cp949"), "어요".encode("cp949")))
    assert len(held_out_rows(runs / "other.csv", adapter)) == 24
    (runs / "my.csv").write_bytes(text.replace("습니다".encode("cp949"), "네요".encode("cp949")))
    with pytest.raises(UserError, match="학습한 뒤에 바뀌어"):
        held_out_rows(None, adapter)
    (runs / "my.csv").write_bytes(text)


def test_a_run_is_evaluated_on_the_rows_it_was_validated_on(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.csv" for name in ("train", "validation", "other")}
    for seed, path in enumerate(files.values()):
        rows = interview_rows(200, seed)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def held_out(data: Path | None, split: str | None, validation: Path | None) -> list[str]:
        who = {"data": file_identity(files["train"]), "settings": {"split": split}}
        who["validation"] = file_identity(validation) if validation else NO_FILE
        (tmp_path / STATE).write_text(json.dumps({"identity": who}), encoding="utf-8")
        return held_out_rows(data, tmp_path)["answer"][:]

    given = {name: read_interviews(path).rows for name, path in files.items()}
    for split in ("row", "question"):
        expected = split_interviews(given["train"], split)[1]["answer"][:]
        for data in (None, files["train"]):
            assert held_out(data, split, None) == expected
    for data in (None, files["train"], files["validation"]):
        assert held_out(data, None, files["validation"]) == given["validation"]["answer"][:]
    assert held_out(files["other"], None, files["validation"]) == given["other"]["answer"][:]
    before = file_identity(files["validation"])
    who = {"data": file_identity(files["train"]), "settings": {}, "validation": before}
    (tmp_path / STATE).write_text(json.dumps({"identity": who}), encoding="utf-8")
    for name in ("other", "train"):
        files["validation"].write_bytes(files[name].read_bytes())
        with pytest.raises(UserError, match=r"validation\.csv: 학습한 뒤에 바뀌어"):
            held_out_rows(None, tmp_path)


def test_models_older_than_the_adapter_are_left_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, merged = trained / "tiny-lora" / "best", trained / "tiny-merged" / "config.json"
    assert set(models_of(adapter, trained)) == {"base", "lora", "merged", "8bit", "4bit"}
    now = merged.stat().st_mtime
    os.utime(merged, (now - 10_000, now - 10_000))
    assert set(models_of(adapter, trained)) == {"base", "lora", "8bit", "4bit"}
    assert "tiny-merged" in capsys.readouterr().out
    os.utime(merged, (now, now))


def test_same_seed_same_adapter_file(trained: Path, runs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = command(
            *("training", "--base", runs / "tiny", "--data", runs / "my.csv", "--max-steps", 2),
            *("--output-dir", tmp_path / name, "--gradient-accumulation-steps", 4),
            *("--eval-samples", 1),
        )
        assert result.returncode == 0, result.stderr
    first, second = (
        (tmp_path / name / "tiny-lora/best/adapter_model.safetensors").read_bytes()
        for name in ("a", "b")
    )
    assert first == second


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama"])
def test_a_base_as_the_hub_has_it_goes_all_the_way(
    family: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """KoGPT2's folder, Polyglot-Ko's and Llama's, with their weights as a pickle, and no option."""
    base = as_pickle(write_base(tmp_path / "base", family=family))
    monkeypatch.chdir(ROOT)
    out = ["--output-dir", str(tmp_path)]
    train = ["--base", str(base), "--data", str(runs / "my.csv"), "--max-steps", "2"]
    for words in (
        ["training", *out, *train, "--eval-samples", "1"],
        ["quant", *out],
        ["infer", *out, "--max-new-tokens", "3"],
        ["infer", "--model", str(tmp_path / "base-lora" / "best"), "--max-new-tokens", "3"],
        ["infer", "--model", str(base), "--max-new-tokens", "3"],
    ):
        monkeypatch.setattr("sys.argv", words)
        importlib.import_module(f"{words[0]}.__main__").main()
        assert "\ufffd" not in capsys.readouterr().out
    for name in ("base-merged", "base-bnb-4bit", "base-lora/best"):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / name)
        assert tokenizer.decode(tokenizer("질문과 답변")["input_ids"]) == "질문과 답변"
        assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["training", "--data", "none.csv"], "파일이 없습니다"),
        (["training", "--rank", "-1"], "--rank -1"),
        (["training", "--data", SAMPLE, "--validation", SAMPLE], "같은 파일"),
        (["training", "--data", SAMPLE, "--validation", "none.csv"], "none.csv: 파일이"),
        (["training", "--bogus"], "--bogus"),
        (["training", "--base-bits", "3"], "--base-bits 3"),
        (["training", "--targets", "c_fc:qv", "--output-dir", "{tmp}"], "attn.c_attn:qv"),
        (["training", "--base", "no/such-base"], "no/such-base"),
        (["quant", "--bits", "3"], "--bits 3"),
        (["quant", "--output-dir", "{tmp}"], "make train"),
        (["quant", "--adapter", "{tmp}"], "make train"),
        (["infer", "--output-dir", "{tmp}"], "make train"),
        (["infer", "--question", "왜?"], "--answer"),
        (["infer", "--question", " ", "--answer", "네."], "비어"),
        (["infer", "--question", "\u200b", "--answer", "네."], "비어"),
        (["infer", "--temperature", "nan"], "--temperature nan"),
        (["infer", "--csv", ""], "--csv"),
        (["infer", "--csv", "data/sample_interview.csv", "--out", "."], "--out"),
        (["infer", "--csv", "README.md", "--out", "README.md"], "덮어쓸 수 없습니다"),
        (["training", "--eval-samples", "0"], "--eval-samples"),
        (["evaluation", "--models", "16bit"], "--models 16bit"),
        (["evaluation", "--tokenization", "jamo"], "--tokenization jamo"),
        (["evaluation", "--limit", "0"], "--limit 0"),
        (["evaluation", "--show", "-1"], "--show -1"),
        (["evaluation", "--output-dir", "{tmp}"], "make train"),
        (["infer", "--model", "no-such-folder"], "no-such-folder"),
        (["data", "check", "--data", "{tmp}"], "파일이 없습니다"),
        (["data", "nonsense"], "nonsense"),
        (["data", "aihub"], "paths"),
        (["data", "aihub", "none", "--output-dir", "{tmp}/out"], "none: 폴더도 zip도"),
        (["data", "aihub", "README.md", "--output-dir", "{tmp}/out"], "README.md: 폴더도 zip도"),
        (["data", "aihub", "{tmp}", "--output-dir", "{tmp}/out"], "쓸 수 있는 기록이 없습니다"),
    ],
)
def test_bad_input_is_one_korean_line_and_exit_code_2(
    tmp_path: Path,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", [word.format(tmp=tmp_path) for word in words])
    with pytest.raises(SystemExit) as stop:
        name = words[0] if "." in words[0] else f"{words[0]}.__main__"
        run(importlib.import_module(name).main)
    error = capfd.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("오류: ") and error.count("\n") == 1 and says in error, error


def test_the_exit_code_reaches_the_shell() -> None:
    result = command("training", "--data", "none.csv")
    assert result.returncode == 2 and result.stderr.startswith("오류: none.csv"), result.stderr


def test_training_that_never_finds_a_gradient_keeps_what_it_has(
    trained: Path,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From the fifth step on every loss is nan: checkpoint-4 stays, and its line names it."""
    from training import loop

    real = loop.response_loss
    calls = 0

    def broken(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return real(*arguments) * (math.nan if calls > 4 * 4 else 1)

    monkeypatch.setattr(loop, "response_loss", broken)
    words = ["training", "--base", runs / "tiny", "--data", runs / "my.csv", "--epochs", 9]
    words += ["--gradient-accumulation-steps", 4, "--micro-batch-tokens", 0, "--save-steps", 2]
    words += ["--eval-samples", 1, "--output-dir", tmp_path, "--device", "cpu"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as stop:
        run(importlib.import_module("training.__main__").main)
    line = capfd.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2 and "checkpoint-4" in line and "--learning-rate" in line, line
    kept = {path.name for path in (tmp_path / "tiny-lora").glob("checkpoint-*")}
    assert kept == {"checkpoint-2", "checkpoint-4"}


def test_a_run_that_cannot_begin_costs_the_one_before_nothing(
    runs: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    before = sorted(path.name for path in (out / "tiny-lora").iterdir())
    words = ["training", "--base", runs / "tiny", "--data", runs / "my.csv", "--fresh"]
    words += ["--max-length", 40, "--output-dir", out, "--device", "cpu"]
    monkeypatch.setattr("sys.argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as stop:
        run(importlib.import_module("training.__main__").main)
    assert stop.value.code == 2
    assert sorted(path.name for path in (out / "tiny-lora").iterdir()) == before
