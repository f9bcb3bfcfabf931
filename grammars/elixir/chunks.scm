(call
  target: (identifier) @_def
  (arguments (alias) @name)
  (do_block) @body
  (#any-of? @_def "defmodule")) @definition.module
(call
  target: (identifier) @_def
  (arguments (alias) @name)
  (do_block) @body
  (#any-of? @_def "defprotocol")) @definition.interface
(call
  target: (identifier) @_def
  (arguments . (alias) @name)
  (do_block) @body
  (#any-of? @_def "defimpl")) @container

(call
  target: (identifier) @_def
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: [(call target: (identifier) @name) (identifier) @name] operator: "when")
    (binary_operator operator: _ @name)
  ])
  (do_block)? @body
  (#any-of? @_def "def" "defp" "defdelegate" "defn" "defnp")) @definition.function
(call
  target: (identifier) @_def
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: [(call target: (identifier) @name) (identifier) @name] operator: "when")
    (binary_operator operator: _ @name)
  ])
  (do_block)? @body
  (#any-of? @_def "defmacro" "defmacrop" "defguard" "defguardp")) @definition.macro

(call
  target: (identifier) @_test
  (arguments . (string (quoted_content) @name))
  (do_block) @body
  (#any-of? @_test "test" "property")) @definition.function

; @doc above a definition, @moduledoc inside one.
(unary_operator
  operator: "@"
  operand: (call target: (identifier) @_doc (arguments [(string) (sigil)]))
  (#any-of? @_doc "doc" "typedoc")) @comment
(unary_operator
  operator: "@"
  operand: (call target: (identifier) @_doc (arguments [(string) (sigil)]))
  (#any-of? @_doc "moduledoc")) @documentation
(unary_operator
  operator: "@"
  operand: (call target: (identifier) @_spec)
  (#any-of? @_spec "doc" "spec" "impl" "deprecated" "since" "decorate" "tag" "callback")) @attribute
