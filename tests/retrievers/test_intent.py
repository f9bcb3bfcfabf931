import pytest

from codeseek.retrievers.intent import intent_features, word_probability


def test_features_are_words_the_first_word_and_the_length():
    assert intent_features("How the how is") == ["how", "the", "is", "^how", "#4"]
    assert intent_features("??") == []


def test_log_odds_add_up():
    weights = {"retry": 1.0, "^retry": 1.0, "#1": -2.0, "bias": 0.0}
    assert word_probability("retry", weights) == pytest.approx(0.5)
    assert word_probability("unknown", {"bias": 2.0}) == pytest.approx(0.8808, abs=1e-4)


def test_no_weights_mean_functions():
    assert word_probability("cors middleware", {}) == 0.0
