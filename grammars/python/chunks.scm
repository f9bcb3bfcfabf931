(class_definition name: (identifier) @name body: (block) @body) @definition.class

(function_definition name: (identifier) @name body: (block) @body) @definition.function

(type_alias_statement left: (type (identifier) @name)) @definition.type

(class_definition body: (block . (expression_statement (string) @documentation)))
(function_definition body: (block . (expression_statement (string) @documentation)))
