"""`python -m pretraining --corpus DIR`: the embedded base, from nothing to its folder.

An interrupted run goes on where its last checkpoint stood when the same command is given again.
"""

from common.console import parse_options, run
from common.locks import exclusive
from pretraining.pretrain import PretrainConfig, make_base


def main() -> None:
    config = parse_options(PretrainConfig, "python -m pretraining", "베이스를 처음부터 학습")
    with exclusive(config.work):
        make_base(config)


if __name__ == "__main__":
    run(main)
