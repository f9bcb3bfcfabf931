(class_declaration declaration_kind: "extension" name: (_) @name) @container
(class_declaration declaration_kind: "struct" name: (_) @name body: (_) @body) @definition.struct
(class_declaration declaration_kind: "enum" name: (_) @name body: (_) @body) @definition.enum
(class_declaration declaration_kind: ["class" "actor"] name: (_) @name body: (_) @body) @definition.class
(protocol_declaration name: (_) @name body: (_) @body) @definition.interface
(typealias_declaration . name: (type_identifier) @name) @definition.type
(typealias_declaration name: (type_identifier) @name) @definition.type
(macro_declaration (simple_identifier) @name) @definition.macro

; The grammar calls the return type a name too, so the name is what follows the keyword.
(function_declaration "func" . name: _ @name body: (_) @body) @definition.function
(protocol_function_declaration "func" . name: _ @name) @definition.function
(init_declaration name: "init" @name body: (_) @body) @definition.constructor
(init_declaration name: "init" @name) @definition.constructor
(deinit_declaration "deinit" @name body: (_) @body) @definition.method
(subscript_declaration "subscript" @name (computed_property) @body) @definition.function

; Properties that compute something, or react to being set.
(property_declaration
  name: (pattern bound_identifier: (simple_identifier) @name)
  computed_value: (_) @body) @definition.function
(property_declaration
  name: (pattern bound_identifier: (simple_identifier) @name)
  (willset_didset_block) @body) @definition.function
(class_body
  (property_declaration
    name: (pattern bound_identifier: (simple_identifier) @name)
    value: [(lambda_literal) (call_expression . (lambda_literal))] @body) @definition.function)
(source_file
  (property_declaration
    name: (pattern bound_identifier: (simple_identifier) @name)
    value: [(lambda_literal) (call_expression . (lambda_literal))] @body) @definition.function)
