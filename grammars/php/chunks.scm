(namespace_definition name: (_) @name body: (_) @body) @definition.module

(class_declaration name: (name) @name body: (_) @body) @definition.class
(interface_declaration name: (name) @name body: (_) @body) @definition.interface
(trait_declaration name: (name) @name body: (_) @body) @definition.trait
(enum_declaration name: (name) @name body: (_) @body) @definition.enum

(function_definition name: (name) @name body: (_) @body) @definition.function
(method_declaration name: (name) @name body: (_) @body) @definition.function
(method_declaration name: (name) @name) @definition.function

(property_declaration
  (property_element name: (variable_name (name) @name))
  (property_hook_list) @body) @definition.function

; Functions that a script gives a name.
(program
  (expression_statement
    (assignment_expression
      left: (variable_name (name) @name)
      right: [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)])) @definition.function)
