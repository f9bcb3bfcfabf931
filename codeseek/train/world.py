"""Several processes that train one model: who one is, and what is exchanged. Without `torchrun`, a world of one.

Every process prepares the same batch and encodes its own share of it. The gradients of the shares add up to the
gradient of the whole batch, exactly: DistributedDataParallel averages them, and each loss is scaled to make that right.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from codeseek.errors import DeviceError
from codeseek.train.models import Tensor, distributed, nn, torch

__all__ = ["World", "close_world", "open_world"]


@dataclass(frozen=True, slots=True)
class World:
    """Args:
    rank: 0-based number of this process.
    size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the log, the checkpoint and the model."""
        return self.rank == 0

    def share(self, count: int) -> np.ndarray:
        """Which of `count` items are this process's: every `size`-th."""
        return np.arange(self.rank, count, self.size)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose backward pass averages gradients over the world."""
        if self.size == 1:
            return model
        device = next(model.parameters()).device
        # Buffers (position numbers) never change, and sending them with each pass would block where passes differ.
        return nn.parallel.DistributedDataParallel(
            model, device_ids=[device] if device.type == "cuda" else None, broadcast_buffers=False
        )

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Puts the shares of `count` rows together, in the order of the items; gradient flows into one's own rows only.

        Args:
            own: [rows of this process's share, D].
            count: Rows of the whole.

        Returns:
            [count, D].
        """
        if self.size == 1:
            return own
        longest = -(-count // self.size)
        padded = own.new_zeros(longest, own.shape[1])
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        whole = own.new_empty(count, own.shape[1])
        for rank, part in enumerate(parts):
            rows = torch.arange(rank, count, self.size, device=own.device)
            whole[rows] = part[: len(rows)] if rank != self.rank else own
        return whole

    def agree(self, values: list[float]) -> list[float]:
        """The leading process's numbers: clocks differ, and learning rates must not."""
        if self.size == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        if distributed.get_backend() == "nccl":
            shared = shared.cuda()
        distributed.broadcast(shared, 0)
        return shared.tolist()

    def mean(self, value: float) -> float:
        """Of the numbers of all processes."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        if distributed.get_backend() == "nccl":
            shared = shared.cuda()
        distributed.all_reduce(shared)
        return float(shared) / self.size

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()


def open_world(device: str) -> World:
    """Joins the processes that `torchrun` started; without it, a world of one.

    Args:
        device: `cuda` devices talk by nccl, each process on its own one; the CPU by gloo.

    Raises:
        DeviceError: If the processes do not find each other.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    except (RuntimeError, ValueError) as error:
        raise DeviceError(f"cannot join {size} processes: {error}", hint="start them with torchrun") from error
    return World(distributed.get_rank(), size)


def close_world(world: World) -> None:
    """Leaves the group, where there was one."""
    if world.size > 1:
        distributed.destroy_process_group()
