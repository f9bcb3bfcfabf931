"""Evaluation on a repository of one's own: what is asked, what is hidden, and which setting is advised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes.published_samples import FUNCTIONS
from fakes.rankers import OverlapRanker
from fakes.word_encoder import WordEncoder

from codeseek.errors import DataError
from codeseek.evaluate.own import OwnOptions, Setting, evaluate_own, format_settings, recommend, settings_record
from codeseek.evaluate.significance import paired_difference
from codeseek.evaluate.stages import Models, Stage
from codeseek.retrievers.fusion import Blend

LONG_BODY = "    first = prepare(path, values)\n    second = finish(first, values)\n    return combine(first, second)\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    root.mkdir()
    for name, (sentence, body) in FUNCTIONS.items():
        text = f'def {name}(path, values, text):\n    """{sentence}."""\n{LONG_BODY}    {body}\n'
        (root / f"{name}_module.py").write_text(text)
    return root


def test_a_query_does_not_find_itself(repository: Path) -> None:
    ranker = OverlapRanker()
    own = evaluate_own(repository, Models(WordEncoder(), ranker, Blend()), OwnOptions(depth=3, depths=(1, 3)))
    assert own.kinds == {"documentation": len(FUNCTIONS)}
    assert list(own.evaluation.report.stages) == [Stage.LEXICAL, Stage.DENSE, Stage.FUSED, Stage.RERANKED]
    for sentence, _ in FUNCTIONS.values():
        assert not any(sentence in text for text in ranker.read)
    names = [setting.name for setting in own.settings]
    assert names[:2] == ["depth 3 (in use)", "depth 1"]
    assert "no reranking" in names
    assert sum(entry["recommended"] for entry in settings_record(own)) == 1
    assert "for this repository: " in format_settings(own)
    assert "only 5 queries" in format_settings(own)
    assert [point.depth for point in own.evaluation.curves[0]] == [0, 1, 3]


def test_a_repository_without_documentation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def a():\n    return 1\n")
    with pytest.raises(DataError, match="gives 0 queries"):
        evaluate_own(tmp_path, Models(None, None, Blend()), OwnOptions())


def _setting(name: str, options: str, values: np.ndarray, ms: float, in_use: np.ndarray | None) -> Setting:
    return Setting(name, options, values, ms, None if in_use is None else paired_difference([in_use], [values]))


def test_the_advice() -> None:
    base = np.linspace(0.2, 0.6, 60)
    in_use = _setting("in use", "--depth 30", base, 100, None)
    better = _setting("better", "--depth 50", base + 0.1, 150, base)
    worse = _setting("worse", "--depth 10", base - 0.1, 50, base)
    cheap = _setting("cheap", "--depth 20", base - 0.001, 70, base)
    weights = _setting("weights", "", base + 0.2, 100, base)
    assert recommend([in_use, better, worse])[0] is better
    assert recommend([in_use, worse, cheap])[0] is cheap
    assert recommend([in_use, worse])[0] is in_use
    assert recommend([in_use, weights])[0] is in_use, "nobody can type it"
