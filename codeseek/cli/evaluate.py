"""`codeseek evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from codeseek.cli.choices import DEVICES, parse_choice
from codeseek.cli.options import DeviceOption, EncoderOption, RankerOption, new_app
from codeseek.cli.progress import ProgressReport
from codeseek.cli.streams import notice, results_stream
from codeseek.config import load_config
from codeseek.errors import UsageError

app = new_app()

OWN = "own"
NAMES = ("csn", "advtest", "staqc", "cosqa", "csn99", OWN)


@app.command(no_args_is_help=True, epilog="Example: codeseek evaluate cosqa ~/data/cosqa --out report")
def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=f"One of {', '.join(NAMES)}.")],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The published files; for own, the repository to search.")
    ],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="test or valid.")] = "test",
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=1, max=1000, help="Rerank the first N candidates.  [default: 20]"),
    ] = None,
    no_rerank: Annotated[bool, typer.Option("--no-rerank", help="Leave out the cross-encoder.")] = False,
    no_vectors: Annotated[bool, typer.Option("--no-vectors", help="Leave out the dual-encoder.")] = False,
    queries: Annotated[
        int, typer.Option("--queries", metavar="N", min=0, help="At most N queries a part; 0 for all (own: 200).")
    ] = 0,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="plain or json.")] = "plain",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write TREC runs and qrels, charts and report.json.")
    ] = None,
    perturb: Annotated[
        Path | None,
        typer.Option("--perturb", metavar="FILE", help="advtest: make DIR/test.jsonl from these Python pairs first."),
    ] = None,
    ablate: Annotated[bool, typer.Option("--ablate", help="Train and compare: dual, RR, PS; k, lambda, M.")] = False,
    base: Annotated[
        Path | None, typer.Option("--base", metavar="MODEL", help="--ablate: the model that training starts from.")
    ] = None,
    max_minutes: Annotated[
        float,
        typer.Option("--max-minutes", metavar="N", min=0.01, help="--ablate: wall minutes of all training together."),
    ] = 60.0,
    max_pairs: Annotated[
        int, typer.Option("--max-pairs", metavar="N", min=1, help="--ablate: training pairs, at most.")
    ] = 20000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of what is drawn at random.")] = 0,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    ranker: RankerOption = None,
) -> int:
    """Measure each stage of the search on a data set, or on queries mined from your own repository."""
    parse_choice("DATASET", dataset, NAMES)
    as_json = parse_choice("--format", format, ("plain", "json")) == "json"
    parse_choice("--split", split, ("test", "valid"))
    config = load_config()
    device = parse_choice("--device", device or config.device, DEVICES)
    if perturb is not None:
        _perturb(dataset, perturb, folder)
    if ablate:
        return _ablate(dataset, folder, split, queries, base, max_minutes, max_pairs, seed, device, out, as_json)
    from codeseek.evaluate.models import load_models
    from codeseek.evaluate.stages import DEFAULT_DEPTH

    models = load_models(
        encoder or config.encoder, ranker or config.ranker, device, vectors=not no_vectors, rerank=not no_rerank
    )
    if dataset == OWN:
        return _evaluate_own(folder, models, queries, depth or config.depth or DEFAULT_DEPTH, seed, out, as_json)
    from codeseek.evaluate.curves import DEPTHS
    from codeseek.evaluate.datasets import load_dataset
    from codeseek.evaluate.job import evaluate_dataset, thin_out, write_evaluation

    loaded = thin_out(load_dataset(dataset, folder, split), queries)
    chosen = depth or config.depth or DEFAULT_DEPTH
    with ProgressReport(f"evaluating {dataset}", quiet_s=0) as progress:
        evaluation = evaluate_dataset(
            loaded, models, depth=chosen, depths=DEPTHS if out is not None and models.ranker else (), progress=progress
        )
    _print_report(evaluation.report, as_json)
    if out is not None:
        settings = {"depth": chosen, "split": split, "device": device, **_model_names(models)}
        notice(f"wrote {len(write_evaluation(out, evaluation, settings))} files to {out}")
    return 0


def _print_report(report: Any, as_json: bool) -> None:
    from codeseek.evaluate.report import format_report, report_record
    from codeseek.printers.records import to_json

    out = results_stream(utf8=as_json)
    out.write(to_json(report_record(report), indent=2) + "\n" if as_json else format_report(report))


def _model_names(models: Any) -> dict[str, str]:
    return {
        "encoder": models.encoder.name if models.encoder is not None else "none",
        "ranker": models.ranker.name if models.ranker is not None else "none",
    }


def _perturb(dataset: str, source: Path, folder: Path) -> None:
    """Makes an AdvTest from other pairs."""
    if dataset != "advtest":
        raise UsageError("--perturb is for advtest", hint="codeseek evaluate advtest DIR --perturb PAIRS")
    from codeseek.evaluate.datasets.advtest import perturb_pairs

    target = folder / "test.jsonl"
    if target.exists():
        raise UsageError(f"{target} already exists", hint="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    written, left_out = perturb_pairs(source, target)
    notice(f"wrote {written:,} pairs with normalised identifiers to {target}, left out {left_out:,} of no valid Python")


def _evaluate_own(
    folder: Path, models: Any, queries: int, depth: int, seed: int, out: Path | None, as_json: bool
) -> int:
    from codeseek.evaluate.job import write_evaluation
    from codeseek.evaluate.own import OwnOptions, evaluate_own, format_settings, settings_record
    from codeseek.paths import resolve_root

    root = resolve_root(folder)
    options = OwnOptions(depth=depth, seed=seed)
    if queries:
        options = OwnOptions(depth=options.depth, seed=seed, queries=queries)
    with ProgressReport(f"evaluating on {root}", quiet_s=0) as progress:
        own = evaluate_own(root, models, options, progress=progress)
    _print_report(own.evaluation.report, as_json)
    advice = format_settings(own)
    if as_json:
        for line in advice.splitlines():
            notice(line)
    else:
        results_stream(utf8=False).write("\n" + advice)
    if out is not None:
        settings = {"depth": options.depth, **_model_names(models), "compared": settings_record(own)}
        notice(f"wrote {len(write_evaluation(out, own.evaluation, settings))} files to {out}")
    return 0


def _ablate(
    dataset: str,
    folder: Path,
    split: str,
    queries: int,
    base: Path | None,
    max_minutes: float,
    max_pairs: int,
    seed: int,
    device: str,
    out: Path | None,
    as_json: bool,
) -> int:
    if base is None or out is None:
        raise UsageError(
            "an ablation trains models: it wants one to begin with and a folder to keep them",
            hint="codeseek evaluate csn DIR --ablate --base MODEL --out DIR",
        )
    if dataset == OWN:
        raise UsageError("own has no train split", hint="mine one: codeseek mine ROOT... --out DIR")
    from codeseek.evaluate.ablation import AblationOptions, ablate
    from codeseek.evaluate.ablation_table import ablation_record, format_ablation, write_ablation
    from codeseek.printers.records import to_json

    options = AblationOptions(
        split=split, queries=queries, max_minutes=max_minutes, max_pairs=max_pairs, seed=seed, device=device
    )
    table = ablate(dataset, folder, base, out, options, report=notice)
    write_ablation(out, table)
    stream = results_stream(utf8=as_json)
    stream.write(to_json(ablation_record(table), indent=2) + "\n" if as_json else format_ablation(table))
    return 0
