package csvimport_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"user-manager/csvimport"
)

// Memory stays small, however large the file, and whether its rows are good, bad or one
// row without end.
func TestMemoryDoesNotGrow(t *testing.T) {
	const most = 16 << 20
	tests := []struct {
		name, start, repeated string
		size                  int64
	}{
		{"good rows", "", "1," + strings.Repeat("x", 1000) + "\n", 200 << 20},
		{"a quote that is not closed", "1,\"", strings.Repeat("x\n", 1000), 20 << 20},
		{"one line of delimiters", "", strings.Repeat(",", 1000), 20 << 20},
		{"ragged rows", "", strings.Repeat("x,", 1000) + "\n", 20 << 20},
		{"empty lines", "", strings.Repeat("\n", 1000), 20 << 20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := io.MultiReader(strings.NewReader("a,b\n"+test.start), &endless{text: test.repeated})
			source := io.LimitReader(file, test.size)
			r, err := csvimport.NewReader(source, csvimport.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if peak := peakHeap(t, r); peak > most {
				t.Errorf("heap of %d MiB at its peak, want at most %d", peak>>20, most>>20)
			}
		})
	}
}

// peakHeap reads all rows and returns the largest heap seen meanwhile, over that before.
func peakHeap(t *testing.T, r *csvimport.Reader) uint64 {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	for n := 0; ; n++ {
		_, err := r.Read()
		if n%10_000 == 0 || err == io.EOF {
			runtime.ReadMemStats(&now)
			peak = max(peak, max(now.HeapAlloc, before.HeapAlloc)-before.HeapAlloc)
		}
		if err == io.EOF {
			return peak
		}
		if _, wrong := errors.AsType[*csvimport.RowError](err); err != nil && !wrong {
			t.Fatal(err)
		}
	}
}

// endless is text again and again.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		copied := copy(p[n:], e.text[e.at:])
		n += copied
		e.at = (e.at + copied) % len(e.text)
	}
	return len(p), nil
}
