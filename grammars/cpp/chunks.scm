; googletest and its kin: the suite is the scope, the test is the name.
(function_definition
  declarator: (function_declarator
    declarator: (identifier) @_macro
    parameters: (parameter_list
      .
      (parameter_declaration type: (type_identifier) @scope !declarator)
      .
      (parameter_declaration type: (type_identifier) @name !declarator)
      .))
  body: (_) @body
  (#any-of? @_macro "TEST" "TEST_F" "TEST_P" "TYPED_TEST" "TYPED_TEST_P" "BENCHMARK_F" "BENCHMARK_DEFINE_F"))
  @definition.function

; A macro after the parameters (`void f() const LOCKS_EXCLUDED(mutex) {...}`) takes the place of the function.
((field_declaration declarator: (function_declarator declarator: (field_identifier) @name))
  .
  (function_definition
    !type
    declarator: (function_declarator declarator: (identifier) @_macro)
    body: (_) @body) @definition.function
  (#match? @_macro "^[A-Z][A-Z0-9_]+$"))
(function_definition
  (ERROR (function_declarator declarator: [(field_identifier) (identifier)] @name))
  declarator: (function_declarator declarator: [(identifier) (field_identifier)] @_macro)
  body: (_) @body
  (#match? @_macro "^[A-Z][A-Z0-9_]+$")) @definition.function
(function_definition
  (ERROR
    (_ (qualified_identifier scope: (_) @scope name: (identifier) @name)))
  declarator: (function_declarator declarator: (identifier) @_macro)
  body: (_) @body
  (#match? @_macro "^[A-Z][A-Z0-9_]+$")) @definition.function

; Catch2 and doctest: a macro call with a string, then a block; the grammar sees two statements.
((expression_statement
    (call_expression
      function: (identifier) @_macro
      arguments: (argument_list . (string_literal (string_content) @name)))) @attribute
  .
  (compound_statement) @definition.function
  (#any-of? @_macro "TEST_CASE" "TEST_CASE_METHOD" "SCENARIO"))

; `class EXPORT Name final : Base {...}`: a macro before the name makes the grammar see a function without parameters,
; whose name is in an error where the base class is qualified.
(function_definition
  type: [(class_specifier !body) (struct_specifier !body)]
  .
  (ERROR . (identifier) @name)
  .
  declarator: (qualified_identifier)
  body: (compound_statement) @body) @definition.class
(function_definition
  type: (class_specifier !body)
  declarator: (identifier) @name
  body: (compound_statement) @body) @definition.class
(function_definition
  type: (struct_specifier !body)
  declarator: (identifier) @name
  body: (compound_statement) @body) @definition.struct

; The name stands below as many declarators as the return type has stars and ampersands (here none, one or two), and
; below one qualified_identifier for each scope that is written before it (here none to four). Where a macro or an
; #ifdef breaks the grammar, a statement may look like a function.
(function_definition
  declarator: (function_declarator
    declarator: [
      (identifier) @name
      (field_identifier) @name
      (operator_name) @name
      (destructor_name) @name
      (template_function name: (identifier) @name)
    ])
  body: (_) @body
  (#not-any-of? @name "if" "for" "while" "switch" "catch" "else" "return")) @definition.function
(function_definition
  declarator: (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: [
        (identifier) @name
        (operator_name) @name
        (destructor_name) @name
        (template_function name: (identifier) @name)
      ]))
  body: (_) @body) @definition.function
(function_definition
  declarator: (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: [
          (identifier) @name
          (operator_name) @name
          (destructor_name) @name
          (template_function name: (identifier) @name)
        ])))
  body: (_) @body) @definition.function
(function_definition
  declarator: (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: [
            (identifier) @name
            (operator_name) @name
            (destructor_name) @name
            (template_function name: (identifier) @name)
          ]))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: (qualified_identifier
            scope: (_)? @scope
            name: [
              (identifier) @name
              (operator_name) @name
              (destructor_name) @name
              (template_function name: (identifier) @name)
            ])))))
  body: (_) @body) @definition.function

(function_definition
  declarator: (_ (function_declarator
    declarator: [
      (identifier) @name
      (field_identifier) @name
      (operator_name) @name
      (destructor_name) @name
      (template_function name: (identifier) @name)
    ]))
  body: (_) @body
  (#not-any-of? @name "if" "for" "while" "switch" "catch" "else" "return")) @definition.function
(function_definition
  declarator: (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: [
        (identifier) @name
        (operator_name) @name
        (destructor_name) @name
        (template_function name: (identifier) @name)
      ])))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: [
          (identifier) @name
          (operator_name) @name
          (destructor_name) @name
          (template_function name: (identifier) @name)
        ]))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: [
            (identifier) @name
            (operator_name) @name
            (destructor_name) @name
            (template_function name: (identifier) @name)
          ])))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: (qualified_identifier
            scope: (_)? @scope
            name: [
              (identifier) @name
              (operator_name) @name
              (destructor_name) @name
              (template_function name: (identifier) @name)
            ]))))))
  body: (_) @body) @definition.function

