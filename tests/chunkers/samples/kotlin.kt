@file:JvmName("Orders")

package shop.orders

import kotlinx.coroutines.delay

/** Longest name of an order. */
const val MAX_NAME = 64

/** Length without the blanks at both ends. */
val String.trimmedLength: Int
    get() = trim().length

typealias Handler = (Order) -> Unit

/**
 * An order of one customer.
 *
 * @property number unique in a shop
 */
data class Order(val number: Int, val lines: List<Line> = emptyList()) : Comparable<Order> {
    /** Creates an order without lines. */
    constructor(number: String) : this(number.toInt())

    init {
        require(number > 0)
    }

    private var cached: Long? = null

    /** Total in cents, computed once. */
    val total: Long
        get() {
            return cached ?: lines.sumOf { it.price }.also { cached = it }
        }

    val lazyTotal by lazy { lines.sumOf { it.price } }

    override fun compareTo(other: Order): Int = number.compareTo(other.number)

    /** Sum of two orders. */
    operator fun plus(other: Order): Order {
        fun merge(a: List<Line>, b: List<Line>) = a + b
        return copy(lines = merge(lines, other.lines))
    }

    data class Line(val text: String, val price: Long)

    inner class Cursor {
        fun next(): Line = lines.first()
    }

    companion object {
        /** Reads an order from its text form. */
        @JvmStatic
        fun parse(text: String): Order = Order(text.toInt())
    }
}

/** Stores orders. */
interface Store {
    /** Finds an order by its number. */
    suspend fun find(number: Int): Order?

    fun contains(number: Int): Boolean {
        return true
    }
}

// State of an order.
enum class State(val label: String) {
    OPEN("open") {
        override fun last() = false
    },
    SHIPPED("shipped");

    open fun last(): Boolean = true
}

sealed class Result<out T> {
    class Success<T>(val value: T) : Result<T>()
    object Failure : Result<Nothing>()
}

/** The one registry of stores. */
object Registry : Store {
    override suspend fun find(number: Int): Order? {
        delay(10)
        return null
    }
}

/** Waits until the order was sent. */
suspend fun Order.awaitShipping(timeout: Long = 0L): Boolean {
    delay(timeout)
    return true
}

inline fun <reified T> List<T>.second(): T = this[1]

/** Publishes orders on a route. */
@OptIn(ExperimentalApi::class)
val OrderPlugin: Plugin<Config> = createPlugin("orders") {
    onCall { call ->
        call.respond(Registry)
    }
}

fun interface Predicate {
    fun test(value: Int): Boolean
}

annotation class Audited(val by: String)

fun main(args: Array<String>) {
    println(args.size)
}
