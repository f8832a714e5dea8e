// Package secret holds texts that must not be seen: passwords, tokens and keys.
package secret

import (
	"log/slog"
	"unique"
)

const hidden = "[hidden]"

// A Text is a secret. However it is printed, logged or encoded, it shows as
// "[hidden]"; only [Text.Reveal] gives it away. The zero value is no secret at all.
// Two are equal when their secrets are.
type Text struct {
	// value is a handle, not the string, for those who get around the methods: fmt
	// with a verb that is none for texts, or on an unexported field of a struct.
	value unique.Handle[string]
}

// New makes a secret of s.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{unique.Make(s)}
}

// Reveal returns the secret itself, for the one place that needs it.
func (t Text) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.value.Value()
}

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t == Text{} }

// String returns "[hidden]", or "" when there is no secret.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (t Text) GoString() string { return t.String() }

// LogValue hides the secret from slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText hides the secret from encoders.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
