// Package logtest searches what tests log for what no log may hold: people's addresses,
// passwords, tokens, keys.
package logtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	shortest    = 6         // bytes of a secret: what is shorter may be anywhere
	mostSecrets = 256       // the latest are searched for
	recentBytes = 128 << 10 // of lines that a secret is searched for which comes after them
	mostFound   = 5         // are told
)

// A Search takes the lines of a log, each in one Write, and searches them as they come. It
// holds only the latest, however many there are. It is safe for use by several goroutines.
type Search struct {
	out io.Writer // what is above debug, for people; nil: nothing

	mu      sync.Mutex // guards what follows
	secrets []string
	recent  []byte
	found   []string
}

// searches are those of the tests that run, by [testing.TB].
var searches sync.Map

// For returns the search of t, always the same. It fails t at its end if anything was found;
// lines above debug are t's output too.
func For(t testing.TB) *Search {
	made, known := searches.LoadOrStore(t, &Search{out: t.Output()})
	s := made.(*Search)
	if known {
		return s
	}
	t.Cleanup(func() {
		searches.Delete(t)
		for _, what := range s.Found() {
			t.Errorf("the log has %s", what)
		}
	})
	return s
}

// Found returns what the log had that it must not have.
func (s *Search) Found() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.found)
}

// Write implements [io.Writer].
func (s *Search) Write(line []byte) (int, error) {
	s.take(line)
	if s.out != nil && !bytes.Contains(line, []byte(`"level":10,`)) && !bytes.Contains(line, []byte(`"level":20,`)) {
		return s.out.Write(line)
	}
	return len(line), nil
}

// Logger returns a log of all levels that t's search takes.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewJSONHandler(For(t), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Lines searches the lines of another process, to their end.
func (s *Search) Lines(from io.Reader) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		s.take(append(lines.Bytes(), '\n'))
	}
	_, _ = io.Copy(io.Discard, from) // behind a line that is too long: the process must not wait
}

// take searches a line, and holds it for a while.
func (s *Search) take(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(line)
	s.keep(line)
}

var (
	emailForm = regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)*`)
	tokenForm = regexp.MustCompile(`eyJ[\w-]{8,}`) // a JSON Web Token, or the beginning of one
)

// look searches a line; mu is held.
func (s *Search) look(line []byte) {
	if bytes.IndexByte(line, '@') >= 0 {
		s.note("an address", string(emailForm.Find(line)), line)
	}
	if bytes.Contains(line, []byte("eyJ")) {
		s.note("a token", string(tokenForm.Find(line)), line)
	}
	for _, secret := range s.secrets {
		if bytes.Contains(line, []byte(secret)) {
			s.note("a secret", secret, line)
		}
	}
}

// note tells of something that was found; mu is held.
func (s *Search) note(kind, what string, line []byte) {
	if what != "" && len(s.found) < mostFound {
		s.found = append(s.found, fmt.Sprintf("%s, %q, in %s", kind, what, bytes.TrimSpace(line)))
	}
}

// keep holds a line for a while; mu is held.
func (s *Search) keep(line []byte) {
	if len(s.recent)+len(line) > recentBytes {
		s.recent = append(s.recent[:0], s.recent[len(s.recent)/2:]...)
	}
	s.recent = append(s.recent, line...)
}

// Secret has values searched for, in what was logged lately too. Short ones are passed over.
func (s *Search) Secret(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		s.add(value)
		if escaped, err := json.Marshal(value); err == nil {
			s.add(strings.Trim(string(escaped), `"`))
		}
	}
}

// add searches for a secret from now on; mu is held.
func (s *Search) add(secret string) {
	if len(secret) < shortest || slices.Contains(s.secrets, secret) {
		return
	}
	if at := bytes.Index(s.recent, []byte(secret)); at >= 0 {
		from := bytes.LastIndexByte(s.recent[:at], '\n') + 1
		line, _, _ := bytes.Cut(s.recent[from:], []byte("\n"))
		s.note("a secret", secret, line)
	}
	if len(s.secrets) == mostSecrets {
		s.secrets = slices.Delete(s.secrets, 0, 1)
	}
	s.secrets = append(s.secrets, secret)
}

// fieldForm are the fields of requests and answers whose values are of people, or open
// something; ticketForm is what opens the page of a mail's link.
var (
	fieldForm  = regexp.MustCompile(`"(?i:[a-z_]*(?:password|token|secret|email|username|surname|phone|ticket))"\s*:\s*"((?:[^"\\]|\\.)*)"`)
	formForm   = regexp.MustCompile(`(?:^|[&?])(?:username|password|ticket|[a-z_]*token|client_secret)=([^&"\s]+)`)
	cookieForm = regexp.MustCompile(`(?:^|;\s*)[\w-]+=([^;]+)`)
)

// Body has the secrets of a body searched for: those of a request, or of an answer.
func (s *Search) Body(body string) {
	for _, form := range []*regexp.Regexp{fieldForm, formForm} {
		for _, field := range form.FindAllStringSubmatch(body, -1) {
			value := field[1]
			if json.Unmarshal([]byte(`"`+value+`"`), &value) == nil {
				s.Secret(value)
			}
		}
	}
}

// secretHeaders are those by which clients show who they are, and from where.
var secretHeaders = []string{"Authorization", "Client-Key", "Secret", "X-Forwarded-For", "X-Real-Ip"}

// Header has the secrets of a header searched for, and its cookies.
func (s *Search) Header(header map[string][]string) {
	for _, name := range secretHeaders {
		for _, value := range header[name] {
			s.Secret(value)
			if _, token, ok := strings.Cut(value, " "); ok { // "Bearer ..."
				s.Secret(token)
			}
		}
	}
	for name, most := range map[string]int{"Cookie": -1, "Set-Cookie": 1} { // behind the one that is set is how
		for _, line := range header[name] {
			for _, found := range cookieForm.FindAllStringSubmatch(line, most) {
				s.Secret(found[1])
			}
		}
	}
}
