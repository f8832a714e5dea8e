package upstream

import (
	"context"
	"errors"
	"testing"
)

func TestLocks(t *testing.T) {
	t.Parallel()
	var l Locks
	unlock, err := l.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Lock(t.Context(), "b")
	if err != nil {
		t.Fatalf("another key: %v", err)
	}
	other()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(gone, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("lock that is held, for who has gone = %v", err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		if unlock, err := l.Lock(t.Context(), "a"); err == nil {
			unlock()
		}
	}()
	unlock()
	<-waited
	if len(l.held) != 0 {
		t.Errorf("%d locks are kept though nobody holds them", len(l.held))
	}
}