(function_definition
  declarator: (_ (_ (function_declarator
    declarator: [
      (identifier) @name
      (field_identifier) @name
      (operator_name) @name
      (destructor_name) @name
      (template_function name: (identifier) @name)
    ])))
  body: (_) @body
  (#not-any-of? @name "if" "for" "while" "switch" "catch" "else" "return")) @definition.function
(function_definition
  declarator: (_ (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: [
        (identifier) @name
        (operator_name) @name
        (destructor_name) @name
        (template_function name: (identifier) @name)
      ]))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: [
          (identifier) @name
          (operator_name) @name
          (destructor_name) @name
          (template_function name: (identifier) @name)
        ])))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: [
            (identifier) @name
            (operator_name) @name
            (destructor_name) @name
            (template_function name: (identifier) @name)
          ]))))))
  body: (_) @body) @definition.function
(function_definition
  declarator: (_ (_ (function_declarator
    declarator: (qualified_identifier
      scope: (_)? @scope
      name: (qualified_identifier
        scope: (_)? @scope
        name: (qualified_identifier
          scope: (_)? @scope
          name: (qualified_identifier
            scope: (_)? @scope
            name: [
              (identifier) @name
              (operator_name) @name
              (destructor_name) @name
              (template_function name: (identifier) @name)
            ])))))))
  body: (_) @body) @definition.function

; Functions that return a pointer to a function, and names in parentheses.
(function_definition
  declarator: [
    (_ (_ (_ (function_declarator declarator: (identifier) @name))))
    (_ (_ (_ (function_declarator declarator: (field_identifier) @name))))
    (function_declarator declarator: (parenthesized_declarator (identifier) @name))
    (function_declarator declarator: (parenthesized_declarator (field_identifier) @name))
  ]
  body: (_) @body) @definition.function

