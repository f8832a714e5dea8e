package logtest

import (
	"fmt"
	"strings"
	"testing"
)

// TestSearch: the search finds what it is for, and nothing else.
func TestSearch(t *testing.T) {
	t.Parallel()
	const line = `{"level":30,"msg":"request completed","url":{"path":"/users/{id}"}}` + "\n"
	write := func(line string) func(*Search) { return func(s *Search) { s.Write([]byte(line)) } }
	for name, test := range map[string]struct {
		steps []func(*Search)
		want  string
	}{
		"nothing":           {[]func(*Search){write(line)}, ""},
		"an address":        {[]func(*Search){write(strings.Replace(line, "{id}", "ann@example.com", 1))}, "ann@example.com"},
		"a token":           {[]func(*Search){write(strings.Replace(line, "{id}", "eyJhbGciOiJIUzI1NiJ9.e30.x", 1))}, "eyJhbGciOiJIUzI1NiJ9"},
		"a password":        {[]func(*Search){func(s *Search) { s.Body(`{"password": "hunter22"}`) }, write(strings.Replace(line, "{id}", "hunter22", 1))}, "hunter22"},
		"of a form":         {[]func(*Search){func(s *Search) { s.Body("username=ann.lee&password=hunter22") }, write("it was hunter22\n")}, "hunter22"},
		"with a quote":      {[]func(*Search){func(s *Search) { s.Body(`{"password": "hun\"ter22"}`) }, write(`{"msg":"hun\"ter22"}` + "\n")}, "ter22"},
		"told later":        {[]func(*Search){write("family.k3jhkjh\n"), write(line), func(s *Search) { s.Body(`{"refreshToken":"family.k3jhkjh"}`) }}, "family.k3jhkjh"},
		"a key":             {[]func(*Search){func(s *Search) { s.Header(map[string][]string{"Client-Key": {"key-of-an-app"}}) }, write("key-of-an-app\n")}, "key-of-an-app"},
		"a bearer":          {[]func(*Search){func(s *Search) { s.Header(map[string][]string{"Authorization": {"Bearer abcdefgh"}}) }, write("abcdefgh\n")}, "abcdefgh"},
		"a cookie":          {[]func(*Search){func(s *Search) { s.Header(map[string][]string{"Set-Cookie": {"sid=abcdefgh; Path=/"}}) }, write("abcdefgh\n")}, "abcdefgh"},
		"a second cookie":   {[]func(*Search){func(s *Search) { s.Header(map[string][]string{"Cookie": {"theme=dark; sid=abcdefgh"}}) }, write("abcdefgh\n")}, "abcdefgh"},
		"a client":          {[]func(*Search){func(s *Search) { s.Header(map[string][]string{"X-Forwarded-For": {"203.0.113.9"}}) }, write("203.0.113.9\n")}, "203.0.113.9"},
		"what is too short": {[]func(*Search){func(s *Search) { s.Body(`{"password": "id"}`) }, write(line)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Search{}
			for _, step := range test.steps {
				step(s)
			}
			got := strings.Join(s.Found(), "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// TestSearchIsBounded: a log of any length takes the same room, and so does any number of
// secrets.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	s := &Search{}
	for i := range 10_000 {
		s.Secret(fmt.Sprintf("secret-%d", i))
		if i%10 == 0 {
			s.Write([]byte(strings.Repeat("x", 1000) + "\n"))
		}
	}
	if len(s.recent) > recentBytes || len(s.secrets) > mostSecrets || len(s.found) > 0 {
		t.Errorf("%d bytes, %d secrets, found %q", len(s.recent), len(s.secrets), s.found)
	}
	s.Write([]byte("secret-9999\n"))
	if len(s.Found()) != 1 {
		t.Errorf("found %q", s.Found())
	}
}
