"""The stages over a corpus: that they are the product's, what the report says of them, and the files it leaves."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes.published_samples import FUNCTIONS, source, write_cosqa, write_csn, write_csn99
from fakes.rankers import BackwardsRanker, OverlapRanker
from fakes.word_encoder import WordEncoder

from codeseek.build import build_index
from codeseek.cascade import rank_pool
from codeseek.evaluate.corpus import open_corpus
from codeseek.evaluate.curves import measure_depths
from codeseek.evaluate.datasets import load_dataset
from codeseek.evaluate.job import evaluate_dataset, thin_out, write_evaluation
from codeseek.evaluate.plot import Point, line_chart
from codeseek.evaluate.report import format_report, report_record
from codeseek.evaluate.stages import CachedRanker, Models, Stage, run_stages
from codeseek.evaluate.trec import read_qrels, read_run
from codeseek.retrievers.fusion import Blend
from codeseek.retrievers.hybrid import HybridRetriever
from codeseek.retrievers.query import parse_query
from codeseek.stores.snapshot import open_index
from codeseek.train.mining import read_repository


def models(**changes: object) -> Models:
    return Models(**({"encoder": WordEncoder(), "ranker": OverlapRanker(), "blend": Blend()} | changes))  # type: ignore[arg-type]


def repository(root: Path) -> Path:
    root.mkdir()
    for name in FUNCTIONS:
        (root / f"{name}_module.py").write_text(source(name))
    return root


def test_a_corpus_answers_as_the_index_of_the_same_files_does(tmp_path: Path) -> None:
    root, chosen = repository(tmp_path / "repo"), models(ranker=BackwardsRanker())
    encoder = chosen.encoder
    assert encoder is not None
    build_index(root, encoder)
    query = parse_query("merge dictionaries")
    vector = encoder.encode_queries([query.text])[0]
    with open_index(root.resolve(), encoder.name) as index, open_corpus(read_repository(root), encoder) as corpus:
        ours, theirs = (HybridRetriever(one, chosen.blend).retrieve(query, vector) for one in (corpus.index, index))
        assert [chunk.path for chunk in ours.chunks] == [chunk.path for chunk in theirs.chunks]
        np.testing.assert_allclose(ours.signals, theirs.signals, rtol=1e-6)
        runs = run_stages(corpus, {"q": "merge dictionaries"}, chosen, depth=2)
        ranked = rank_pool(theirs, chosen.blend, chosen.ranker, depth=2)
        names = [theirs.chunks[row].path for row in ranked.rows]
        assert [name.split(":")[0] for name in runs[Stage.RERANKED].run["q"]] == names
        assert runs[Stage.RERANKED].run["q"] != runs[Stage.FUSED].run["q"]


def test_vectors_are_encoded_once(tmp_path: Path) -> None:
    encoder = WordEncoder()
    files = read_repository(repository(tmp_path / "repo"))
    with open_corpus(files, encoder):
        first = len(encoder.encoded)
    with open_corpus(files, encoder) as corpus:
        assert len(encoder.encoded) == first > 0
        assert corpus.index.dense.vectors == len(corpus.ids)


def test_a_made_up_path_is_neither_searched_nor_read(tmp_path: Path) -> None:
    part = load_dataset("csn", write_csn(tmp_path)).parts[0]
    assert all("github" in chunk.path for chunk in part.documents.values())
    files = {f"{number}": [entry] for number, entry in enumerate(part.documents.items())}
    with open_corpus(files, None, pathless=True) as corpus:
        assert not len(corpus.index.lexical.search(["github"], 5)[0])
        assert not any("github" in text for text in corpus.documents)


def test_a_query_confined_to_some_documents_ranks_no_other(tmp_path: Path) -> None:
    dataset = load_dataset("csn99", write_csn99(tmp_path))
    (part,) = dataset.parts
    runs = evaluate_dataset(dataset, models()).runs[0]
    assert part.allowed is not None
    for one in runs.values():
        for query, ranked in one.run.items():
            assert set(ranked) <= part.allowed[query]


def test_the_report_of_csn99_has_the_challenges_measure(tmp_path: Path) -> None:
    record = report_record(evaluate_dataset(load_dataset("csn99", write_csn99(tmp_path)), models()).report)
    assert set(record) == {"dataset", "queries", "stages"}
    assert set(record["stages"]) == {"lexical", "dense", "fused", "reranked"}
    for stage in record["stages"].values():
        assert {"nDCG", "MRR", "nDCG@10", "R@1", "R@5", "R@10", "R@100", "p50_ms", "p95_ms"} <= set(stage)
        low, high = stage["intervals"]["MRR"]
        assert low <= stage["MRR"] <= high
    assert record["stages"]["fused"]["against"]["stage"] == "dense"


def test_the_headline_of_cosqa_is_the_published_pool(tmp_path: Path) -> None:
    evaluation = evaluate_dataset(load_dataset("cosqa", write_cosqa(tmp_path)), models(ranker=None))
    assert list(evaluation.report.stages) == [Stage.LEXICAL, Stage.DENSE, Stage.FUSED]
    stage = evaluation.report.stages[Stage.LEXICAL]
    assert stage.values["MRR"] == stage.parts["with docstrings"]["MRR"]
    assert stage.parts["without docstrings"]["MRR"] <= stage.values["MRR"]
    text = format_report(evaluation.report)
    assert "UniXcoder         0.696   0.715      0.723" in text
    assert "development queries" in text


def test_the_files_of_an_evaluation(tmp_path: Path) -> None:
    dataset = thin_out(load_dataset("csn", write_csn(tmp_path / "data")), 3)
    assert len(dataset.parts[0].queries) == 3
    evaluation = evaluate_dataset(dataset, models(), depth=2, depths=(1, 3))
    written = write_evaluation(tmp_path / "out", evaluation, {"depth": 2})
    assert {path.name for path in written} == {
        "report.json", "csn.qrels", "csn.k.svg", "csn.time.svg",
        *(f"csn.{stage}.run" for stage in ("lexical", "dense", "fused", "reranked")),
    }  # fmt: skip
    assert read_qrels(tmp_path / "out/csn.qrels").keys() == read_run(tmp_path / "out/csn.dense.run").keys()
    assert json.loads((tmp_path / "out/report.json").read_text())["settings"] == {"depth": 2}
    for name in ("csn.k.svg", "csn.time.svg"):
        ElementTree.parse(tmp_path / "out" / name)


def test_each_document_is_read_once_for_all_depths(tmp_path: Path) -> None:
    (part,) = load_dataset("csn", write_csn(tmp_path)).parts
    ranker = OverlapRanker()
    files = {f"{number}": [entry] for number, entry in enumerate(part.documents.items())}
    chosen = models(ranker=ranker)
    with open_corpus(files, chosen.encoder, pathless=True) as corpus:
        points = measure_depths(corpus, part, chosen, (1, 2, 4))
        runs = run_stages(corpus, part.queries, chosen, depth=4)
    assert [point.depth for point in points] == [0, 1, 2, 4]
    assert all(a.milliseconds <= b.milliseconds for a, b in pairwise(points))
    direct = [1 / (1 + runs[Stage.RERANKED].run[q].index(next(iter(part.qrels[q])))) for q in part.queries]
    assert points[-1].values.tolist() == pytest.approx(direct)


def test_a_cached_ranker_gives_what_the_ranker_gives() -> None:
    inner = OverlapRanker()
    cached = CachedRanker(inner)
    texts = ["sort numbers", "send mail", "sort numbers"]
    np.testing.assert_array_equal(cached.rank("sort", texts), OverlapRanker().rank("sort", texts))
    cached.rank("sort", texts)
    assert (len(inner.read), cached.read) == (2, 2)


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize(
    "values", [[(1, 0.5)], [(1, 0.2), (100, 0.9)], [(3, 0.0), (7, 0.0)], [(2.5, 1.0), (980.0, 0.1)]]
)
def test_a_chart_holds_its_points(values: list[tuple[float, float]], log_x: bool) -> None:
    svg = line_chart("a < b", "x", "y", {"<one>": [Point(x, y, "k=1") for x, y in values]}, log_x=log_x)
    root = ElementTree.fromstring(svg)
    circles = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(values)
    for circle in circles:
        assert 64 <= float(circle.get("cx", "")) <= 570
        assert 40 <= float(circle.get("cy", "")) <= 388.05
