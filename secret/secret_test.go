package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"user-manager/secret"
)

const value = "correct horse battery staple"

func TestRevealGivesTheSecretAway(t *testing.T) {
	if got := secret.New(value).Reveal(); got != value {
		t.Errorf("Reveal: %q, want %q", got, value)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	text := secret.New(value)
	type login struct {
		Name     string
		Password secret.Text
		again    secret.Text // fmt looks into unexported fields, and calls no methods there
	}
	within := login{"ada", text, text}
	show := map[string]func() string{
		"in a struct with %+v": func() string { return fmt.Sprintf("%+v", within) },
		"in a struct with %#v": func() string { return fmt.Sprintf("%#v", within) },
		"behind a pointer":     func() string { return fmt.Sprintf("%v", &text) },
		"in a slice":           func() string { return fmt.Sprint([]secret.Text{text}) },
		"in an error":          func() string { return fmt.Errorf("login with %v", text).Error() },
		"encoded as JSON":      func() string { return encoded(t, text) },
		"encoded in a struct":  func() string { return encoded(t, within) },
		"encoded as a key":     func() string { return encoded(t, map[secret.Text]int{text: 1}) },
		"logged as JSON": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(w, nil) }, text)
		},
		"logged as text": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewTextHandler(w, nil) }, text)
		},
		"logged in a struct": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewTextHandler(w, nil) }, within)
		},
		"logged in a JSON struct": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(w, nil) }, within)
		},
	}
	for _, verb := range []string{"%v", "%s", "%q", "%#v", "%+v", "%x", "%d"} { // %d is none for texts
		show["printed with "+verb] = func() string { return fmt.Sprintf(verb, text) }
	}
	for how, shown := range show {
		t.Run(how, func(t *testing.T) {
			got := shown()
			if strings.Contains(got, value) || strings.Contains(got, fmt.Sprintf("%x", value)) || strings.Contains(got, "horse") {
				t.Errorf("%s gives the secret away", got)
			}
		})
	}
}

func TestShownAsHidden(t *testing.T) {
	if got := secret.New(value).String(); got != "[hidden]" {
		t.Errorf("String: %q, want %q", got, "[hidden]")
	}
	if got := encoded(t, secret.New(value)); got != `"[hidden]"` {
		t.Errorf("as JSON: %s, want %q", got, "[hidden]")
	}
}

func TestNoSecret(t *testing.T) {
	for name, none := range map[string]secret.Text{"zero value": {}, "made of nothing": secret.New("")} {
		if !none.IsZero() || none.String() != "" || none.Reveal() != "" {
			t.Errorf("%s: IsZero %v, String %q, Reveal %q; want true and nothing", name, none.IsZero(), none, none.Reveal())
		}
	}
	if secret.New(value).IsZero() {
		t.Error("a secret says that it is none")
	}
	if got := encoded(t, struct {
		Token secret.Text `json:"token,omitzero"`
	}{}); got != "{}" {
		t.Errorf("a struct without the secret is encoded as %s, want {}", got)
	}
}

func TestSecretsCanBeCompared(t *testing.T) {
	if one, same, other := secret.New(value), secret.New(value), secret.New("other"); one != same || one == other {
		t.Error("secrets are equal when their texts are not, or the other way round")
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func logged(handler func(*bytes.Buffer) slog.Handler, v any) string {
	var out bytes.Buffer
	slog.New(handler(&out)).Info("login", "value", v)
	return out.String()
}
