"""The synthetic rows and documents that the tests of this folder share."""

import csv
import gzip
import itertools
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from data.interviews import SAMPLE_CSV
from pretraining.documents import labelled_documents
from pretraining.prepare import LINES, PAIRS, PrepareOptions, prepare
from pretraining.text.corpus import WEIGHTS, Corpus
from pretraining.tokenizer import train_tokenizer

HELD_OUT = Path(__file__).parents[1] / "data" / "handwritten_eval.csv"
HELD_OUT_DEV = Path(__file__).parents[1] / "data" / "handwritten_dev.csv"
PRETRAINING_SEED = 2  # the stream that the embedded base has read
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return read(SAMPLE_CSV)


@pytest.fixture(scope="session")
def documents() -> list[tuple[str, str]]:
    return list(itertools.islice(labelled_documents(PRETRAINING_SEED), 3000))


@pytest.fixture(scope="session")
def tokenizer(documents: list[tuple[str, str]]) -> PreTrainedTokenizerFast:
    return train_tokenizer((text for _, text in documents[:1000]), vocab_size=3000, context=64)


SPOKEN = (
    "음, 저는 작년에 물류 창고에서 {n}개월 동안 일했습니다. 처음에는 재고가 자주 틀렸거든요. "
    "그래서 제가 매일 아침 {n}분씩 선반을 세었어요. 그런데 팀장님은 시간이 아깝다고 하셨습니다. "
    "결국 오차를 {n}퍼센트 줄였고, 다른 창고에서도 그 방법을 배워 갔습니다."
)
WRITTEN = (
    "이 도시는 강가에 있으며, 인구는 약 {n}만 명이다. 시장은 {n}년에 세워졌고 지금도 매주 열린다. "
    "주민들은 다리를 고치려 했으나 돈이 모자랐다. 축제는 가을에 열리는데 이웃 사람들도 찾아온다."
)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up corpus, as `python -m pretraining.prepare` leaves it."""
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("corpus")
    for name in [*WEIGHTS, *LINES, *(name for name, _ in PAIRS.values())]:
        text = WRITTEN if "wiki" in name else SPOKEN
        pair = "\t다시 쓴 말" if name in {name for name, _ in PAIRS.values()} else ""
        lines = [text.replace("{n}", str(n)) + pair for n in range(11, 23)]
        with gzip.open(raw / f"{name}.txt.gz", "wt", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    (raw / "chatbot_qa.csv").write_text("Q,A,label\n배고파,같이 먹어요.,0\n", encoding="utf-8")
    prepare(PrepareOptions(corpus=raw, processes=1), out)
    return out


@pytest.fixture(scope="session")
def corpus(corpus_folder: Path) -> Corpus:
    return Corpus.read(corpus_folder)
