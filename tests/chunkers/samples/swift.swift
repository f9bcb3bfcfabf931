import Foundation

/// Longest name of an order.
let maximumNameLength = 64

/// State of an order.
///
/// - open: not yet paid
public enum State: String, Codable {
    case open
    case shipped(Date)

    /// Whether nothing follows.
    var isLast: Bool {
        switch self {
        case .open: return false
        case .shipped: return true
        }
    }
}

/// Stores orders.
public protocol Store: AnyObject {
    associatedtype Key
    var count: Int { get }

    /// Finds an order by its number.
    func find(_ number: Int) async throws -> Order?
    init(path: String)
}

/**
 An order of one customer.
 */
@objc(SHOrder)
open class Order: NSObject {
    public let number: Int
    private var lines: [String] = []

    /// Creates an empty order.
    public init(number: Int) {
        self.number = number
    }

    convenience init?(text: String) {
        guard let number = Int(text) else { return nil }
        self.init(number: number)
    }

    deinit {
        release()
    }

    /// Total in cents.
    public var total: Int {
        get { lines.count }
        set { print(newValue) }
    }

    var observed: Int = 0 {
        didSet { notify() }
    }

    lazy var formatter: Formatter = {
        let formatter = Formatter()
        return formatter
    }()

    subscript(index: Int) -> String {
        return lines[index]
    }

    /// Adds a line.
    /// - Returns: the number of lines
    @discardableResult
    public func add<T: StringProtocol>(_ line: T, at index: Int? = nil) throws -> Int where T: Hashable {
        func check() -> Bool { lines.count < 100 }
        lines.append(String(line))
        return lines.count
    }

    // The shared one.
    static func shared() -> Order { Order(number: 0) }

    struct Line {
        var text: String
        mutating func trim() { text = text.trimmed() }
    }
}

// MARK: - Comparison

extension Order: Comparable {
    /// Orders by number.
    public static func < (left: Order, right: Order) -> Bool {
        left.number < right.number
    }
}

extension Array where Element == Order {
    func shipped() -> [Order] { filter { $0.isShipped } }
}

/// Counts orders from many tasks.
actor Counter {
    private var value = 0

    func increment() -> Int {
        value += 1
        return value
    }
}

typealias Handler = (Order) -> Void

#if os(Linux)
/// Prints the orders.
func report(orders: [Order]) {
    orders.forEach { print($0) }
}
#endif

infix operator <+>: AdditionPrecedence

func <+> (left: Order, right: Order) -> Order {
    return left
}
