// A small geometry library, written to exercise every construct.

#include <string>
#include <vector>

#define SQUARE(x) ((x) * (x))

namespace geometry {

constexpr double kEpsilon = 1e-9;

/// A colour of a shape.
enum class Colour : unsigned char { Red, Green, Blue };

/// A point of the plane.
struct Point {
    double x = 0;
    double y = 0;

    /// Distance from the origin.
    double norm() const { return std::sqrt(SQUARE(x) + SQUARE(y)); }

    bool operator==(const Point &other) const { return x == other.x && y == other.y; }
};

/**
 * Anything that has an area.
 */
class Shape {
public:
    explicit Shape(std::string name) : name_(std::move(name)) {}
    virtual ~Shape() = default;

    /// Area in square units.
    virtual double area() const = 0;

    /// Name given at construction.
    const std::string &name() const noexcept { return name_; }

    template <typename Visitor>
    void accept(Visitor &&visitor) const {
        visitor(*this);
    }

    operator bool() const { return !name_.empty(); }

    class Builder;

private:
    std::string name_;
};

/// Largest of two values.
template <typename T>
T largest(const T &a, const T &b) {
    return a < b ? b : a;
}

template <typename T, std::size_t N = 16>
class Stack {
public:
    /// Adds a value on top.
    void push(T value);
    T &top() { return items_.back(); }
    std::size_t size() const;

private:
    std::vector<T> items_;
};

template <typename T, std::size_t N>
void Stack<T, N>::push(T value) {
    items_.push_back(std::move(value));
}

namespace detail {
namespace {

// Clamps a value to [0, 1].
double clamp(double value) {
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

}  // namespace
}  // namespace detail

}  // namespace geometry

namespace geometry::io {

class Reader {
public:
    Reader();
    ~Reader();
    std::vector<Point> read(const std::string &path);
    Reader &operator=(Reader &&other);

    struct Options {
        bool strict = true;
        /// Whether an option set is the default one.
        bool is_default() const { return strict; }
    };
};

}  // namespace geometry::io

// Opens nothing yet.
geometry::io::Reader::Reader() : strict_(true) {}

geometry::io::Reader::~Reader() { close(); }

/* Reads the points of a file.
 * One point a line. */
std::vector<geometry::Point> geometry::io::Reader::read(const std::string &path) {
    auto parse = [](const std::string &line) { return Point{}; };
    return {parse(path)};
}

geometry::io::Reader &geometry::io::Reader::operator=(Reader &&other) {
    return *this;
}

std::ostream &operator<<(std::ostream &out, const geometry::Point &point) {
    return out << point.x << ' ' << point.y;
}

using PointList = std::vector<geometry::Point>;

template <typename T>
concept HasArea = requires(T shape) { shape.area(); };

extern "C" {
// Entry point of the plug-in.
int plugin_main(int argc, char **argv) { return 0; }
}

template <>
double geometry::largest<double>(const double &a, const double &b) {
    return a < b ? b : a;
}

// A macro before the name, which the grammar cannot read.
class GEOMETRY_EXPORT Cache : public detail::CacheBase {
    /// Drops what was cached.
    void clear() {
        entries_.clear();
    }
};

class Counter {
    /// Counts one more; a macro stands after the parameters.
    int increment(int step) LOCKS_EXCLUDED(mutex_) {
        return value_ += step;
    }

    int value() const LOCKS_EXCLUDED(mutex_) {
        MutexLock lock(&mutex_);
        return value_;
    }
};

TEST_F(ReaderTest, ReadsOnePointALine) {
    EXPECT_EQ(1, reader.read("points.txt").size());
}

TEST_CASE("an empty file has no points") {
    CHECK(Reader().read("empty.txt").empty());
}

auto trailing(int value) -> decltype(value) { return value; }
