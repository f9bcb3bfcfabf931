; A function that returns a struct is how Zig writes a generic type.
(function_declaration
  name: (identifier) @name
  type: (builtin_type) @_type
  body: (block (expression_statement (return_expression (struct_declaration)))) @body
  (#eq? @_type "type")) @definition.struct

(function_declaration name: (identifier) @name body: (_) @body) @definition.function

; Prototypes are chunks only where a comment says what they do.
((comment) . (function_declaration name: (identifier) @name !body) @definition.function)

(test_declaration (string (string_content) @name) (block) @body) @definition.function
(test_declaration (identifier) @name (block) @body) @definition.function
((test_declaration (block) @body) @definition.function (#set! name "test"))

; The brace begins the body, so that the signature says what kind of container it is.
(variable_declaration . (identifier) @name (struct_declaration "{" @body)) @definition.struct
(variable_declaration . (identifier) @name (if_expression (struct_declaration "{" @body))) @definition.struct
(variable_declaration . (identifier) @name (union_declaration "{" @body)) @definition.struct
(variable_declaration . (identifier) @name (opaque_declaration "{" @body)) @definition.struct
(variable_declaration . (identifier) @name (enum_declaration "{" @body)) @definition.enum
(variable_declaration . (identifier) @name (error_set_declaration "{" @body)) @definition.enum
(variable_declaration . (identifier) @name (binary_expression (error_set_declaration "{" @body))) @definition.enum
(variable_declaration
  .
  (identifier) @name
  [(function_signature) (pointer_type (function_signature))]) @definition.type
