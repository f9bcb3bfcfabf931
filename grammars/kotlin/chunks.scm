(class_declaration "interface" name: (identifier) @name (class_body) @body) @definition.interface
(class_declaration "interface" name: (identifier) @name) @definition.interface

(class_declaration
  (modifiers (class_modifier "enum"))
  name: (identifier) @name
  (enum_class_body) @body) @definition.enum
(class_declaration name: (identifier) @name [(class_body) (enum_class_body)] @body) @definition.class
(class_declaration name: (identifier) @name) @definition.class

; A companion object is no scope of its own: callers write Order.parse, not Order.Companion.parse.
(object_declaration name: (identifier) @name (class_body) @body) @definition.class
(object_declaration name: (identifier) @name) @definition.class

(type_alias type: (identifier) @name) @definition.type

; Extensions belong to their receiver.
(function_declaration
  [(user_type) @scope (nullable_type (user_type) @scope)]
  .
  "."
  .
  name: (identifier) @name
  (function_body) @body) @definition.function
(function_declaration
  [(user_type) @scope (nullable_type (user_type) @scope)]
  .
  "."
  .
  name: (identifier) @name) @definition.function
(function_declaration name: (identifier) @name (function_body) @body) @definition.function
(function_declaration name: (identifier) @name) @definition.function

((secondary_constructor (block) @body) @definition.constructor (#set! name "constructor"))
((secondary_constructor) @definition.constructor (#set! name "constructor"))

; Properties that compute something.
(property_declaration
  [(user_type) @scope (nullable_type (user_type) @scope)]
  .
  "."
  .
  (variable_declaration . (identifier) @name)
  [(getter) (setter)] @body) @definition.function
(property_declaration
  (variable_declaration . (identifier) @name)
  [(getter) (setter)] @body) @definition.function
(class_body
  (property_declaration
    (variable_declaration . (identifier) @name)
    [
      (lambda_literal)
      (anonymous_function)
      (property_delegate)
      (call_expression (annotated_lambda))
    ] @body) @definition.function)
(source_file
  (property_declaration
    (variable_declaration . (identifier) @name)
    [
      (lambda_literal)
      (anonymous_function)
      (property_delegate)
      (call_expression (annotated_lambda))
    ] @body) @definition.function)

; An annotation with arguments on a line of its own is an expression to the grammar.
(source_file (annotated_expression) @attribute)
