"""Ranks: the processes that torchrun starts, which train one model together.

torchrun gives each process its number (`RANK`), the number of them (`WORLD_SIZE`) and the address
of a store where they meet. A process that torchrun has not started is rank 0 of 1, and nothing in
this file makes a difference to it.

https://docs.pytorch.org/docs/stable/distributed.html
https://docs.pytorch.org/docs/stable/elastic/run.html
"""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from common.console import UserError
from common.interrupt import SIGNALS

Item = TypeVar("Item")

# How many times torchrun (--max-restarts) has already started all processes again.
RESTARTS = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


class LostRank(UserError):
    """Another rank has ended, or cannot be reached any more."""


def rank() -> int:
    """The number of this process, from 0. Rank 0 alone writes and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This rank's share of `items`, which may be empty: dealt out like cards."""
    return items[rank() :: world_size()]


def all_reduce(tensor: Tensor) -> None:
    """Replace `tensor`, in place, by its sum over all ranks. All of them get the same bits."""
    if world_size() > 1:
        with _reaching_all():
            dist.all_reduce(tensor)


def sum_over_ranks(number: float) -> float:
    """The sum of one number of each rank, in fp64."""
    tensor = torch.tensor(number, dtype=torch.float64)
    all_reduce(tensor)
    return tensor.item()


def gather(value: Any) -> list[Any]:
    """The values of all ranks, in their order."""
    values = [value] * world_size()
    if world_size() > 1:
        with _reaching_all():
            dist.all_gather_object(values, value)
    return values


def of_rank_0(value: Any) -> Any:
    """The value that rank 0 has passed."""
    values = [value]
    if world_size() > 1:
        with _reaching_all():
            dist.broadcast_object_list(values, src=0)
    return values[0]


@contextmanager
def _reaching_all() -> Iterator[None]:
    """Raise `LostRank` for a collective operation that another rank has not taken part in."""
    try:
        yield
    except RuntimeError as error:
        raise LostRank(
            "다른 프로세스가 끝나 여기서 멈춥니다. 같은 명령을 다시 실행하면 마지막 체크포인트에서 "
            "이어서 합니다."
        ) from error


@contextmanager
def together() -> Iterator[None]:
    """Inside, the processes of torchrun know each other; they leave when all are done.

    The first rank that ends with an error says why. Those that end because of it, or for the same
    reason, are silent. A signal, which torchrun passes on to all, is for rank 0, which saves; the
    others end when it has left.

    Raises:
        UserError: there are more processes than GPUs on this machine.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    store, number, count = next(dist.rendezvous("env://"))
    # The store outlives the processes: those that are started again must not meet the dead ones.
    store = dist.PrefixStore(f"start {RESTARTS}", store)
    if number > 0:
        ignore(SIGNALS)
    try:
        backend = "gloo"  # sums tensors in the memory of CPUs
        if torch.cuda.is_available():
            _take_gpu()
            backend = "cpu:gloo,cuda:nccl"
        with _reaching_all():
            dist.init_process_group(backend, store=store, rank=number, world_size=count)
        with _silent_unless_first():
            yield
            gather(None)  # rank 0 may have files to write yet
    except BaseException as error:
        ignore([signal.SIGTERM])  # torchrun ends all ranks when one has ended: first say why
        if _has_another_ended(store) and isinstance(error, Exception):
            raise SystemExit(2) from error
        raise
    dist.destroy_process_group()


def ignore(signals: Iterable[int]) -> None:
    """Have this process ignore the signals from now on."""
    for number in signals:
        signal.signal(number, signal.SIG_IGN)


def _take_gpu() -> None:
    """Make the GPU with this process's number on its machine the one that "cuda" means."""
    gpus, wanted = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
    if wanted > gpus:
        raise UserError(
            f"--nproc-per-node {wanted}: 이 컴퓨터의 GPU는 {gpus}개입니다. 그만큼으로 줄이거나, "
            "CPU로 하려면 CUDA_VISIBLE_DEVICES=를 앞에 적으세요."
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


@contextmanager
def _silent_unless_first() -> Iterator[None]:
    with ExitStack() as stack:
        if rank() > 0:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


def _has_another_ended(store: dist.Store) -> bool:
    """Whether a rank has called this before."""
    try:
        return store.add("ended", 1) > 1
    except RuntimeError:  # the machine with the store is gone
        return False
