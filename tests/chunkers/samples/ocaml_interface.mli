(** Area of a shape. *)
val area : Shape.t -> float

(** What stores shapes. *)
module type STORE = sig
  type t

  (** Adds a shape. *)
  val add : t -> Shape.t -> t
end
