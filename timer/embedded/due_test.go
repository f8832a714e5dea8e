package embedded_test

import (
	"testing"
	"time"

	"user-manager/timer/embedded"
)

// TestDue: a timer is due from its time on, until its call is made.
func TestDue(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.service(embedded.Config{})
		check := func(when string, want int) {
			t.Helper()
			if n, err := s.Due(t.Context()); err != nil || n != want {
				t.Errorf("%s: %d are due, %v; want %d", when, n, err, want)
			}
		}
		w.schedule(s, "u1", time.Now().Add(time.Minute))
		check("before", 0)
		<-time.After(2 * time.Minute)
		check("after", 1)
		stop := w.run(s, &callee{})
		<-time.After(time.Minute)
		stop()
		check("once it is made", 0)
	})
}
