package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader reads variables and collects what is wrong with them.
type reader struct {
	lookup   func(string) (string, bool)
	problems []error
}

func (r *reader) wrong(name, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

// text returns the variable's value, or its default when it is unset or empty.
func (r *reader) text(name string) string {
	value, _ := r.lookup(name)
	return cmp.Or(value, standard(name))
}

func standard(name string) string {
	for s := range allSettings() {
		if s.name == name {
			return s.standard
		}
	}
	panic("setting " + name + " is not in the table")
}

func (r *reader) flag(name string) bool {
	value, err := strconv.ParseBool(r.text(name))
	if err != nil {
		r.wrong(name, "must be true or false, not %q", r.text(name))
	}
	return value
}

func (r *reader) number(name string, least, most int) int {
	n, err := strconv.Atoi(r.text(name))
	if err != nil || n < least || n > most {
		r.wrong(name, "must be a number from %d to %d, not %q", least, most, r.text(name))
	}
	return n
}

// rate reads a number of things a second, fractions allowed.
func (r *reader) rate(name string) float64 {
	n, err := strconv.ParseFloat(r.text(name), 64)
	if err != nil || !(n > 0 && n <= 1_000_000) {
		r.wrong(name, "must be a number above 0 and at most 1000000, not %q", r.text(name))
	}
	return n
}

func (r *reader) duration(name string) time.Duration {
	d, err := time.ParseDuration(r.text(name))
	if err != nil || d <= 0 {
		r.wrong(name, "must be a duration such as 10s, not %q", r.text(name))
	}
	return d
}

func (r *reader) oneOf(name string, choices ...string) string {
	value := r.text(name)
	for _, choice := range choices {
		if value == choice {
			return value
		}
	}
	r.wrong(name, "must be one of %s, not %q", strings.Join(choices, ", "), value)
	return value
}

// list returns the comma-separated parts, trimmed, without empty ones.
func (r *reader) list(name string) []string {
	var parts []string
	for part := range strings.SplitSeq(r.text(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// headers is list for the names of headers that go with another request.
func (r *reader) headers(name string) []string {
	names := r.list(name)
	for _, header := range names {
		switch {
		case !headerForm.MatchString(header):
			r.wrong(name, "must be names of headers, which %q is not", header)
		case slices.Contains(ownHeaders, http.CanonicalHeaderKey(header)):
			r.wrong(name, "must be headers that can go with another request, which %q cannot", header)
		}
	}
	return names
}

// ownHeaders are of one request only: they say how its connection, its body or its answer
// is.
var ownHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// headerForm is a token, as RFC 9110 has it.
var headerForm = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

var prefixForm = regexp.MustCompile(`^/([a-z0-9]+(-[a-z0-9]+)*)?/?$`)

// prefix returns "" or "/word".
func (r *reader) prefix(name string) string {
	value := r.text(name)
	if value != "" && !prefixForm.MatchString(value) {
		r.wrong(name, "must be like /word, of lower-case letters, digits and inner dashes, not %q", value)
	}
	return strings.TrimSuffix(value, "/")
}

// levelSilent is above every level that is logged at, levelTrace below debug.
const (
	levelTrace  = slog.LevelDebug - 4
	levelSilent = slog.Level(math.MaxInt32)
)

func (r *reader) level(name string) slog.Level {
	switch r.oneOf(name, "error", "warn", "info", "debug", "trace", "silent") {
	case "error":
		return slog.LevelError
	case "warn":
		return slog.LevelWarn
	case "debug":
		return slog.LevelDebug
	case "trace":
		return levelTrace
	case "silent":
		return levelSilent
	}
	return slog.LevelInfo
}
