# Everything a person types. Each target is one `python -m ...`, which works without make, too.

PYTHON ?= python3
BITS ?= 4
TORCHRUN = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/torchrun --standalone --nproc-per-node "$(GPUS)"
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.DEFAULT_GOAL := help
.PHONY: help setup aihub train quantize evaluate infer chat web verify test torture bench lint base clean

help: ## 이 도움말
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  변수: FROM=폴더  BASE=skt/kogpt2-base-v2  DATA=my.csv  GPUS=2  BITS=8  LESSON=lora  QUESTION="..." ANSWER="..."  ARGS="--rank 8"'
	@echo '  옵션: $(BIN)/python -m training --help (quant, infer, chat도 같음)'

setup: .venv/requirements ## 가상환경을 만들고 패키지를 설치 (다른 명령이 알아서 부름)

aihub: .venv/requirements ## AI Hub의 면접 데이터를 받은 그대로 읽어 CSV로 (FROM=폴더나 zip)
	@$(BIN)/python -m data aihub $(if $(FROM),"$$FROM") $(ARGS)

train: .venv/requirements ## LoRA를 학습해 checkpoints/에 어댑터를 씀
	@$(if $(GPUS),$(TORCHRUN),$(BIN)/python) -m training $(if $(BASE),--base "$(BASE)") $(if $(DATA),--data "$(DATA)") $(ARGS)

quantize: .venv/requirements ## 어댑터를 병합하고 4비트로 양자화
	@$(BIN)/python -m quant --bits $(BITS) $(ARGS)

evaluate: .venv/requirements ## 만든 모델들을 같은 검증 행에서 견줌
	@$(BIN)/python -m evaluation $(if $(DATA),--data "$(DATA)") $(ARGS)

# Variables given to make reach the shell's environment: "$$ANSWER" keeps quotes in the text whole.
infer: .venv/requirements ## 내장 예제나 QUESTION, ANSWER를 요약
	@$(BIN)/python -m infer $(if $(QUESTION),--question "$$QUESTION") \
		$(if $(ANSWER),--answer "$$ANSWER") $(if $(DATA),--csv "$(DATA)") $(ARGS)

chat: .venv/requirements ## 터미널에서 모델과 이야기
	@$(BIN)/python -m chat $(ARGS)

web: .venv/requirements-web ## 브라우저에서 (http://127.0.0.1:7860)
	@$(BIN)/python -m chat.web $(ARGS)

verify: .venv/requirements ## 여섯 과의 주장을 이 컴퓨터에서 증명 (LESSON=lora: 한 과만)
	@$(BIN)/python -m verify $(if $(LESSON),--lesson "$(LESSON)") $(ARGS)

.PHONY: exercise
exercise: .venv/requirements ## 연습 문제의 답을 확인 (N=3, 없으면 푼 것의 목록)
	@$(BIN)/python -m exercises $(N)

test: .venv/requirements-dev ## 테스트 (페이지의 테스트에는 chromium도 필요)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

torture: .venv/requirements-dev ## 죽이고 채우고 속여 보기: 이어서 하면 비트까지 같은가 (약 20분)
	@$(BIN)/python -m tests.torture $(ARGS)

bench: .venv/requirements-dev ## 속도와 메모리를 PEFT + Trainer, generate와 견줌 (bench/에 JSON)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

lint: .venv/requirements-dev ## ruff와 mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

base: .venv/requirements ## 내장 베이스를 처음부터 다시 학습 (몇 시간, CORPUS=폴더)
	@$(BIN)/python -m pretraining $(if $(CORPUS),--corpus "$(CORPUS)") $(ARGS)

clean: ## 가상환경과 캐시를 지움 (checkpoints/는 그대로)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is a copy of the list that was installed, written last: an interrupted or outdated
# installation is done again, a finished one is not touched.
.venv/requirements: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '오류: Python 3.11 이상이 필요합니다. make PYTHON=python3.11 ... 처럼 알려 주세요.' >&2; exit 2; }
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo '패키지를 설치합니다 (처음 한 번, 몇 분) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@cp requirements.txt $@

.venv/requirements-web: requirements-web.txt .venv/requirements
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-web.txt
	@cp requirements-web.txt $@

.venv/requirements-dev: requirements-dev.txt .venv/requirements-web
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@cp requirements-dev.txt $@
