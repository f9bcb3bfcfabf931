//! A ring buffer.
//! This comment belongs to the file.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// Longest name of a ring.
pub const max_name = 64;

/// How a full ring treats the next byte.
pub const Policy = enum {
    drop,
    overwrite,

    /// Name for messages.
    pub fn label(self: Policy) []const u8 {
        return switch (self) {
            .drop => "drop",
            .overwrite => "overwrite",
        };
    }
};

/// Errors of a ring.
pub const Error = error{ Full, Empty };

/// A word seen in two ways.
const Word = extern union {
    value: u32,
    bytes: [4]u8,
};

const Value = union(enum) {
    none,
    some: u8,
};

/// A ring of bytes.
///
/// The byte at `tail` is never read.
pub const Ring = struct {
    bytes: []u8,
    head: usize = 0,
    tail: usize = 0,

    const Self = @This();

    /// Creates a ring.
    pub fn init(allocator: Allocator, size: usize) !Ring {
        return .{ .bytes = try allocator.alloc(u8, size) };
    }

    pub fn deinit(self: *Ring, allocator: Allocator) void {
        allocator.free(self.bytes);
    }

    // Number of bytes that wait.
    fn length(self: *const Self) usize {
        return (self.tail + self.bytes.len - self.head) % self.bytes.len;
    }

    /// Walks the bytes.
    pub const Iterator = struct {
        ring: *const Ring,
        index: usize,

        pub fn next(it: *Iterator) ?u8 {
            if (it.index == it.ring.tail) return null;
            defer it.index += 1;
            return it.ring.bytes[it.index];
        }
    };

    test "inside a ring" {
        try std.testing.expect(true);
    }
};

/// A stack of any type.
pub fn Stack(comptime T: type) type {
    return struct {
        items: []T,

        const Self = @This();

        /// Adds a value on top.
        pub fn push(self: *Self, value: T) void {
            self.items[self.items.len - 1] = value;
        }
    };
}

/// Adds two numbers.
export fn add(a: i32, b: i32) callconv(.C) i32 {
    return a + b;
}

extern "c" fn puts(text: [*:0]const u8) c_int;

/// Largest of two values.
inline fn largest(a: anytype, b: @TypeOf(a)) @TypeOf(a) {
    return if (a < b) b else a;
}

const Handle = opaque {
    pub fn close(self: *Handle) void {
        _ = self;
    }
};

const Lock = if (threaded) std.Thread.Mutex else struct {
    /// Does nothing.
    pub fn lock(self: *@This()) void {
        _ = self;
    }
};

comptime {
    _ = Ring;
}

// Pushing to a full ring fails.
test "push to a full ring" {
    var ring = try Ring.init(std.testing.allocator, 1);
    defer ring.deinit(std.testing.allocator);
}

test largest {
    try std.testing.expectEqual(2, largest(1, 2));
}

test {
    std.testing.refAllDecls(@This());
}
