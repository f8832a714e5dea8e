package embedded

import (
	"path/filepath"
	"testing"

	"user-manager/internal/logtest"
)

// TestSize: the size of a store is that of its file and log, or of its pages in memory.
func TestSize(t *testing.T) {
	t.Parallel()
	for path, parts := range map[string][]string{":memory:": {"database"}, filepath.Join(t.TempDir(), "store.db"): {"database", "log"}} {
		s := openStore(t, Config{Path: path, Log: logtest.Logger(t), Collections: []Definition{Users("/users")}})
		got, err := s.Size(t.Context())
		if err != nil || len(got) != len(parts) {
			t.Fatalf("%s: %v, %v", path, got, err)
		}
		for _, part := range parts {
			if got[part] < 4096 {
				t.Errorf("%s: %s has %d bytes", path, part, got[part])
			}
		}
	}
}
