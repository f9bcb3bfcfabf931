"""Small samples in exactly the published layouts, written for these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FUNCTIONS = {
    "read_lines": ("Read the lines of a text file", "with open(path) as file:\n        return list(file)"),
    "sort_numbers": ("Sort numbers from large to small", "return sorted(values, reverse=True)"),
    "send_mail": ("Send a mail through the smtp server", "server.sendmail(sender, receivers, text)"),
    "parse_date": ("Parse a date in the iso format", "return datetime.strptime(text, '%Y-%m-%d')"),
    "merge_dicts": ("Merge two dictionaries into one", "return {**first, **second}"),
}


def source(name: str) -> str:
    sentence, body = FUNCTIONS[name]
    return f'def {name}(path, values, text):\n    """{sentence}."""\n    {body}\n'


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def csn_record(name: str, language: str = "python") -> dict[str, Any]:
    sentence, body = FUNCTIONS[name]
    return {
        "repo": "owner/name", "path": "src/file.py", "func_name": name, "original_string": source(name),
        "language": language, "code": source(name), "code_tokens": ["def", name, "(", ")", ":", *body.split()],
        "docstring": sentence + ".", "docstring_tokens": [*sentence.split(), "."],
        "url": f"https://github.com/owner/name/blob/0/src/file.py#{name}",
    }  # fmt: skip


def write_csn(folder: Path, language: str = "python") -> Path:
    records = [csn_record(name, language) for name in FUNCTIONS]
    for split in ("train", "valid", "test"):
        write_lines(folder / language / f"{split}.jsonl", records)
    write_lines(folder / language / "codebase.jsonl", records)
    return folder


def write_advtest(folder: Path) -> Path:
    records = []
    for number, name in enumerate(FUNCTIONS):
        record = csn_record(name)
        normalised = source(name).replace(name, "Func").replace("path", "arg_0").replace("values", "arg_1")
        records.append(
            {
                "idx": number,
                "nwo": "owner/name",
                "url": record["url"],
                "identifier": name,
                "docstring": record["docstring"],
                "docstring_tokens": record["docstring_tokens"],
                "function": normalised,
                "function_tokens": normalised.split(),
                "score": 0.5,
            }
        )
    for split in ("valid", "test"):
        write_lines(folder / f"{split}.jsonl", records)
    write_lines(folder / "train.jsonl", [csn_record(name) for name in FUNCTIONS])
    return folder


def write_staqc(folder: Path) -> Path:
    queries, pool = [], []
    for number, (name, (sentence, _)) in enumerate(FUNCTIONS.items()):
        tokens = source(name).replace(f'"""{sentence}."""', "").split()
        queries.append({"question": f"how to {sentence.lower()}?", "code_tokens": tokens, "retrieval_idx": number})
        pool.append({"code_tokens": tokens, "retrieval_idx": number})
    for split in ("train", "valid", "test"):
        write_lines(folder / f"{split}.jsonl", queries)
    write_lines(folder / "codebase.jsonl", pool)
    return folder


def cosqa_records() -> list[dict[str, Any]]:
    return [
        {
            "idx": f"cosqa-dev-{number}", "doc": f"python {sentence.lower()}", "code": source(name),
            "code_tokens": source(name), "docstring_tokens": sentence, "label": 1, "retrieval_idx": number,
        }
        for number, (name, (sentence, _)) in enumerate(FUNCTIONS.items())
    ]  # fmt: skip


def write_cosqa(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code_idx_map.txt").write_text(
        json.dumps({source(name): at for at, name in enumerate(FUNCTIONS)}, indent=1)
    )
    (folder / "cosqa-retrieval-dev-500.json").write_text(json.dumps(cosqa_records(), indent=1))
    training = [*cosqa_records(), {**cosqa_records()[0], "label": 0}]
    (folder / "cosqa-retrieval-train-19604.json").write_text(json.dumps(training, indent=1))
    return folder


def write_csn99(folder: Path) -> Path:
    urls = {name: f"https://github.com/owner/name/blob/0/f.py#{name}" for name in FUNCTIONS}
    write_lines(
        folder / "functions.jsonl",
        [{"url": url, "language": "Python", "code": source(name)} for name, url in urls.items()],
    )
    rows = ["Language,Query,GitHubUrl,Relevance,Notes"]
    rows += [f"Python,sort numbers,{urls['sort_numbers']},3,", f"Python,sort numbers,{urls['sort_numbers']},2,"]
    rows += [f"Python,sort numbers,{urls['parse_date']},1,", f"Python,sort numbers,{urls['send_mail']},0,"]
    rows += [f'Python,read a file,{urls["read_lines"]},3,"a note, quoted"', "Python,read a file,https://gone,3,"]
    rows += [f"Python,nothing fits,{urls['read_lines']},0,"]
    (folder / "annotations.csv").write_text("\n".join(rows) + "\n")
    return folder
