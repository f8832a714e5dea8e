// Package secret holds texts that must not be seen: passwords, tokens and keys.
package secret

import "log/slog"

const hidden = "[hidden]"

// A Text is a secret. However it is printed, logged or encoded, it shows as
// "[hidden]"; only [Text.Reveal] gives it away. The zero value is no secret at all.
type Text struct{ value string }

// New makes a secret of s.
func New(s string) Text { return Text{s} }

// Reveal returns the secret itself, for the one place that needs it.
func (t Text) Reveal() string { return t.value }

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.value == "" }

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
