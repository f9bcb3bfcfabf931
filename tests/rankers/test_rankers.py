from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes.tiny_models import feeding_record, save_bert, save_head

from codeseek.encoders.feeding import parse_feeding
from codeseek.encoders.folder import default_folder, open_folder
from codeseek.encoders.tokens import load_tokenizer
from codeseek.errors import DataError, ModelError
from codeseek.rankers import IdentityRanker, LazyRanker, load_ranker
from codeseek.rankers.cross import CrossEncoder

QUERY = "read a file"
DOCUMENTS = ["def read(path): return open(path)", "sort list", "", "walk(folder): parse(name) " * 9, "self.config"]


def pair_logit(folder: Path, query: str, document: str) -> float:
    """The logit of our own head, by transformers and numpy alone."""
    import torch
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
    from transformers import AutoModel

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    first, second = (tokenizer.encode(text, add_special_tokens=False).ids for text in (query, document))
    ids = [2, *first, 3, *second, 3]
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    trunk = AutoModel.from_pretrained(str(folder), add_pooling_layer=False).eval()
    with torch.no_grad():
        hidden = trunk(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).last_hidden_state[0].numpy()
    head = load_file(folder / "head.safetensors")
    dense = np.tanh(head["dense.weight"] @ hidden.mean(axis=0) + head["dense.bias"])
    return float(head["score.weight"][0] @ dense + head["score.bias"][0])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_head(save_bert(tmp_path_factory.mktemp("rankers") / "cross", layers=2, seed=3))


def exported(out: Path, checkpoint: Path, *, head: str = "dense-tanh-linear") -> Path:
    pytest.importorskip("onnx", reason="export needs the extra 'train'")
    from codeseek.train.export import ExportPart, export_model

    feeding = parse_feeding(feeding_record("cross-encoder", head=head), "test")
    pairs = [(query, document) for query in (QUERY, "sort") for document in DOCUMENTS]
    export_model(out, ranker=ExportPart(checkpoint, feeding, "tiny", pairs, {}))
    return out


@pytest.fixture(scope="module")
def shipped_ranker(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("shipped"), checkpoint)


def test_identity_keeps_the_order() -> None:
    logits = IdentityRanker().rank("query", ["a", "b", "c"])
    assert np.argsort(-logits, kind="stable").tolist() == [0, 1, 2]
    assert logits.dtype == np.float32
    assert load_ranker("identity").name == "identity"


@pytest.mark.skipif((default_folder() / "ranker.onnx").exists(), reason="a trained ranker ships")
def test_without_a_shipped_ranker_identity_stands_in() -> None:
    assert load_ranker(None, "cpu").name == "identity"


def test_a_trained_folder_scores_pairs(checkpoint: Path) -> None:
    ranker = load_ranker(checkpoint, "cpu")
    logits = ranker.rank(QUERY, DOCUMENTS)
    for row in (0, 1, 4):
        assert logits[row] == pytest.approx(pair_logit(checkpoint, QUERY, DOCUMENTS[row]), abs=1e-4)
    assert ranker.name.startswith("cross-")


def test_a_shipped_ranker_scores_as_its_checkpoint(checkpoint: Path, shipped_ranker: Path) -> None:
    ours = load_ranker(shipped_ranker, "cpu").rank(QUERY, DOCUMENTS)
    theirs = load_ranker(checkpoint, "cpu").rank(QUERY, DOCUMENTS)
    assert ours.shape == (5,)
    np.testing.assert_allclose(ours, theirs, atol=0.1 * np.ptp(theirs))
    assert np.ptp(theirs) > 0.3


def test_both_runtimes_agree(shipped_ranker: Path) -> None:
    from codeseek.encoders.torch import load_shipped

    part = open_folder(shipped_ranker).ranker
    assert part is not None
    runtime = load_shipped(shipped_ranker, "ranker", part, "cpu")
    theirs = CrossEncoder(part.name, part.feeding, load_tokenizer(shipped_ranker), runtime).rank(QUERY, DOCUMENTS)
    ours = load_ranker(shipped_ranker, "cpu").rank(QUERY, DOCUMENTS)
    np.testing.assert_allclose(ours, theirs, atol=0.1 * np.ptp(theirs))


def test_a_logit_does_not_depend_on_the_pool(shipped_ranker: Path) -> None:
    """What makes the first hits the same whatever the depth."""
    ranker = load_ranker(shipped_ranker, "cpu")
    whole = ranker.rank(QUERY, DOCUMENTS)
    alone = [ranker.rank(QUERY, [document])[0] for document in DOCUMENTS]
    np.testing.assert_allclose(whole, alone, atol=1e-4)
    np.testing.assert_allclose(ranker.rank(QUERY, DOCUMENTS[::-1]), whole[::-1], atol=1e-4)
    assert ranker.rank(QUERY, []).shape == (0,)


