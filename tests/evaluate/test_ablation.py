"""The paper's comparison with tiny models: every training runs, and the table holds every configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.published_samples import FUNCTIONS, write_cosqa, write_csn
from fakes.rankers import BackwardsRanker, OverlapRanker
from fakes.tiny_models import save_bert
from fakes.word_encoder import WordEncoder

from codeseek.errors import UsageError
from codeseek.evaluate.ablation import AblationOptions, ablate
from codeseek.evaluate.ablation_table import Plan, ablation_record, compare, format_ablation, write_ablation
from codeseek.evaluate.datasets import load_dataset
from codeseek.rankers import IdentityRanker

OPTIONS = AblationOptions(
    max_minutes=1.0,
    max_steps=1,
    negatives=2,
    other_negatives=(3,),
    lambdas=(0.2,),
    depths=(2, 4),
    device="cpu",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_every_configuration_is_trained_and_compared(tmp_path: Path) -> None:
    base, data, out = save_bert(tmp_path / "base"), write_cosqa(tmp_path / "data"), tmp_path / "out"
    said: list[str] = []
    table = ablate("cosqa", data, base, out, OPTIONS, report=said.append)
    names = {row.name for row in table.rows}
    trained = {"RR, random", "RR, in-batch", "RR + PS", "RR + PS, lambda 0.2", "RR + PS, M 3"}
    assert names == {"dual", *trained, "RR + PS, summed"}, "the blend's weight is not found on what is evaluated"
    assert len(table.rows) == 1 + 6 * 2
    assert table.pairs == table.queries == len(FUNCTIONS)
    record = ablation_record(table)
    assert set(record) == {"dataset", "queries", "stages"}
    assert len(record["stages"]) == 13
    assert "RR, in-batch -> RR + PS, k 4" in format_ablation(table)
    ranking = [json.loads(line) for line in (out / "ranking.jsonl").read_text().splitlines()]
    for entry in ranking:
        assert entry["scores"] == sorted(entry["scores"], reverse=True)
        assert len(set(entry["documents"])) == len(entry["documents"])
        own = entry["documents"].index(entry["query_id"])
        assert entry["scores"][own] == pytest.approx(entry["positive_score"], abs=1e-4)
    write_ablation(out, table)
    assert (out / "ablation.k.svg").exists()
    said.clear()
    assert ablate("cosqa", data, base, out, OPTIONS, report=said.append) == table
    assert not any("training the" in line for line in said), "a complete training is not repeated"
    with pytest.raises(UsageError, match="holds an ablation with other settings"):
        ablate("cosqa", data, base, out, AblationOptions(negatives=2, seed=5), report=said.append)


def test_scores_are_replaced_summed_and_blended(tmp_path: Path) -> None:
    """With rankers that know the answer, know nothing, and know it the wrong way round."""
    dataset = load_dataset("csn", write_csn(tmp_path))
    sources = ("random", "in-batch", "ps")
    plans = [
        Plan(name, source, 2, 0.0)
        for name, source in zip(("RR, random", "RR, in-batch", "RR + PS"), sources, strict=True)
    ]
    right, blind, wrong = OverlapRanker(), IdentityRanker(), BackwardsRanker()
    table = compare(dataset, dataset, 7, WordEncoder(), list(zip(plans, (blind, wrong, right), strict=True)), (1, 5))
    found = {(row.name, row.k): row.mrr for row in table.rows}
    assert found["RR, random", 5] == found["dual", 0]
    assert found["RR, in-batch", 5] < found["dual", 0] <= found["RR + PS", 5] == 1
    blended = next(name for name, _ in found if "blended" in name)
    assert found[blended, 5] >= found["RR + PS", 5], "replacing is one of the blends"
    claims = dict(table.comparisons)
    assert claims["RR, in-batch -> RR + PS, k 5"].mean == pytest.approx(found["RR + PS", 5] - found["RR, in-batch", 5])
