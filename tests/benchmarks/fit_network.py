"""Fits the network behind the signal `learned` to pools of training questions, on top of the linear blend.

    python tests/benchmarks/fit_network.py POOLS.npz ... --blend blend.json [--judge POOLS.npz ...] [--write]

POOLS.npz come from `pools.py train --max-chunks N --documentation M`; no repository among them may be one that judges.
First the words are fitted by which a query reads like documentation (`description`), which the network is told. Loss:
for each worded query, -log of the softmax mass on the candidates that answer it. The linear blend (without `learned`)
is held fixed and the network learns what it leaves; `fit_blend.py` then gives `learned` its weights. In a share of the
queries the vectors are hidden, wholly or of some candidates, as they are while an index is being filled. --judge prints
what the network does to other pools at weight 1, before any refit.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from fit_blend import Recorded, load, loss_of, measured, score, write_blend
from fit_intent import fit_words
from fit_ranker import first_scores

from codeseek.retrievers.fusion import order_without_crowding
from codeseek.retrievers.network import KINDS, parse_network
from codeseek.retrievers.signals import SIGNALS

# They tell which files were asked about. Left out by measurement, LOG.md.
LEFT_OUT = ("learned", "path", "test", "example", "legacy", "declaration", "file", "file_best")
INPUTS = tuple(name for name in SIGNALS if name not in LEFT_OUT)
DENSE = [INPUTS.index(name) for name in ("dense", "dense_rank", "cosine")]
TOP = 60  # candidates of a query by the linear blend
HIDDEN_WIDTH = 64
HIDE_ALL, HIDE_SOME = 0.1, 0.1
EPOCHS, BATCH, RATE, DECAY = 9, 256, 3e-3, 1e-2
DIGITS = 4
DESCRIPTIONS = ("documentation", "without name")  # groups of queries from documentation


class Queries:
    """Padded tensors of the queries that the pool answers: inputs [Q, TOP, I], linear scores, relevance, validity."""

    def __init__(self, records: list[Recorded], blend: dict) -> None:
        kept = [r for r in records if not r.symbol and 0 < r.covered.any(axis=1).sum() < len(r.covered)]
        self.inputs = torch.zeros(len(kept), TOP, len(INPUTS))
        self.linear = torch.full((len(kept), TOP), -1e9)
        self.relevant = torch.zeros(len(kept), TOP, dtype=torch.bool)
        self.kinds = torch.tensor([[r.component, r.description] for r in kept], dtype=torch.float32)
        columns = [SIGNALS.index(name) for name in INPUTS]
        for row, record in enumerate(kept):
            scores = first_scores(record, blend)
            top = np.argsort(-scores, kind="stable")[:TOP]
            self.inputs[row, : len(top)] = torch.from_numpy(record.signals[top][:, columns])
            self.linear[row, : len(top)] = torch.from_numpy(scores[top])
            self.relevant[row, : len(top)] = torch.from_numpy(record.covered[top].any(axis=1))
        answered = self.relevant.any(dim=1)
        for name in ("inputs", "linear", "relevant", "kinds"):
            setattr(self, name, getattr(self, name)[answered])

    def __len__(self) -> int:
        return len(self.kinds)


def without_learned(blend: dict) -> dict:
    kinds = ("words", "components", "symbol")
    return blend | {kind: {n: w for n, w in blend[kind].items() if n != "learned"} for kind in kinds}


def hide(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Sets the vectors' signals to 0, of all candidates of some queries and of half of those of others."""
    chance = torch.rand(len(inputs), 1, generator=generator)
    some = (chance < HIDE_ALL + HIDE_SOME) & (torch.rand(inputs.shape[:2], generator=generator) < 0.5)
    hidden = (chance < HIDE_ALL) | some
    inputs = inputs.clone()
    inputs[..., DENSE] *= ~hidden[..., None]
    return inputs


def fit(queries: Queries) -> torch.nn.Sequential:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(len(INPUTS) + len(KINDS), HIDDEN_WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN_WIDTH, HIDDEN_WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN_WIDTH, 1),
    )
    torch.nn.init.zeros_(network[-1].weight)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(queries) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order, total = torch.randperm(len(queries), generator=generator), 0.0
        for start in range(0, len(queries) // BATCH * BATCH, BATCH):
            rows = order[start : start + BATCH]
            kinds = queries.kinds[rows, None].expand(-1, TOP, -1)
            inputs = torch.cat([hide(queries.inputs[rows], generator), kinds], dim=-1)
            scores = queries.linear[rows] + network(inputs)[..., 0]
            hits = scores.masked_fill(~queries.relevant[rows], -1e9)
            loss = (torch.logsumexp(scores, 1) - torch.logsumexp(hits, 1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"loss {total / (len(queries) // BATCH):.4f}", flush=True)
    return network


def as_record(network: torch.nn.Sequential) -> dict:
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    return {
        "signals": list(INPUTS),
        "weights": [np.round(layer.weight.detach().numpy().T.astype(float), DIGITS).tolist() for layer in layers],
        "biases": [np.round(layer.bias.detach().numpy().astype(float), DIGITS).tolist() for layer in layers],
    }


def judge(records: list[Recorded], blend: dict) -> None:
    """Prints each set with the linear blend, and with the network's output added where functions are asked for."""
    network = parse_network(blend["network"], SIGNALS)
    columns = [SIGNALS.index(name) for name in network.signals]
    for weight in (0.0, 1.0):
        for name in dict.fromkeys(record.set_name for record in records):
            part = [record for record in records if record.set_name == name]
            values = []
            for record in part:
                scores = first_scores(record, without_learned(blend))
                if weight and not record.symbol:
                    scores += (1 - record.component) * network(
                        record.signals[:, columns], (record.component, record.description)
                    )
                ordered = order_without_crowding(scores, record.files, loss_of(record, blend["crowding"]))
                rows = np.array([row for row, _ in ordered], int)
                values.append(measured(record, rows))
            mean, groups = score(part, values)
            print(f"{name} at {weight} {mean:.4f}: " + "  ".join(f"{k} {v:.3f}" for k, v in groups.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", type=Path, nargs="+")
    parser.add_argument("--blend", type=Path, required=True)
    parser.add_argument("--judge", type=Path, nargs="*", default=[])
    parser.add_argument("--write", action="store_true", help="put the network into the blend")
    args = parser.parse_args()
    blend = json.loads(args.blend.read_text())
    blend.pop("network", None)
    texts = [(r.query, r.group in DESCRIPTIONS) for path in args.pools for r in load(path, {}) if not r.symbol]
    blend["description"] = fit_words(texts)
    records = [record for path in args.pools for record in load(path, blend)]
    queries = Queries(records, without_learned(blend))
    print(f"{len(queries)} queries; {sum(r.group in DESCRIPTIONS for r in records)} recorded of documentation")
    blend["network"] = as_record(fit(queries))
    judge([record for path in args.judge for record in load(path, blend) if record.targets], blend)
    if args.write:
        write_blend(args.blend, blend)


if __name__ == "__main__":
    main()
