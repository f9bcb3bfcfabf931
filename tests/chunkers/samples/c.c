/*
 * ring.c - a ring buffer of bytes, and what surrounds it.
 *
 * This comment opens the file and belongs to no definition.
 */

#include <stddef.h>
#include <stdint.h>
#include "ring.h"

#define RING_DEFAULT_SIZE 4096

/* Smaller of two values; evaluates its arguments twice. */
#define RING_MIN(a, b) ((a) < (b) ? (a) : (b))

#define RING_FOR_EACH(ring, index)                 \
    for (size_t index = (ring)->head;              \
         index != (ring)->tail;                    \
         index = ((index) + 1) % (ring)->size)

/** How a full ring treats the next byte. */
enum ring_policy {
    RING_DROP,      /* lose the new byte */
    RING_OVERWRITE, /* lose the oldest byte */
};

/**
 * A ring buffer.
 * The byte at `tail` is never read.
 */
struct ring {
    uint8_t *bytes;
    size_t head;
    size_t tail;
    size_t size;
    enum ring_policy policy;
};

union ring_word {
    uint32_t value;
    uint8_t bytes[4];
};

/* A view into a ring, without a tag. */
typedef struct {
    const struct ring *owner;
    size_t start, length;
} ring_view_t;

/* Called for each byte that leaves the ring. */
typedef int (*ring_visitor)(uint8_t byte, void *context);

typedef uint16_t ring_checksum_t;

static const char *const policy_names[] = {"drop", "overwrite"};

static int ring_grow(struct ring *ring);

/* Number of bytes that wait to be read. */
static inline size_t ring_length(const struct ring *ring)
{
    return (ring->tail + ring->size - ring->head) % ring->size;
}

// Name of a policy, for messages.
// Returns "unknown" for values outside the enumeration.
const char *ring_policy_name(enum ring_policy policy)
{
    if ((size_t)policy >= sizeof policy_names / sizeof *policy_names)
        return "unknown";
    return policy_names[policy];
}

#ifdef RING_THREADS
/* Takes the lock, then pushes. */
int ring_push_locked(struct ring *ring, uint8_t byte)
{
    mutex_lock(&ring->lock);
    int result = ring_push(ring, byte);
    mutex_unlock(&ring->lock);
    return result;
}
#else
int ring_push_locked(struct ring *ring, uint8_t byte) { return ring_push(ring, byte); }
#endif

/* Comparison function chosen by order: a function that returns a pointer to a function. */
int (*ring_comparator(int descending))(const void *, const void *)
{
    return descending ? compare_descending : compare_ascending;
}

/* A K&R definition. */
int ring_sum(ring, limit)
    struct ring *ring;
    size_t limit;
{
    int sum = 0;
    RING_FOR_EACH(ring, i) {
        sum += ring->bytes[i];
    }
    return sum;
}

__attribute__((noinline)) void **ring_slots(struct ring *ring) {
    return (void **)ring->bytes;
}
