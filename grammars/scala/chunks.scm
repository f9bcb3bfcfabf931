(class_definition name: (_) @name body: (_) @body) @definition.class
(class_definition name: (_) @name) @definition.class
(object_definition name: (_) @name body: (_) @body) @definition.class
(object_definition name: (_) @name) @definition.class
(package_object name: (_) @name body: (_) @body) @definition.module
(trait_definition name: (_) @name body: (_) @body) @definition.trait
(trait_definition name: (_) @name) @definition.trait
(enum_definition name: (_) @name body: (_) @body) @definition.enum
(type_definition name: (_) @name) @definition.type

; A given without a name goes by its type.
(given_definition name: (_) @name body: (_) @body) @definition.class
(given_definition return_type: (_) @name body: (_) @body) @definition.class
(given_definition (template_body) @body) @definition.class

; Extensions belong to the type of their first parameter; one with a single method is that method.
(extension_definition
  parameters: (parameters . (parameter type: (_) @scope))
  .
  body: (function_definition name: (_) @name body: (_) @body)
  .) @definition.function
(extension_definition parameters: (parameters . (parameter type: (type_identifier) @name))) @container
(extension_definition parameters: (parameters . (parameter type: (generic_type type: (_) @name)))) @container
(extension_definition parameters: (parameters . (parameter type: (_) @name))) @container

((function_definition name: (_) @name body: (_) @body) @definition.constructor (#eq? @name "this"))
(function_definition name: (_) @name body: (_) @body) @definition.function
(function_declaration name: (_) @name) @definition.function

; Members that are blocks or functions: lazy values, routes, handlers.
(template_body
  (val_definition
    pattern: (identifier) @name
    value: [
      (block)
      (indented_block)
      (lambda_expression)
      (call_expression arguments: [(block) (case_block)])
    ] @body) @definition.function)
