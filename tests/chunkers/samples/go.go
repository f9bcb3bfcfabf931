// Package store keeps values.
package store

import "sync"

const limit = 8

// ErrFull says that nothing fits any more.
var ErrFull = errors.New("full")

// Store holds values by key.
type Store[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
}

// Reader reads values.
type Reader interface {
	Get(key string) (string, bool)
}

type (
	key   string
	level int
)

// New returns an empty store.
func New[K comparable, V any]() *Store[K, V] {
	return &Store[K, V]{values: make(map[K]V)}
}

// Put adds a value, or fails when the store is full.
func (s *Store[K, V]) Put(key K, value V) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) >= limit {
		return ErrFull
	}
	s.values[key] = value
	return nil
}

func (k key) String() string { return string(k) }

var normalize = func(text string) string {
	return strings.ToLower(text)
}
