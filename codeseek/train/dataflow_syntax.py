"""What carries data in each grammar: the node and field names that `dataflow` walks by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["SYNTAX", "Syntax"]


@dataclass(frozen=True, slots=True)
class Syntax:
    """Names of a grammar's nodes and fields.

    Args:
        variables: Nodes that are an occurrence of a variable.
        assignments: Node to the fields of target and value.
        updates: Assignments whose target is read first, to the same two fields; no value field for `i++`.
        iterations: Node to the fields of target, value and body.
        branches: Of which at most one arm runs.
        loops: Run any number of times.
        names: Fields, by node, that hold no variable.
        indexed: Node to the field of what is indexed or accessed; the rest of it is read.
        prefix: Put before the text.
    """

    variables: frozenset[str]
    assignments: Mapping[str, tuple[str, str]]
    updates: Mapping[str, tuple[str, str]]
    iterations: Mapping[str, tuple[str, str, str]]
    branches: frozenset[str]
    loops: frozenset[str]
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    indexed: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""


_C_BRANCHES = frozenset({"if_statement", "switch_statement", "switch_expression", "ternary_expression"})
_C_LOOPS = frozenset({"for_statement", "while_statement", "do_statement"})

SYNTAX = {
    "python": Syntax(
        variables=frozenset({"identifier"}),
        assignments={
            "assignment": ("left", "right"),
            "named_expression": ("name", "value"),
            "default_parameter": ("name", "value"),
            "typed_default_parameter": ("name", "value"),
        },
        updates={"augmented_assignment": ("left", "right")},
        iterations={"for_statement": ("left", "right", "body"), "for_in_clause": ("left", "right", "")},
        branches=frozenset({"if_statement", "conditional_expression", "match_statement", "try_statement"}),
        loops=frozenset({"while_statement"}),
        names={
            "attribute": frozenset({"attribute"}),
            "keyword_argument": frozenset({"name"}),
            "function_definition": frozenset({"name", "return_type"}),
            "typed_parameter": frozenset({"type"}),
        },
        indexed={"subscript": "value", "attribute": "object"},
    ),
    "java": Syntax(
        variables=frozenset({"identifier"}),
        assignments={"variable_declarator": ("name", "value"), "assignment_expression": ("left", "right")},
        updates={"update_expression": ("", "")},
        iterations={"enhanced_for_statement": ("name", "value", "body")},
        branches=_C_BRANCHES | {"try_statement"},
        loops=_C_LOOPS,
        names={
            "method_invocation": frozenset({"name"}),
            "field_access": frozenset({"field"}),
            "method_declaration": frozenset({"name"}),
            "constructor_declaration": frozenset({"name"}),
        },
        indexed={"array_access": "array", "field_access": "object"},
    ),
    "javascript": Syntax(
        variables=frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"}),
        assignments={
            "variable_declarator": ("name", "value"),
            "assignment_expression": ("left", "right"),
            "assignment_pattern": ("left", "right"),
        },
        updates={"augmented_assignment_expression": ("left", "right"), "update_expression": ("argument", "")},
        iterations={"for_in_statement": ("left", "right", "body")},
        branches=_C_BRANCHES | {"try_statement"},
        loops=_C_LOOPS,
        names={"function_declaration": frozenset({"name"}), "function_expression": frozenset({"name"})},
        indexed={"subscript_expression": "object", "member_expression": "object"},
    ),
    "go": Syntax(
        variables=frozenset({"identifier"}),
        assignments={
            "short_var_declaration": ("left", "right"),
            "assignment_statement": ("left", "right"),
            "var_spec": ("name", "value"),
            "const_spec": ("name", "value"),
        },
        updates={"inc_statement": ("", ""), "dec_statement": ("", "")},
        iterations={"range_clause": ("left", "right", "")},
        branches=frozenset(
            {"if_statement", "expression_switch_statement", "type_switch_statement", "select_statement"}
        ),
        loops=frozenset({"for_statement"}),
        names={"function_declaration": frozenset({"name"})},
        indexed={"index_expression": "operand", "selector_expression": "operand"},
    ),
    "php": Syntax(
        variables=frozenset({"variable_name"}),
        assignments={"assignment_expression": ("left", "right"), "simple_parameter": ("name", "default_value")},
        updates={"augmented_assignment_expression": ("left", "right"), "update_expression": ("argument", "")},
        iterations={"foreach_statement": ("", "", "body")},
        branches=_C_BRANCHES | {"conditional_expression", "match_expression", "try_statement"},
        loops=_C_LOOPS,
        indexed={"subscript_expression": "", "member_access_expression": "object"},
        prefix="<?php ",
    ),
    "ruby": Syntax(
        variables=frozenset({"identifier", "instance_variable", "class_variable", "global_variable"}),
        assignments={"assignment": ("left", "right"), "optional_parameter": ("name", "value")},
        updates={"operator_assignment": ("left", "right")},
        iterations={"for": ("pattern", "value", "body")},
        branches=frozenset({"if", "unless", "case", "conditional", "begin", "if_modifier", "unless_modifier"}),
        loops=frozenset({"while", "until", "while_modifier", "until_modifier"}),
        names={"call": frozenset({"method"}), "method": frozenset({"name"}), "singleton_method": frozenset({"name"})},
        indexed={"element_reference": "object", "call": "receiver"},
    ),
}
