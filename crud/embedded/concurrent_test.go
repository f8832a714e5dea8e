package embedded

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// everywhere runs a test on a file and in memory.
func everywhere(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("file", func(t *testing.T) { test(t, usersStore(t, filepath.Join(t.TempDir(), "store.db"))) })
	t.Run("memory", func(t *testing.T) { test(t, usersStore(t, ":memory:")) })
}

// inParallel runs f for 0 to n-1 at once and waits.
func inParallel(n int, f func(i int)) {
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() { f(i) })
	}
	g.Wait()
}

func TestConcurrentWritersAllCount(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		inParallel(64, func(w int) {
			for i := range 10 {
				if status, answer := do(t, s, "POST", "/users/", fmt.Sprintf(`{"userGroup":"g","username":"u%d-%d"}`, w, i)); status != 200 {
					t.Errorf("insert: %d %s", status, answer)
				}
			}
		})
		if got := must(t, s, "GET", "/users/count", ""); got != "640" {
			t.Errorf("%s users, want 640", got)
		}
		var last string
		for line := range strings.Lines(must(t, s, "GET", "/users/export?_p=_id", "")) {
			if line <= last {
				t.Fatalf("ids do not grow in insertion order: %s after %s", line, last)
			}
			last = line
		}
	})
}

func TestOneOfManyWinsAUniqueValue(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		var won, lost atomic.Int64
		inParallel(64, func(w int) {
			for i := range 5 {
				switch status, answer := do(t, s, "POST", "/users/", fmt.Sprintf(`{"userGroup":"g","email":"e%d@x.io","n":%d}`, i, w)); status {
				case http.StatusOK:
					won.Add(1)
				case http.StatusConflict:
					lost.Add(1)
				default:
					t.Errorf("insert: %d %s", status, answer)
				}
			}
		})
		if won.Load() != 5 || lost.Load() != 315 {
			t.Errorf("%d won and %d lost, want 5 and 315", won.Load(), lost.Load())
		}
	})
}

func TestIncrementsDoNotGetLost(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		id := insertID(t, s, "/users/", `{"userGroup":"g","n":0}`)
		inParallel(32, func(int) {
			for range 5 {
				must(t, s, "PATCH", "/users/"+id, `{"$inc":{"n":1}}`)
			}
		})
		if got := must(t, s, "GET", "/users/"+id+"?_p=n", ""); !strings.Contains(got, `"n":160}`) {
			t.Errorf("got %s, want n 160", got)
		}
	})
}

func TestReadersDuringWrites(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		must(t, s, "POST", "/users/bulk", `[{"userGroup":"a","n":1},{"userGroup":"b","n":1}]`)
		ctx, stop := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for ctx.Err() == nil {
					// Both documents always change together: a read never sees one without the other.
					got := must(t, s, "GET", "/users/?_p=n", "")
					if n := strings.Count(got, `"n":`); n != 2 || differ(got) {
						t.Errorf("a read saw a half change: %s", got)
						return
					}
				}
			})
		}
		inParallel(4, func(int) {
			for range 50 {
				must(t, s, "PATCH", "/users/", `{"$inc":{"n":1}}`)
			}
		})
		stop()
		readers.Wait()
		if got := must(t, s, "GET", "/users/?_p=n&_l=1", ""); !strings.Contains(got, `"n":201}`) {
			t.Errorf("got %s, want n 201", got)
		}
	})
}

// differ reports whether the two numbers in an answer are not the same.
func differ(answer string) bool {
	parts := strings.Split(answer, `"n":`)
	first, _, _ := strings.Cut(parts[1], "}")
	second, _, _ := strings.Cut(parts[2], "}")
	return first != second
}

func TestReadersDoNotWaitForWriters(t *testing.T) {
	s := usersStore(t, filepath.Join(t.TempDir(), "store.db"))
	insertID(t, s, "/users/", `{"userGroup":"a"}`)
	err := s.db.writes.do(t.Context(), false, func(x *tx) error {
		if _, err := x.exec(`DELETE FROM "c_users"`); err != nil {
			return err
		}
		if got := must(t, s, "GET", "/users/count", ""); got != "1" {
			t.Errorf("a read during a write saw %s users, want the 1 from before it", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, s, "GET", "/users/count", ""); got != "0" {
		t.Errorf("%s users after the write", got)
	}
}

func TestWritersShareTransactions(t *testing.T) {
	s := usersStore(t, ":memory:")
	started, release := make(chan bool), make(chan bool)
	var first sync.WaitGroup
	first.Go(func() {
		s.db.writes.do(t.Context(), false, func(*tx) error { started <- true; <-release; return nil })
	})
	<-started
	before := s.db.writes.batches
	var sizes atomic.Int64
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			s.db.writes.do(t.Context(), false, func(x *tx) error { sizes.Add(1); return nil })
		})
	}
	for queued := 0; queued < 20; { // all are queued before the first goes on
		s.db.writes.mu.Lock()
		queued = len(s.db.writes.queue)
		s.db.writes.mu.Unlock()
	}
	close(release)
	first.Wait()
	others.Wait()
	if batches := s.db.writes.batches - before; sizes.Load() != 20 || batches != 1 {
		t.Errorf("%d of 20 writes ran, in %d transactions; want all in 1", sizes.Load(), batches)
	}
}
