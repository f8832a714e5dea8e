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
	if testing.Short() {
		t.Skip("reads hundreds of megabytes")
	}
	const most = 8 << 20
	tests := []struct {
		name, start, repeated string
		size                  int64
	}{
		{"good rows", "", "1," + strings.Repeat("x", 1000) + "\n", 200 << 20},
		{"a quote that is not closed", "1,\"", strings.Repeat("x\n", 1000), 6 << 20},
		{"one line of delimiters", "", strings.Repeat(",", 1000), 6 << 20},
		{"ragged rows", "", strings.Repeat("x,", 1000) + "\n", 6 << 20},
		{"empty lines", "", strings.Repeat("\n", 1000), 6 << 20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := io.MultiReader(strings.NewReader("a,b\n"+test.start), &endless{text: test.repeated})
			source := &heapWatch{source: io.LimitReader(file, test.size), before: liveHeap()}
			readWhole(t, source)
			if source.peak > most {
				t.Errorf("heap of %d MiB at its peak, want at most %d", source.peak>>20, most>>20)
			}
		})
	}
}

func readWhole(t *testing.T, source io.Reader) {
	t.Helper()
	r, err := csvimport.NewReader(source, csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := r.Read()
		if err == io.EOF {
			return
		}
		if _, wrong := errors.AsType[*csvimport.RowError](err); err != nil && !wrong {
			t.Fatal(err)
		}
	}
}

// A heapWatch looks at the heap every few MiB that are read of source.
type heapWatch struct {
	source io.Reader
	read   int
	before uint64 // in use at the beginning
	peak   uint64 // in use over that, at most
}

func (w *heapWatch) Read(p []byte) (int, error) {
	const every = 2 << 20
	n, err := w.source.Read(p)
	if w.read/every != (w.read+n)/every {
		w.peak = max(w.peak, max(liveHeap(), w.before)-w.before)
	}
	w.read += n
	return n, err
}

// liveHeap returns how many bytes are in use.
func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
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
