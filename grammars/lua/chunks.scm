(function_declaration name: (identifier) @name body: (_) @body) @definition.function
(function_declaration name: (dot_index_expression table: (_) @scope field: (_) @name) body: (_) @body) @definition.function
(function_declaration name: (method_index_expression table: (_) @scope method: (_) @name) body: (_) @body) @definition.method
(function_declaration name: (identifier) @name) @definition.function
(function_declaration name: (dot_index_expression table: (_) @scope field: (_) @name)) @definition.function
(function_declaration name: (method_index_expression table: (_) @scope method: (_) @name)) @definition.method

(assignment_statement
  (variable_list . name: [
    (identifier) @name
    (dot_index_expression table: (_) @scope field: (_) @name)
  ] .)
  (expression_list . value: (function_definition body: (_)? @body) .)) @definition.function

(field name: (_) @name value: (function_definition body: (_)? @body)) @definition.function
