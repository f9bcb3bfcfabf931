#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ring;

/**
 * Creates a ring that holds up to `size` bytes.
 *
 * Returns NULL when memory runs out.
 */
struct ring *ring_create(size_t size);

void ring_destroy(struct ring *ring);
int ring_push(struct ring *ring, uint8_t byte);
int ring_pop(struct ring *ring, uint8_t *byte);

/* Empties the ring without freeing it. */
extern void ring_clear(struct ring *ring);

/* Longest name of a ring, in bytes. */
#define RING_NAME_MAX 32

/* Aligns a size to the next power of two. */
#define RING_ALIGN(size) \
    ring_next_power((size) - 1)

static inline int ring_is_empty(const struct ring *ring) {
    return ring_length(ring) == 0;
}

#ifdef __cplusplus
}
#endif

#endif
