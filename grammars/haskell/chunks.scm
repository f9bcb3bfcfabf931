; Only declarations of the file, of classes and of instances count: what `where` and `let` bind stays in its function.
; signature, function, bind and pattern_synonym are joined by name (language.toml), so each equation is captured.

(declarations
  (signature
    name: [(variable) @name (prefix_id (_) @name)]) @definition.function)
(declarations
  (signature
    names: (binding_list name: [(variable) @name (prefix_id (_) @name)])) @definition.function)
(declarations
  (function
    [
      name: [(variable) @name (prefix_id (_) @name)]
      (infix operator: [(operator) @name (infix_id (_) @name)])
      (function_head_parens (infix operator: [(operator) @name (infix_id (_) @name)]))
      (function_head_parens name: (variable) @name)
    ]
    match: (_) @body) @definition.function)
(declarations
  (bind
    name: [(variable) @name (prefix_id (_) @name)]
    match: (_) @body) @definition.function)

(class_declarations
  (signature
    name: [(variable) @name (prefix_id (_) @name)]) @definition.function)
(class_declarations
  (signature
    names: (binding_list name: [(variable) @name (prefix_id (_) @name)])) @definition.function)
(class_declarations
  (function
    [
      name: [(variable) @name (prefix_id (_) @name)]
      (infix operator: [(operator) @name (infix_id (_) @name)])
      (function_head_parens (infix operator: [(operator) @name (infix_id (_) @name)]))
      (function_head_parens name: (variable) @name)
    ]
    match: (_) @body) @definition.function)
(class_declarations
  (bind
    name: [(variable) @name (prefix_id (_) @name)]
    match: (_) @body) @definition.function)

(instance_declarations
  (signature
    name: [(variable) @name (prefix_id (_) @name)]) @definition.function)
(instance_declarations
  (signature
    names: (binding_list name: [(variable) @name (prefix_id (_) @name)])) @definition.function)
(instance_declarations
  (function
    [
      name: [(variable) @name (prefix_id (_) @name)]
      (infix operator: [(operator) @name (infix_id (_) @name)])
      (function_head_parens (infix operator: [(operator) @name (infix_id (_) @name)]))
      (function_head_parens name: (variable) @name)
    ]
    match: (_) @body) @definition.function)
(instance_declarations
  (bind
    name: [(variable) @name (prefix_id (_) @name)]
    match: (_) @body) @definition.function)

(foreign_import signature: (signature name: (_) @name)) @definition.function

(pattern_synonym (signature synonym: (_) @name)) @definition.function
(pattern_synonym
  (equation
    synonym: [
      (constructor) @name
      (apply function: (constructor) @name)
      (apply function: (apply function: (constructor) @name))
      (apply function: (apply function: (apply function: (constructor) @name)))
    ])) @definition.function

; An instance is scoped by the type that it is for.
(instance
  name: (_) @name
  patterns: (type_patterns
    .
    [
      (name) @scope
      (parens type: (apply constructor: (name) @scope))
      (parens type: (apply constructor: (apply constructor: (name) @scope)))
    ])
  "where"? @body) @definition.class
(instance name: (_) @name "where" @body) @definition.class
(instance name: (_) @name) @definition.class
(class name: (_) @name "where" @body) @definition.class
(class name: (_) @name) @definition.class

(data_type name: (_) @name constructors: (_) @body) @definition.type
(data_type name: (_) @name) @definition.type
(data_type (infix operator: (_) @name)) @definition.type
(newtype name: (_) @name constructor: (_) @body) @definition.type
(type_synonym name: [(name) @name (prefix_id (_) @name)]) @definition.type
(declarations (type_family name: (_) @name) @definition.type)
(declarations (data_family name: (_) @name) @definition.type)
