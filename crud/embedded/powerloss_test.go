package embedded

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// rounds is how often something terrible happens: fewer times with -short.
func rounds(all int) int {
	if testing.Short() {
		return all / 5
	}
	return all
}

// TestPowerLoss copies the files under load, as a power loss would leave them, and
// opens the copy. What was answered before is in it.
func TestPowerLoss(t *testing.T) {
	t.Run("the log is cut off anywhere behind what was answered", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		s := usersStore(t, path)
		pragma(t, s, "PRAGMA wal_autocheckpoint = 0") // the log only grows while it is copied
		underLoad(t, s, func(l *ledger) {
			for range rounds(20) {
				users := l.snapshot()
				least := size(t, path+"-wal") // as much as was synced when those were answered
				copied := filepath.Join(t.TempDir(), "copy.db")
				copyFile(t, path, copied, -1)
				copyFile(t, path+"-wal", copied+"-wal", least)
				holds(t, copied, users, l.snapshot())
			}
		})
	})
	t.Run("between two transactions, the log being taken over into the file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		s := usersStore(t, path)
		pragma(t, s, "PRAGMA wal_autocheckpoint = 20")
		underLoad(t, s, func(l *ledger) {
			for range rounds(10) {
				copied := filepath.Join(t.TempDir(), "copy.db")
				var users map[string]fate
				err := s.db.writes.do(t.Context(), false, func(*tx) error {
					users = l.snapshot()
					copyFile(t, path, copied, -1)
					copyFile(t, path+"-wal", copied+"-wal", -1)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				holds(t, copied, users, l.snapshot())
			}
		})
	})
}

// underLoad runs f while the store is under load.
func underLoad(t *testing.T, s *Store, f func(*ledger)) {
	ctx, stop := context.WithCancel(t.Context())
	l := &ledger{}
	var writers sync.WaitGroup
	writers.Go(func() { load(ctx, t, s, "p", l.note) })
	f(l)
	stop()
	writers.Wait()
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// copyFile copies a file as it is now: all of it, or with least from 0 up a part that is
// at least that long, sometimes with the remains of a torn write behind it.
func copyFile(t *testing.T, from, to string, least int64) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	keep := size(t, from)
	var torn []byte
	if least >= 0 {
		keep = least + rand.Int64N(keep-least+1)
		torn = bytes.Repeat([]byte{byte(rand.IntN(256))}, rand.IntN(2)*rand.IntN(9000))
	}
	text, err := io.ReadAll(io.LimitReader(in, keep))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, append(text, torn...), 0o600); err != nil {
		t.Fatal(err)
	}
}
