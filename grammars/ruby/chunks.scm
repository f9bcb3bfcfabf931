(method name: (_) @name . parameters: (_)? . body: (_)? @body) @definition.method
(singleton_method object: (_) @scope name: (_) @name body: (_)? @body) @definition.method

(class name: [(constant) @name (scope_resolution scope: (_) @scope name: (constant) @name)]) @definition.class
(module name: [(constant) @name (scope_resolution scope: (_) @scope name: (constant) @name)]) @definition.module

; class << self: a body, no name of its own.
(singleton_class value: (_)) @container

; private def parse, memoize def parse
(call arguments: (argument_list . [(method) (singleton_method)] .)) @wrapper

; Line = Struct.new(:name) do
(assignment
  left: (constant) @name
  right: (call
    receiver: (constant) @_class
    method: (identifier) @_new
    block: (_) @body)
  (#any-of? @_class "Struct" "Class" "Data" "Module")
  (#any-of? @_new "new" "define")) @definition.class

; define_method(:name) do ... end
(call
  method: (identifier) @_define
  arguments: (argument_list . [(simple_symbol) (string)] @name)
  block: (_) @body
  (#any-of? @_define "define_method" "define_singleton_method")) @definition.method

; Named blocks of Rake and of tests: task :build do, test "is valid" do, scope :recent, ->
(call
  !receiver
  method: (identifier) @_call
  arguments: (argument_list . [
    (simple_symbol) @name
    (string (string_content) @name)
    (pair key: [(hash_key_symbol) (simple_symbol)] @name)
  ])
  block: (_) @body
  (#any-of? @_call "task" "test" "it" "scenario" "specify")) @definition.function
