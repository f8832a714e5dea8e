package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"user-manager/internal/logtest"
)

// pragma runs a pragma on the writer's connection.
func pragma(t *testing.T, s *Store, text string) {
	t.Helper()
	err := s.db.writes.do(t.Context(), false, func(x *tx) error {
		return x.query(text, nil, func(*sql.Rows) (bool, error) { return true, nil })
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pragmaValue asks for a pragma of the writer's connection.
func pragmaValue(t *testing.T, s *Store, text string) (value any) {
	t.Helper()
	err := s.db.writes.do(t.Context(), false, func(x *tx) error {
		return x.query(text, nil, func(rows *sql.Rows) (bool, error) { return false, rows.Scan(&value) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestNoSpaceLeft(t *testing.T) {
	s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Log: logtest.Logger(t), Collections: []Definition{Users("/users")}})
	insertID(t, s, "/users/", `{"userGroup":"before"}`)
	pragma(t, s, "PRAGMA max_page_count = 1") // the present size is the least it can be
	large := fmt.Sprintf(`{"userGroup":"large","x":%q}`, strings.Repeat("x", 100_000))
	inParallel(8, func(int) {
		if status, answer := do(t, s, "POST", "/users/", large); status != http.StatusInsufficientStorage {
			t.Errorf("without space: %d %s, want 507", status, answer)
		}
	})
	if got := must(t, s, "GET", "/users/count", ""); got != "1" {
		t.Errorf("%s users after the failed writes, want 1", got)
	}
	pragma(t, s, "PRAGMA max_page_count = 1000000")
	insertID(t, s, "/users/", large)
	if got := must(t, s, "GET", "/users/count", ""); got != "2" {
		t.Errorf("%s users when there is space again, want 2", got)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Log: logtest.Logger(t), Collections: []Definition{Users("/users")}})
	pragma(t, s, "PRAGMA query_only = 1")
	status, answer := do(t, s, "POST", "/users/", `{"userGroup":"a"}`)
	if status != http.StatusInternalServerError || !strings.Contains(answer, "cannot be written") {
		t.Errorf("got %d %s, want a 500 that says it cannot be written", status, answer)
	}
	if status, _ := do(t, s, "GET", "/users/", ""); status != http.StatusOK {
		t.Errorf("reads fail too: %d", status)
	}
}

// TestGivenUpWritesAreWholeOrNot gives up writes at any moment: what was answered is
// there, and of the rest nothing is half there.
func TestGivenUpWritesAreWholeOrNot(t *testing.T) {
	everywhere(t, func(t *testing.T, s *Store) {
		s.cfg.Log = logtest.Logger(t)
		var mu sync.Mutex
		answered := map[string]bool{}
		inParallel(32, func(w int) {
			for i := range 10 {
				ctx, cancel := context.WithCancel(t.Context())
				name := fmt.Sprintf("u%d-%d", w, i)
				body := fmt.Sprintf(`[{"userGroup":"g","username":"%s-a"},{"userGroup":"g","username":"%s-b"}]`, name, name)
				r := httptest.NewRequestWithContext(ctx, "POST", "/users/bulk", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				var canceller sync.WaitGroup
				if i%2 == 0 {
					canceller.Go(cancel)
				}
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, r)
				canceller.Wait()
				cancel()
				if rec.Code == http.StatusOK {
					mu.Lock()
					answered[name] = true
					mu.Unlock()
				}
			}
		})
		stored := map[string]int{}
		for line := range strings.Lines(must(t, s, "GET", "/users/export?_p=username", "")) {
			_, rest, _ := strings.Cut(line, `"username":"`)
			name, _, _ := strings.Cut(rest, `"`)
			stored[name[:len(name)-2]]++
		}
		for name, n := range stored {
			if n != 2 {
				t.Errorf("%s is half there", name)
			}
		}
		for name := range answered {
			if stored[name] != 2 {
				t.Errorf("%s was answered and is not there", name)
			}
		}
	})
}
