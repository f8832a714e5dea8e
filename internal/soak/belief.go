package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// lateness is how long after its end a request that was not acknowledged may still take
// effect: half a minute, as the service has it, and the time that a fault takes.
const lateness = 40 * time.Second

// A belief is what a value of a user should be: what was acknowledged last, or what requests
// without an answer may have made of it.
type belief[T comparable] struct {
	held   T
	doubts []doubt[T]
}

// A doubt is a value that may have come to be.
type doubt[T comparable] struct {
	value T
	at    time.Time // when the request was over
}

// set is for a request that was acknowledged: it began at a time, and doubts that are old then
// are over.
func (b *belief[T]) set(value T, began time.Time) {
	b.held = value
	b.doubts = slices.DeleteFunc(b.doubts, func(d doubt[T]) bool { return d.at.Add(lateness).Before(began) })
}

// doubt is for a request that was not acknowledged and not refused.
func (b *belief[T]) doubt(value T) { b.doubtUntil(value, time.Now()) }

// doubtUntil is doubt for what may come until a time.
func (b *belief[T]) doubtUntil(value T, at time.Time) {
	b.doubts = append(b.doubts, doubt[T]{value, at})
}

// may reports whether the value may be this one.
func (b *belief[T]) may(value T) bool {
	return b.held == value || slices.ContainsFunc(b.doubts, func(d doubt[T]) bool { return d.value == value })
}

// is reports whether the value is this one, without a doubt.
func (b *belief[T]) is(value T) bool { return b.held == value && b.known() }

// known reports whether there is one value only.
func (b *belief[T]) known() bool {
	return !slices.ContainsFunc(b.doubts, func(d doubt[T]) bool { return d.value != b.held })
}

// String says which values it may be.
func (b *belief[T]) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v", b.held)
	for _, d := range b.doubts {
		fmt.Fprintf(&s, " or %v", d.value)
	}
	return s.String()
}
