package shop.orders

import scala.concurrent.Future

/** State of an order. */
enum State(val label: String) {
  case Open extends State("open")
  case Shipped extends State("shipped")

  def isLast: Boolean = this == Shipped
}

/** Something that has a price.
  *
  * @tparam A the unit
  */
trait Priced[A] {
  /** Price in the unit. */
  def price: A

  def free(using numeric: Numeric[A]): Boolean = {
    numeric.zero == price
  }
}

/** An order of one customer. */
final case class Order(number: Int, lines: List[String] = Nil) extends Priced[Long] {
  private val cache = new Cache[Int]

  lazy val total: Long = {
    lines.map(_.length.toLong).sum
  }

  /** Creates an order from text. */
  def this(text: String) = this(text.toInt)

  override def price: Long = total

  // Adds a line at the end.
  def :+(line: String): Order = copy(lines = lines :+ line)

  type Line = String

  class Cursor(start: Int) {
    def next(): Option[Line] = lines.lift(start)
  }
}

/** Companion with the factories. */
object Order {
  val Empty: Order = Order(0)

  /** Reads an order. */
  def parse(text: String): Either[String, Order] =
    text.toIntOption match {
      case Some(number) => Right(Order(number))
      case None         => Left(text)
    }

  implicit class RichInt(val value: Int) extends AnyVal {
    def order: Order = Order(value)
  }

  implicit val ordering: Ordering[Order] = Ordering.by(_.number)

  private[orders] object Codec {
    def encode(order: Order): String = {
      def escape(text: String): String = text.replace(",", "\\,")
      order.lines.map(escape).mkString(",")
    }
  }
}

abstract class Store[F[_]](implicit F: Monad[F]) {
  /** Finds an order by its number. */
  def find(number: Int): F[Option[Order]]
}

type Handler = Order => Unit

opaque type Cents = Long

/** Shows orders. */
given showOrder: Show[Order] with
  def show(order: Order): String =
    order.lines.mkString("\n")

given Ordering[State] = Ordering.by(_.ordinal)

extension (order: Order)
  /** Whether the order was sent. */
  def isShipped: Boolean = order.number > 0

  def label(prefix: String): String =
    prefix + order.number

extension [A](list: List[A]) def second: A = list(1)

/** Entry point. */
@main def run(args: String*): Unit =
  println(args.size)

package object legacy {
  def old(): Unit = ()
}
