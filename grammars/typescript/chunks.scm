(function_declaration name: (identifier) @name body: (statement_block) @body) @definition.function
(generator_function_declaration name: (identifier) @name body: (statement_block) @body) @definition.function

(class_declaration name: (type_identifier) @name body: (class_body) @body) @definition.class
(abstract_class_declaration name: (type_identifier) @name body: (class_body) @body) @definition.class

(interface_declaration name: (type_identifier) @name body: (_) @body) @definition.interface
(enum_declaration name: (identifier) @name body: (_) @body) @definition.enum
(type_alias_declaration name: (type_identifier) @name) @definition.type
(internal_module name: (_) @name body: (_) @body) @definition.module
(module name: (_) @name body: (_) @body) @definition.module

; Overloads and ambient functions have no body.
(function_signature name: (identifier) @name) @definition.function
(method_signature name: (_) @name) @definition.method
(abstract_method_signature name: (_) @name) @definition.method

(method_definition name: (_) @name body: (statement_block) @body) @definition.method

(public_field_definition
  name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.method

(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @definition.function

; const Button = memo((props) => ...), forwardRef(function Button() ...)
(variable_declarator
  name: (identifier) @name
  value: (call_expression
    arguments: (arguments
      . [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)]))) @definition.function

(variable_declarator name: (identifier) @name value: (class body: (class_body) @body)) @definition.class

; exports.parse = function () {}, Router.prototype.route = function () {}
(assignment_expression
  left: [
    (identifier) @name
    (member_expression object: (_) @scope property: (_) @name)
  ]
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @definition.function

(assignment_expression
  left: [
    (identifier) @name
    (member_expression property: (_) @name)
  ]
  right: (class body: (class_body) @body)) @definition.class

(pair
  key: (_) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @definition.function

(export_statement
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]
  (#set! name "default")) @definition.function
(export_statement value: (class body: (class_body) @body) (#set! name "default")) @definition.class

; Tests: describe("Router", () => {...}), it("matches", async () => {...}), test.each(rows)("adds", () => {...})
(call_expression
  function: [
    (identifier) @_call
    (member_expression object: (identifier) @_call)
    (call_expression function: (member_expression object: (identifier) @_call))
  ]
  arguments: (arguments
    . [(string) (template_string)] @name
    [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)])
  (#any-of? @_call "describe" "context" "suite")) @definition.module
(call_expression
  function: [
    (identifier) @_call
    (member_expression object: (identifier) @_call)
    (call_expression function: (member_expression object: (identifier) @_call))
  ]
  arguments: (arguments
    . [(string) (template_string)] @name
    [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)])
  (#any-of? @_call "it" "test" "specify")) @definition.function
