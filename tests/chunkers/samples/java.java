/*
 * Licensed under nothing; a licence comment that belongs to no definition.
 */
package shop.orders;

import java.util.List;
import java.util.Map;

/**
 * An order of one customer.
 *
 * @since 1.0
 */
@Entity
public class Order implements Comparable<Order> {
    private static final int LIMIT = 100;
    private final List<String> lines;

    static {
        Registry.register(Order.class);
    }

    /** Creates an empty order. */
    public Order(int number) {
        this.lines = List.of();
    }

    /**
     * Adds a line.
     *
     * @throws IllegalStateException when the order is full
     */
    @Override
    public <T extends CharSequence> int add(T line) throws IllegalStateException {
        if (lines.size() >= LIMIT) {
            throw new IllegalStateException();
        }
        Runnable later = new Runnable() {
            @Override
            public void run() {
                flush();
            }
        };
        return lines.size();
    }

    // Orders by number.
    public int compareTo(Order other) { return 0; }

    abstract static class Line {
        /** Price in cents. */
        abstract long price();

        class Note {
            String text() { return ""; }
        }
    }

    /** State of an order. */
    enum State {
        OPEN("open") {
            @Override
            boolean last() { return false; }
        },
        SHIPPED("shipped");

        private final String label;

        State(String label) { this.label = label; }

        /** Whether nothing follows. */
        boolean last() { return true; }
    }
}

/** A point of the plane. */
record Point(double x, double y) {
    Point {
        if (Double.isNaN(x)) throw new IllegalArgumentException();
    }

    static Point origin() { return new Point(0, 0); }
}

/** Stores orders. */
sealed interface Store permits MemoryStore {
    /** Finds an order by its number. */
    Order find(int number);

    default boolean contains(int number) {
        return find(number) != null;
    }
}

@interface Audited {
    String value() default "";
}