def test_a_bounded_head_stays_within_one(checkpoint: Path, tmp_path: Path, shipped_ranker: Path) -> None:
    bounded = exported(tmp_path / "bounded", checkpoint, head="dense-tanh-linear-tanh")
    free = load_ranker(shipped_ranker, "cpu").rank(QUERY, DOCUMENTS)
    np.testing.assert_allclose(load_ranker(bounded, "cpu").rank(QUERY, DOCUMENTS), np.tanh(free), atol=1e-5)


def test_a_sequence_classifier_is_a_ranker(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = save_bert(tmp_path / "classifier", classifier_labels=1)
    ranker = load_ranker(folder, "cpu")
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    tokenizer = load_tokenizer(folder)
    first, second = (tokenizer.encode(text, add_special_tokens=False).ids for text in (QUERY, DOCUMENTS[0]))
    ids = torch.tensor([[2, *first, 3, *second, 3]])
    types = torch.tensor([[0] * (len(first) + 2) + [1] * (len(second) + 1)])
    with torch.no_grad():
        expected = model(input_ids=ids, token_type_ids=types).logits[0, 0].item()
    assert ranker.rank(QUERY, DOCUMENTS)[0] == pytest.approx(expected, abs=1e-4)


def test_a_classifier_of_several_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="3 labels, wanted 1"):
        load_ranker(save_bert(tmp_path / "classifier", classifier_labels=3), "cpu")


def test_an_encoder_is_no_ranker(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a sequence classifier nor") as caught:
        load_ranker(save_bert(tmp_path / "bert"), "cpu")
    assert caught.value.hint == "codeseek train cross writes one"


def test_a_folder_without_a_ranker_is_refused(shipped_ranker: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shipped_ranker, tmp_path / "copy"))
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**record, "ranker": None}))
    with pytest.raises(ModelError, match="holds only an encoder"):
        load_ranker(folder, "cpu")


def test_export_wants_samples(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="export needs the extra 'train'")
    from codeseek.train.export import ExportPart, export_model

    feeding = parse_feeding(feeding_record("cross-encoder", head="dense-tanh-linear"), "test")
    with pytest.raises(DataError, match="no samples to calibrate on"):
        export_model(tmp_path / "out", ranker=ExportPart(checkpoint, feeding, "tiny", [], {}))


def test_export_refuses_parts_of_different_words(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="export needs the extra 'train'")
    from codeseek.train.export import ExportPart, export_model

    dual = parse_feeding(feeding_record("dual-encoder"), "test")
    cross = parse_feeding(feeding_record("cross-encoder", head="dense-tanh-linear"), "test")
    other = save_bert(tmp_path / "other", seed=8)
    with pytest.raises(ModelError, match="its token embeddings are not those of"):
        export_model(
            tmp_path / "out",
            encoder=ExportPart(other, dual, "tiny", DOCUMENTS, {}),
            ranker=ExportPart(checkpoint, cross, "tiny", [(QUERY, DOCUMENTS[0])], {}),
        )


def test_a_part_that_is_not_exported_again_stays(checkpoint: Path, shipped_ranker: Path, tmp_path: Path) -> None:
    from codeseek.train.export import ExportPart, export_model

    folder = Path(shutil.copytree(shipped_ranker, tmp_path / "both"))
    before = json.loads((folder / "config.json").read_text())
    dual = parse_feeding(feeding_record("dual-encoder"), "test")
    export_model(folder, encoder=ExportPart(checkpoint, dual, "tiny", DOCUMENTS, {}))
    after = json.loads((folder / "config.json").read_text())
    assert (after["ranker"], after["record"]) == (before["ranker"], before["record"])
    assert after["encoder"]["name"].startswith("tiny-")
    np.testing.assert_array_equal(
        load_ranker(folder, "cpu").rank(QUERY, DOCUMENTS), load_ranker(shipped_ranker, "cpu").rank(QUERY, DOCUMENTS)
    )
    other = save_bert(tmp_path / "other", seed=8)
    with pytest.raises(ModelError, match="its token embeddings are not those of"):
        export_model(folder, encoder=ExportPart(other, dual, "tiny", DOCUMENTS, {}))


def test_lazy_loads_when_it_first_ranks(shipped_ranker: Path) -> None:
    lazy = LazyRanker(shipped_ranker, "cpu")
    assert lazy._ranker is None
    np.testing.assert_array_equal(
        lazy.rank(QUERY, DOCUMENTS), load_ranker(shipped_ranker, "cpu").rank(QUERY, DOCUMENTS)
    )
    assert lazy.name == load_ranker(shipped_ranker, "cpu").name


def test_a_shipped_ranker_on_the_cpu_loads_no_torch(shipped_ranker: Path) -> None:
    code = (
        "import sys; from codeseek.rankers import LazyRanker\n"
        f"LazyRanker({str(shipped_ranker)!r}, 'cpu').rank('read', ['read', 'sort'])\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2], timeout=60)
