(function_item name: (_) @name body: (block) @body) @definition.function
(function_signature_item name: (_) @name) @definition.function

(struct_item name: (type_identifier) @name body: (_) @body) @definition.struct
(struct_item name: (type_identifier) @name) @definition.struct
(union_item name: (type_identifier) @name body: (_) @body) @definition.struct
(enum_item name: (type_identifier) @name body: (_) @body) @definition.enum
(trait_item name: (type_identifier) @name body: (_) @body) @definition.trait
(type_item name: (type_identifier) @name) @definition.type
(mod_item name: (identifier) @name body: (_) @body) @definition.module
(macro_definition name: (identifier) @name) @definition.macro

(impl_item
  type: [
    (type_identifier) @name
    (generic_type type: (type_identifier) @name)
    (generic_type type: (scoped_type_identifier name: (type_identifier) @name))
    (scoped_type_identifier name: (type_identifier) @name)
    (reference_type type: (type_identifier) @name)
    (reference_type type: (generic_type type: (type_identifier) @name))
    (dynamic_type trait: (type_identifier) @name)
  ]
  body: (_) @body) @container
(impl_item body: (_) @body) @container

; Documentation of the module or function that it stands in.
((line_comment) @documentation (#match? @documentation "^//!"))
((block_comment) @documentation (#match? @documentation "^/[*]!"))

; Items in a macro's call, as `cfg_rt! { pub fn … }`: where what stands in the brackets is Rust.
(source_file (macro_invocation (token_tree . "{") @reparsed))
(declaration_list (macro_invocation (token_tree . "{") @reparsed))
(source_file (expression_statement (macro_invocation (token_tree . "{") @reparsed)))
