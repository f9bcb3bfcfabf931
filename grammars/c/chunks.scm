; The name stands below as many declarators as the return type has stars: none, one, two, and three for a function that
; returns a pointer to a function. Where a macro or an #ifdef breaks the grammar, a statement may look like a function.
(function_definition
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (_ (function_declarator declarator: (identifier) @name))
    (_ (_ (function_declarator declarator: (identifier) @name)))
    (_ (_ (_ (function_declarator declarator: (identifier) @name))))
  ]
  body: (_) @body
  (#not-any-of? @name "if" "for" "while" "switch" "else" "return")) @definition.function

; A name in parentheses keeps a function-like macro of that name away: `int (isdigit)(int c) {...}`.
(function_definition
  declarator: (function_declarator declarator: (parenthesized_declarator (identifier) @name))
  body: (_) @body) @definition.function

; Prototypes are chunks only where a comment says what they do: in headers that is the documentation.
((comment)
  .
  (declaration
    declarator: [
      (function_declarator declarator: (identifier) @name)
      (_ . (function_declarator declarator: (identifier) @name))
      (_ . (_ . (function_declarator declarator: (identifier) @name)))
    ]) @definition.function)

(preproc_function_def
  name: (identifier) @name
  value: (_) @body) @definition.macro

(type_definition
  type: [(struct_specifier body: (_) @body) (union_specifier body: (_) @body)]
  declarator: [
    (type_identifier) @name
    (pointer_declarator declarator: (type_identifier) @name)
  ]) @definition.struct

(type_definition
  type: (enum_specifier body: (_) @body)
  declarator: (type_identifier) @name) @definition.enum

(type_definition
  declarator: [
    (type_identifier) @name
    (_ declarator: (type_identifier) @name)
    (_ declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
    (_ (_ declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name))))
  ]) @definition.type

(struct_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(union_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(enum_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.enum
