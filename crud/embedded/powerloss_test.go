package embedded

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestPowerLoss copies the files at any moment under load, as a power loss would leave
// them: the log cut off anywhere behind what was answered. What was answered before is
// in the copy, and the copy is sound.
func TestPowerLoss(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	path := filepath.Join(t.TempDir(), "store.db")
	s := usersStore(t, path)
	pragma(t, s, "PRAGMA wal_autocheckpoint = 0") // so that the log only grows while it is copied
	var mu sync.Mutex
	var answered []string
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := 0; i < 400 && !stop.Load(); i++ {
				id := insertID(t, s, "/users/", fmt.Sprintf(`{"userGroup":"g","email":"e%d-%d@x.io"}`, w, i))
				mu.Lock()
				answered = append(answered, id)
				mu.Unlock()
			}
		})
	}
	for round := range rounds {
		mu.Lock()
		before := answered[:len(answered):len(answered)]
		mu.Unlock()
		copied := filepath.Join(t.TempDir(), "copy.db")
		copyFile(t, path, copied, 0)
		copyFile(t, path+"-wal", copied+"-wal", int64(round%7)*13)
		checkCopy(t, copied, before)
	}
	stop.Store(true)
	writers.Wait()
}

// copyFile copies a file as it is now, with some bytes of a torn write behind it.
func copyFile(t *testing.T, from, to string, torn int64) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.LimitReader(in, info.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, append(text, make([]byte, torn)...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checkCopy(t *testing.T, path string, answered []string) {
	t.Helper()
	s := usersStore(t, path)
	var sound string
	if err := s.db.readRow(t.Context(), "PRAGMA integrity_check", nil, &sound); err != nil || sound != "ok" {
		t.Errorf("integrity check: %s, %v", sound, err)
	}
	there := map[string]bool{}
	for line := range strings.Lines(must(t, s, "GET", "/users/export?_p=_id", "")) {
		there[strings.Trim(line, "{}\n")] = true
	}
	for _, id := range answered {
		if !there[`"_id":"`+id+`"`] {
			t.Errorf("%s was answered and is lost", id)
			return
		}
	}
}
