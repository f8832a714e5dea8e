package embedded

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"user-manager/internal/logtest"
)

// clock is a time that a test moves.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time       { return time.Unix(c.now.Load(), 0) }
func (c *clock) add(by time.Duration) { c.now.Add(int64(by / time.Second)) }

// damagedStore is a file in which pages of a table are overwritten.
func damagedStore(t *testing.T) Config {
	t.Helper()
	cfg := Config{Path: filepath.Join(t.TempDir(), "store.db"), Log: logtest.Logger(t), Collections: []Definition{Users("/users")}}
	s := openStore(t, cfg)
	for range 40 {
		insertID(t, s, "/users/", `{"userGroup":"g","text":"`+strings.Repeat("x", 5000)+`"}`)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 20 * 4096; at < len(text); at++ { // behind what a start reads
		text[at] = 0xa5
	}
	if err := os.WriteFile(cfg.Path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCheckFindsDamage(t *testing.T) {
	s := openStore(t, damagedStore(t))
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping looks at the whole file: %v", err)
	}
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "restore a copy") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	status, answer := do(t, s, "GET", "/users/export?_q=%7B%22text%22:%22x%22%7D", "")
	if status != http.StatusInternalServerError || !strings.Contains(answer, "the database is damaged") {
		t.Errorf("a read of what is damaged: %d %s, want a 500 that says so", status, answer)
	}
}

func TestTruncatedFileStopsTheStart(t *testing.T) {
	cfg := damagedStore(t)
	if err := os.Truncate(cfg.Path, 3*4096+17); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), cfg)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), cfg.Path) || !strings.Contains(err.Error(), "restore a copy") {
		t.Errorf("got %v, want an error with the file and what to do", err)
	}
}

func TestCheckIsRemembered(t *testing.T) {
	var c clock
	c.now.Store(1_900_000_000)
	s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Now: c.Now, Collections: []Definition{Users("/users")}})
	check := func() time.Time {
		t.Helper()
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.checker.at
	}
	first := check()
	c.add(59 * time.Minute)
	if at := check(); !at.Equal(first) {
		t.Errorf("a check within the hour ran at %v, the first at %v", at, first)
	}
	c.add(time.Minute)
	if at := check(); !at.Equal(first.Add(time.Hour)) {
		t.Errorf("the check after an hour was at %v, the first at %v", at, first)
	}
}

// TestChecksAreShared holds the only check up, lets one caller give up, and sees that
// all others get its result.
func TestChecksAreShared(t *testing.T) {
	s := openStore(t, Config{Path: ":memory:", Collections: []Definition{Users("/users")}})
	s.db.gate.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gives up: %v, want context.Canceled", err)
	}
	begun := s.checker.begun
	if begun == nil {
		t.Fatal("the check has ended with its caller")
	}
	go s.db.gate.Unlock()
	inParallel(20, func(int) {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-begun
	if s.checker.begun != nil {
		t.Error("another check has begun")
	}
}

func TestCloseBreaksACheckOff(t *testing.T) {
	s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Collections: []Definition{Users("/users")}})
	done := make(chan error, 1)
	go func() { done <- s.Check(context.WithoutCancel(t.Context())) }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-done // with whatever result: it does not wait for ever
	if err := s.Check(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("a check after Close: %v", err)
	}
}
