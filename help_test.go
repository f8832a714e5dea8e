package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// told runs the service with arguments and returns what it prints.
func told(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, environment(env), &out, nil)
	return out.String(), err
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-help", "-h", "--help"} {
		text, err := told(t, map[string]string{"HTTP_PORT": "x"}, flag)
		if err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		for s := range allSettings() {
			if !strings.Contains(text, "\n  "+s.name+"="+s.standard+"\n") && (s.standard != "" || !strings.Contains(text, "\n  "+s.name+"\n")) {
				t.Errorf("%s does not have %s with its default", flag, s.name)
			}
		}
		for _, word := range []string{"-version", "-check", "-probe", "The provider", "Many users"} {
			if !strings.Contains(text, word) {
				t.Errorf("%s does not have %q", flag, word)
			}
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(line) > helpWidth+1 || strings.ContainsAny(line, "`") || strings.Contains(line, "](") {
				t.Errorf("%s has the line %q", flag, line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	text, err := told(t, nil, "-version")
	if err != nil || !strings.HasPrefix(text, "user-manager dev, go1.") || strings.Count(text, "\n") != 1 {
		t.Errorf("-version = %q, %v", text, err)
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for what, args := range map[string][]string{
		"an unknown flag":    {"-verbose"},
		"an argument":        {"serve"},
		"a probe of nothing": {"-probe", "metrics"},
		"a probe of no name": {"-probe"},
		"an empty name":      {"-probe", ""},
	} {
		err := run(t.Context(), args, environment(nil), io.Discard, nil)
		if err == nil || exitStatus(err) != 2 || !strings.Contains(err.Error(), "-help") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
