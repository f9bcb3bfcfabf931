(* Shapes and what one can ask of them. *)
open Printf

(** A point in the plane. *)
type point = { x : float; y : float }

type shape =
  | Circle of point * float
  | Square of point * float

exception Unknown of string

(** Area of a shape. *)
let area shape =
  match shape with
  | Circle (_, r) -> 3.14 *. r *. r
  | Square (_, a) -> a *. a

let rec total = function
  | [] -> 0.
  | first :: rest -> area first +. total rest

let limit = 10

module type STORE = sig
  type t

  (** Adds a shape. *)
  val add : t -> shape -> t
end

module Memory : STORE = struct
  type t = shape list

  let add store shape =
    let longer = shape :: store in
    longer
end

class counter = object
  val mutable count = 0

  method increment =
    count <- count + 1;
    count
end

let () = printf "%f\n" (total [])
