"""Evaluation: data sets, the stages of the real search over them, measures, significance and reports."""