; Conversions have a type where others have a name.
((function_definition
  declarator: [
    (operator_cast)
    (qualified_identifier scope: (_) @scope name: (operator_cast))
    (qualified_identifier scope: (_) @scope name: (qualified_identifier scope: (_) @scope name: (operator_cast)))
  ]
  body: (_) @body) @definition.function
  (#set! name "operator"))

; Prototypes and member declarations are chunks only where a comment says what they do. An alternation inside an
; alternation matches its first branch only (tree-sitter 0.26), hence the flat lists. Without a semicolon it is the
; head of a definition that the grammar lost.
((comment)
  .
  (declaration
    declarator: [
      (function_declarator declarator: (identifier) @name)
      (function_declarator declarator: (operator_name) @name)
      (function_declarator declarator: (destructor_name) @name)
      (_ . (function_declarator declarator: (identifier) @name))
      (_ . (function_declarator declarator: (operator_name) @name))
      (_ . (_ . (function_declarator declarator: (identifier) @name)))
      (_ . (_ . (function_declarator declarator: (operator_name) @name)))
    ]) @definition.function
  (#match? @definition.function ";$"))
((comment)
  .
  (field_declaration
    declarator: [
      (function_declarator declarator: (field_identifier) @name)
      (function_declarator declarator: (operator_name) @name)
      (_ . (function_declarator declarator: (field_identifier) @name))
      (_ . (function_declarator declarator: (operator_name) @name))
      (_ . (_ . (function_declarator declarator: (field_identifier) @name)))
      (_ . (_ . (function_declarator declarator: (operator_name) @name)))
    ]) @definition.function
  (#match? @definition.function ";$"))
((comment)
  .
  (template_declaration
    (declaration
      declarator: [
        (function_declarator declarator: (identifier) @name)
        (function_declarator declarator: (operator_name) @name)
        (_ . (function_declarator declarator: (identifier) @name))
        (_ . (function_declarator declarator: (operator_name) @name))
        (_ . (_ . (function_declarator declarator: (identifier) @name)))
        (_ . (_ . (function_declarator declarator: (operator_name) @name)))
      ])) @definition.function)

; Lambdas with a name, outside functions.
(translation_unit
  (declaration
    declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression body: (_) @body)))
  @definition.function)
(declaration_list
  (declaration
    declarator: (init_declarator declarator: (identifier) @name value: (lambda_expression body: (_) @body)))
  @definition.function)

(preproc_function_def name: (identifier) @name value: (_) @body) @definition.macro

(namespace_definition name: (_) @name body: (_) @body) @definition.module

(concept_definition name: (identifier) @name) @definition.trait

(class_specifier
  name: [
    (type_identifier) @name
    (template_type name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (template_type name: (type_identifier) @name))
    (qualified_identifier
      scope: (_) @scope
      name: (qualified_identifier scope: (_) @scope name: (type_identifier) @name))
  ]
  body: (_) @body) @definition.class

(struct_specifier
  name: [
    (type_identifier) @name
    (template_type name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (template_type name: (type_identifier) @name))
    (qualified_identifier
      scope: (_) @scope
      name: (qualified_identifier scope: (_) @scope name: (type_identifier) @name))
  ]
  body: (_) @body) @definition.struct

(union_specifier
  name: [
    (type_identifier) @name
    (template_type name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (type_identifier) @name)
    (qualified_identifier scope: (_) @scope name: (template_type name: (type_identifier) @name))
    (qualified_identifier
      scope: (_) @scope
      name: (qualified_identifier scope: (_) @scope name: (type_identifier) @name))
  ]
  body: (_) @body) @definition.struct

(enum_specifier
  name: [
    (type_identifier) @name
    (qualified_identifier scope: (_) @scope name: (type_identifier) @name)
  ]
  body: (_) @body) @definition.enum

(type_definition
  type: [(struct_specifier body: (_) @body) (union_specifier body: (_) @body) (class_specifier body: (_) @body)]
  declarator: (type_identifier) @name) @definition.struct

(type_definition
  type: (enum_specifier body: (_) @body)
  declarator: (type_identifier) @name) @definition.enum

; Aliases in the bodies of functions are no definitions.
(translation_unit (alias_declaration name: (type_identifier) @name) @definition.type)
(declaration_list (alias_declaration name: (type_identifier) @name) @definition.type)
(field_declaration_list (alias_declaration name: (type_identifier) @name) @definition.type)
(template_declaration (alias_declaration name: (type_identifier) @name) @definition.type)
(preproc_if (alias_declaration name: (type_identifier) @name) @definition.type)
(preproc_ifdef (alias_declaration name: (type_identifier) @name) @definition.type)

(translation_unit
  (type_definition
    declarator: [
      (type_identifier) @name
      (_ declarator: (type_identifier) @name)
      (_ declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
    ]) @definition.type)
(declaration_list
  (type_definition
    declarator: [
      (type_identifier) @name
      (_ declarator: (type_identifier) @name)
      (_ declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))
    ]) @definition.type)
