import pytest

from common.console import UserError, parse_options
from training.config import TrainConfig, fields_by_rule


def test_defaults_are_those_of_the_design() -> None:
    config = TrainConfig()
    assert config.batch_size == 1 and config.gradient_accumulation_steps == 32
    assert config.examples_per_step == 32
    assert (config.rank, config.alpha, config.dropout) == (16, 32.0, 0.05)
    assert config.lora.targets == ()  # every linear layer of the blocks
    assert (config.epochs, config.seed, config.max_length) == (1, 42, 1024)
    assert config.max_grad_norm == 1.0 and config.eval_every == "epoch"


def test_the_default_rate_falls_as_one_over_width() -> None:
    assert TrainConfig().peak_learning_rate(256) == pytest.approx(3e-3)
    assert TrainConfig().peak_learning_rate(768) == pytest.approx(1e-3)
    assert TrainConfig(learning_rate=5e-4).peak_learning_rate(768) == 5e-4


def test_the_token_budget_is_what_the_longest_examples_take_anyway() -> None:
    assert TrainConfig().token_budget(1024) == 1024
    assert TrainConfig(batch_size=4, max_length=512).token_budget(1024) == 2048
    assert TrainConfig(micro_batch_tokens=3000).token_budget(1024) == 3000
    assert TrainConfig(micro_batch_tokens=0).token_budget(1024) == 0


def test_every_setting_has_one_of_the_rules_of_resuming() -> None:
    named = [*fields_by_rule("free"), *fields_by_rule("bits"), *fields_by_rule("resolved")]
    assert sorted([*named, *fields_by_rule(None)]) == sorted(vars(TrainConfig()))
    assert fields_by_rule("bits") == ["micro_batch_tokens", "gradient_checkpointing", "compile"]
    assert {"seed", "learning_rate", "batch_size"} <= set(fields_by_rule(None))


@pytest.mark.parametrize(
    "argv",
    [
        ["--rank", "-1"],
        ["--learning-rate", "0"],
        ["--learning-rate", "nan"],
        ["--dropout", "1"],
        ["--eval-every", "week"],
        ["--eval-every", "0"],
        ["--max-steps", "0"],
        ["--batch-size", "0"],
        ["--micro-batch-tokens", "-1"],
        ["--learning-rate", "inf"],
        ["--alpha", "nan"],
        ["--seed", "-1"],
        ["--seed", str(2**64)],
        ["--eval-every", "9" * 5000],
        ["--save-steps", "0"],
        ["--split", "answer"],
        ["--split", "question", "--validation", "a.csv"],
        ["--keep-last", "0"],
        ["--base-bits", "3"],
        ["--lora-plus", "0"],
        ["--lora-plus", "nan"],
        ["--patience", "0"],
        ["--patience", "1.5"],
    ],
)
def test_values_that_cannot_train_are_refused(argv: list[str]) -> None:
    with pytest.raises(UserError, match=argv[0]):
        parse_options(TrainConfig, "x", "", argv)
