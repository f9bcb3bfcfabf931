"""What a path alone tells: its features, their sum, and what the shipped weights make of common layouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codeseek.retrievers.fusion import Blend, find_blend
from codeseek.retrievers.path_prior import path_features, path_prior
from codeseek.types import ByteRange, Kind, Span, StoredChunk

SHIPPED = find_blend(None).paths


def test_a_path_has_its_extension_its_words_and_its_depth() -> None:
    assert path_features("lib/httpServer/request_options.test.ts") == (
        "extension:.test.ts",
        "stem:request",
        "stem:option",
        "folder:lib",
        "folder:http",
        "folder:server",
        "depth:2",
    )


@pytest.mark.parametrize(
    ("path", "features"),
    [
        ("Makefile", ("extension:", "stem:makefile", "depth:0")),
        (".bashrc", ("extension:", "stem:bashrc", "depth:0")),
        ("a/a/a/a/a/a/a/a.c", ("extension:.c", "stem:a", "folder:a", "depth:6")),
        ("x.an-extension-that-is-none", ("stem:x", "depth:0")),
        ("\udcff.py", ("extension:.py", "depth:0")),
    ],
)
def test_odd_paths_have_features_too(path: str, features: tuple[str, ...]) -> None:
    assert path_features(path) == features


def test_a_prior_is_the_sum_of_what_is_known() -> None:
    weights = {"extension:.h": -0.5, "folder:include": -0.25}
    assert path_prior("include/list.h", weights) == -0.75
    assert path_prior("src/list.c", weights) == 0.0


def test_a_blend_gives_each_candidate_that_of_its_path() -> None:
    chunks = [
        StoredChunk(number, path, "c", Kind.FUNCTION, "push", (), "", Span(1, 2), ByteRange(0, 9), 0)
        for number, path in enumerate(("list.h", "list.c", "list.h"))
    ]
    blend = replace(Blend(), paths={"extension:.h": -0.5})
    assert blend.path(chunks).tolist() == [-0.5, 0.0, -0.5]
    assert Blend().path(chunks).tolist() == [0.0, 0.0, 0.0]
    assert blend.path([]).dtype == np.float32


@pytest.mark.parametrize(
    ("better", "worse"),
    [("lib/cookie.c", "lib/cookie.h"), ("src/router.ts", "src/types/router.ts"), ("src/parser.go", "src/parser.md")],
)
def test_the_shipped_weights_prefer_what_does_it(better: str, worse: str) -> None:
    assert path_prior(better, SHIPPED) > path_prior(worse, SHIPPED) + 0.2
