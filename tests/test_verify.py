"""Every claim holds, and its line turns to ✗ when the code that it is about is broken."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

import verify
from common.claims import Claim
from common.console import UserError
from tests.test_imports import ROOT, imported_names
from verify import FALSE, LESSONS, SKIPPED, TRUE, claims_of, verdict

CLAIMS = {claim.prove.__name__: claim for lesson in LESSONS for claim in claims_of(lesson)}

# For each claim a place in the code (it stands there once), and what breaks it.
MUTATIONS = {
    "masking_by_id_loses_eos": (
        "data/encode.py",
        "[IGNORE] * len(prompt) + response",
        "[IGNORE] * len(prompt) + [i or IGNORE for i in response]",
    ),
    "the_prompt_is_masked": (
        "data/encode.py",
        "[IGNORE] * len(prompt) + response",
        "prompt + response",
    ),
    "truncation_keeps_the_marker": (
        "data/encode.py",
        "if excess <= 0:",
        "ids = ids[:max_tokens]\n        if True:",
    ),
    "truncation_keeps_characters_whole": (
        "data/encode.py",
        "if excess <= 0:",
        "ids = ids[: max_tokens - 8] + ids[-8:]\n        if True:",
    ),
    "a_typed_eos_is_text": (
        "data/encode.py",
        "return_offsets_mapping=True, split_special_tokens=True",
        "return_offsets_mapping=True, split_special_tokens=False",
    ),
    "nfd_is_nfc": ("data/text.py", 'normalize("NFC", ', 'normalize("NFD", '),
    "invisible_characters_go": ("data/text.py", 'INVISIBLE.sub("", str(value))', "str(value)"),
    "sorting_saves_padding": (
        "data/batches.py",
        "sorted(examples, key=lambda example: len(example.input_ids))",
        "examples",
    ),
    "starts_as_the_base": ("lora/layer.py", "torch.zeros(out_features", "torch.ones(out_features"),
    "is_equation_3": (
        "lora/layer.py",
        "F.linear(low_rank, b) * self.scaling",
        "F.linear(low_rank, b)",
    ),
    "equals_peft": (
        "lora/layer.py",
        "alpha / (math.sqrt(rank) if rslora else rank)",
        "alpha",
    ),
    "learns_few_parameters": (
        "lora/inject.py",
        "model.requires_grad_(False)",
        "model.requires_grad_(True)",
    ),
    "merged_is_unmerged": ("lora/layer.py", "self.scaling * (self.lora_B", "(self.lora_B"),
    "conv1d_is_transposed": ("lora/merge.py", "delta = delta.T", "pass"),
    "unmerge_does_not_drift": (
        "lora/merge.py",
        "record.layer.base.weight.data = record.weight",
        "w = record.layer.base.weight; w.data = (w.float() - record.layer.delta_weight()).half()",
    ),
    "rounds_once": (
        "lora/merge.py",
        "(weight.float() + delta).to(weight.dtype)",
        "weight + delta.to(weight.dtype)",
    ),
    "the_head_stays_tied": (
        "lora/merge.py",
        "replace_module(model, name, layer.base)",
        "replace_module(model, name, layer.base)\n"
        "        model.lm_head.weight = nn.Parameter(model.lm_head.weight.clone())",
    ),
    "follows_the_mode_of_the_base": ("lora/layer.py", "self.train(base.training)", "pass"),
    "mean_over_the_whole_batch": (
        "training/loop.py",
        "labels) / response_tokens",
        "labels) / count_targets(labels) / len(micro_batches)",
    ),
    "response_only_head_is_the_full_head": (
        "model/loss.py",
        "hidden[0][:, :-1][is_response]",
        "hidden[0][:, 1:][is_response]",
    ),
    "padding_changes_nothing": (
        "data/batches.py",
        "torch.full((len(examples), length), IGNORE)",
        "torch.full((len(examples), length), pad_id)",
    ),
    "inf_skips_step_and_schedule": (
        "training/loop.py",
        "cosine_with_warmup(state.step - state.skipped,",
        "cosine_with_warmup(state.step,",
    ),
    "fp16_needs_loss_scaling": (
        "model/precision.py",
        'GradScaler(self.device.type, enabled=self.name == "fp16")',
        "GradScaler(self.device.type, enabled=False)",
    ),
    "clipping_sees_true_gradients": ("training/loop.py", "scaler.unscale_(optimizer)", "pass"),
    "masters_are_fp32": ("lora/layer.py", "nn.Parameter(a.to(device))", "nn.Parameter(a.half())"),
    "resumes_bit_for_bit": (
        "training/loop.py",
        "torch.manual_seed(config.seed + 1 + state.step)",
        "pass",
    ),
    "gelu_in_one_kernel": ("model/base.py", "module.act = GELUTanh()", "pass"),
    "nf4_error_of_a_normal_matrix": (
        "quant/nf4.py",
        "torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2)",
        "torch.bucketize(scaled, levels[:-1])",
    ),
    "nf4_levels_are_used_evenly": (
        "quant/nf4.py",
        "absmax = blocks.abs().amax(dim=1)",
        "absmax = 4 * blocks.abs().amax(dim=1)",
    ),
    "equals_bitsandbytes": (
        "quant/nf4.py",
        "(codes[::2] << 4) | codes[1::2]",
        "codes[::2] | (codes[1::2] << 4)",
    ),
    "bits_of_a_weight": (
        "quant/nf4.py",
        "to_codes(weight.float(), LEVELS, block=64)",
        "to_codes(weight.float(), LEVELS, block=32)",
    ),
    "an_outlier_spoils_its_block": (
        "quant/nf4.py",
        "absmax = blocks.abs().amax(dim=1)",
        "absmax = blocks.abs().amax().expand(len(blocks))",
    ),
    "zero_stays_zero": (
        "quant/nf4.py",
        "blocks * (1 / absmax.clamp(min=1e-38))[:, None]",
        "blocks * (1 / absmax.clamp(min=1e-38))[:, None] + 0.1",
    ),
    "eight_bits_err_less": ("quant/swap.py", "(weight.SCB / 127)", "(weight.SCB / 100)"),
    "the_head_is_not_swapped": (
        "quant/swap.py",
        "if is_linear(m) and m is not head}",
        "if is_linear(m)}",
    ),
    "the_file_is_half_as_large": (
        "quant/store.py",
        "value.half() if convert",
        "value.float() if convert",
    ),
    "with_the_cache_is_without": (
        "infer/gpt2.py",
        "keys, values = layer.update(k, v)",
        "layer.update(k, v); keys, values = k, v",
    ),
    "left_padding_needs_positions": (
        "infer/generate.py",
        "(attention_mask.cumsum(dim=1) - 1).clamp(min=0)",
        "torch.arange(length).expand(batch, -1)",
    ),
    "greedy_is_transformers_generate": ("infer/gpt2.py", "scale=attn.scaling", "scale=1.0"),
    "candidates_share_a_prefill": (
        "infer/candidates.py",
        "prefill(model, input_ids, attention_mask,",
        "prefill(model, input_ids.expand(count, -1), attention_mask.expand(count, -1),",
    ),
    "no_half_syllable_is_shown": (
        "infer/summarize.py",
        'if text.endswith("\\ufffd"):',
        "if False:",
    ),
    "the_nucleus_is_smallest": (
        "infer/generate.py",
        "outside = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p",
        "p = ordered.softmax(-1).flip(-1); outside = (p.cumsum(-1) - p >= top_p).flip(-1)",
    ),
    "no_ngram_comes_twice": ("infer/generate.py", "if settings.no_repeat_ngram:", "if False:"),
    "a_bias_shifts_the_odds": (
        "infer/copying.py",
        "logits + bias * (counts > 0)",
        "logits * (1 + bias * (counts > 0))",
    ),
    "rouge_gives_identical_korean_zero": (
        "evaluation/metrics.py",
        "bleu(self.tokenization).tokenizer(nfc(text))",
        'text.encode("ascii", "ignore").decode()',
    ),
    "nfd_scores_as_nfc": (
        "evaluation/metrics.py",
        'unicodedata.normalize("NFC", text)',
        "text",
    ),
    "words_punish_a_particle": (
        "evaluation/metrics.py",
        "bleu(self.tokenization).tokenizer(nfc(text))",
        "nfc(text)",
    ),
    "faithfulness_sees_a_wrong_number": (
        "evaluation/checks.py",
        "for word in words + numbers:",
        "for word in words:",
    ),
    "the_oracle_is_no_worse": ("evaluation/baselines.py", "return max(", "return min("),
    "perplexity_of_a_character": (
        "evaluation/evaluate.py",
        "self.nats / self.characters",
        "self.nats / self.tokens",
    ),
    "intervals_narrow_with_rows": (
        "evaluation/metrics.py",
        "size=(RESAMPLES, len(pairs))",
        "size=(RESAMPLES, 16)",
    ),
    "a_good_score_hides_a_fault": (
        "evaluation/checks.py",
        "sum(map(has_fault, summaries))",
        "0",
    ),
}


def functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """The functions and methods that a module defines, without their decorators."""
    values = list(vars(module).values())
    classes = [value for value in values if isinstance(value, type)]
    for value in values + [member for kind in classes for member in vars(kind).values()]:
        function = inspect.unwrap(getattr(value, "fget", value))
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            yield function


def codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def edit(monkeypatch: pytest.MonkeyPatch, path: str, old: str, new: str) -> None:
    """Make the functions of a module run as if `old` read `new` in its file.

    The functions stay the same objects, so whoever has imported one runs the edited code.
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{path}: {old}"
    edited = compile(source.replace(old, new), path, "exec")
    codes = {code.co_qualname: code for code in codes_in(edited)}
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for function in functions_of(module):
        if code := codes.get(function.__code__.co_qualname):
            monkeypatch.setattr(function, "__code__", code)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name: str) -> None:
    mark, reason = verdict(CLAIMS[name])
    assert mark == TRUE, reason


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_code_breaks_the_claim(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(monkeypatch, *MUTATIONS[name])
    mark, reason = verdict(CLAIMS[name])
    print(reason)
    assert mark == FALSE, reason
    assert not reason.startswith("오류"), "the numbers show it, not a crash"


def test_there_are_many_claims_each_short_and_with_a_mutation() -> None:
    assert len(CLAIMS) >= 25 and CLAIMS.keys() == MUTATIONS.keys()
    assert len({claim.text for claim in CLAIMS.values()}) == len(CLAIMS)
    for claim in CLAIMS.values():
        lines = inspect.getsource(claim.prove).splitlines()
        assert len([line for line in lines if not line.startswith("@")]) <= 20, claim.text


@pytest.mark.parametrize("lesson", LESSONS)
def test_what_a_lesson_claims_needs_nothing_of_the_tests(lesson: str) -> None:
    source = (ROOT / lesson / "claims.py").read_text(encoding="utf-8")
    assert not [name for name in imported_names(source) if name.split(".")[0] == "tests"]


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["verify", *words])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    return int(ended.value.code or 0)


