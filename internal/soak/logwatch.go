package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
)

// A logWatch reads what copies of the service log: nothing of a user may be there.
type logWatch struct {
	book *book
	name string

	mu    sync.Mutex
	part  []byte   // of a line that has not ended; guarded by mu, as all below
	lines []string // the last ones that are warnings or worse, of no request
	count int
	file  *os.File // nil: nowhere
}

// lastLines is how many lines are kept.
const lastLines = 8

// Write implements [io.Writer].
func (l *logWatch) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.file.Write(p) // it is an extra
	}
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.line(string(l.part[:i]))
		l.part = l.part[i+1:]
	}
}

// line takes a line; mu is held.
func (l *logWatch) line(line string) {
	l.count++
	for _, word := range []string{domain, password, apiKey} {
		if strings.Contains(line, word) {
			l.book.wrong("%s logs what is a user's or secret: %s", l.name, line)
		}
	}
	if strings.Contains(line, `"level":30`) || strings.Contains(line, `"msg":"request completed"`) {
		return
	}
	if l.lines = append(l.lines, line); len(l.lines) > lastLines {
		l.lines = l.lines[1:]
	}
}

// last returns the last lines.
func (l *logWatch) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