def test_one_lesson_prints_a_line_for_each_claim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "--lesson", "data") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "data/claims.py" and lines[-1] == "주장 8개: 참 8, 거짓 0, 건너뜀 0"
    assert [line[:2] for line in lines[1:-1]] == ["✔ "] * 8
    edit(monkeypatch, *MUTATIONS["nfd_is_nfc"])
    assert run_main(monkeypatch, "--lesson", "data") == 1
    assert sum(line.startswith("✗") for line in capsys.readouterr().out.splitlines()) == 1


def test_a_crash_is_a_cross_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    edit(monkeypatch, "lora/layer.py", "h = self.base(x)", "raise ValueError('모양이 다름')")
    mark, reason = verdict(CLAIMS["is_equation_3"])
    assert mark == FALSE and reason == "오류: ValueError: 모양이 다름"


def test_without_peft_its_claim_is_skipped_visibly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    mark, reason = verdict(CLAIMS["equals_peft"])
    assert mark == SKIPPED and "peft" in reason
    peft_alone: list[Claim] = [CLAIMS["equals_peft"]]
    monkeypatch.setattr(verify, "claims_of", lambda _lesson: peft_alone)
    assert run_main(monkeypatch, "--lesson", "lora") == 0
    assert "건너뜀 1" in capsys.readouterr().out


def test_an_unknown_lesson_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["verify", "--lesson", "chat"])
    with pytest.raises(UserError, match="data, lora, training"):
        verify.main()
