package fake

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/providers/providertest"
	"user-manager/secret"
)

const password = "Correct-Horse-7-Battery"

// A clock is a time of day that tests set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// env is an environment.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// open returns a fake in memory with a clock to set.
func open(t testing.TB, e env) (*Provider, *clock) {
	t.Helper()
	return openOn(t, e, nil)
}

// openOn returns a fake on the given store.
func openOn(t testing.TB, e env, local *crud.Client) (*Provider, *clock) {
	t.Helper()
	p, err := Open(t.Context(), providers.Settings{Getenv: e.get, Log: logtest.Logger(t), Local: local})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	c := &clock{}
	p.now = c.now
	return p, c
}

// store returns a client of an empty store that outlives a provider.
func store(t testing.TB) *crud.Client { return storeThrough(t, nil) }

// storeThrough is store, reached through the transport that wrap returns.
func storeThrough(t testing.TB, wrap func(http.RoundTripper) http.RoundTripper) *crud.Client {
	t.Helper()
	client, closeStore := storeAt(t, ":memory:", wrap)
	t.Cleanup(closeStore)
	return client
}

// storeAt opens the store at path.
func storeAt(t testing.TB, path string, wrap func(http.RoundTripper) http.RoundTripper) (client *crud.Client, closeStore func()) {
	t.Helper()
	s, err := embedded.Open(t.Context(), embedded.Config{Path: path, Collections: Collections()})
	if err != nil {
		t.Fatal(err)
	}
	transport := crud.InProcess(s)
	if wrap != nil {
		transport = wrap(transport)
	}
	if client, err = crud.New("http://embedded", transport, time.Minute); err != nil {
		t.Fatal(err)
	}
	return client, func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}
}

func ada() providers.NewAccount {
	return providers.NewAccount{Key: "66e19957f72ba7349eb7b7b2", Username: "ada", Email: "ada@example.com", Password: secret.New(password)}
}

func mustCreate(t testing.TB, p *Provider, a providers.NewAccount) providers.Account {
	t.Helper()
	got, err := p.Create(t.Context(), a)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return got
}

func mustLogin(t testing.TB, p *Provider, name string) providers.Session {
	t.Helper()
	session, err := p.Login(t.Context(), name, secret.New(password))
	if err != nil {
		t.Fatalf("Login: %v", err)
	}
	return session
}

// mails returns whom the mails in p's outbox went to.
func mails(t *testing.T, p *Provider) []string {
	t.Helper()
	sent, err := p.mails(context.WithoutCancel(t.Context()), "")
	if err != nil {
		t.Fatalf("read the outbox: %v", err)
	}
	var to []string
	for _, m := range sent {
		to = append(to, m.to)
	}
	return to
}

func TestConformance(t *testing.T) {
	for name, e := range map[string]env{
		"tokens":  {},
		"cookies": {"FAKE_WEBSITE_SCOPE": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				p, c := open(t, e)
				return providertest.Harness{
					Provider: p,
					Mails:    func() []string { return mails(t, p) },
					Advance:  c.advance,
				}
			})
		})
	}
}

func TestOpenNamesEveryWrongVariable(t *testing.T) {
	wrong := env{"FAKE_TOKEN_TTL": "soon", "FAKE_REFRESH_TOKEN_TTL": "10ms", "FAKE_WEBSITE_SCOPE": "perhaps", "FAKE_OUTBOX_LIMIT": "0"}
	_, err := Open(t.Context(), providers.Settings{Getenv: wrong.get, Log: logtest.Logger(t)})
	want := "FAKE_TOKEN_TTL: must be a duration of at least 1s, such as 1h\n" +
		"FAKE_REFRESH_TOKEN_TTL: must be a duration of at least 1s, such as 1h\n" +
		"FAKE_WEBSITE_SCOPE: must be true or false\n" +
		"FAKE_OUTBOX_LIMIT: must be a number from 1 to 1000000"
	if err == nil {
		t.Fatal("Open: no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestRegistered(t *testing.T) {
	p, err := providers.Open(t.Context(), "fake", providers.Settings{Getenv: env{}.get, Log: logtest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.(*Provider).Close(); err != nil {
		t.Error(err)
	}
	_, err = providers.Open(t.Context(), "fake", providers.Settings{Getenv: env{"FAKE_TOKEN_TTL": "-1h"}.get, Log: logtest.Logger(t)})
	if err == nil {
		t.Error("a wrong variable does not stop providers.Open")
	}
}

func TestPrefixIsNormalized(t *testing.T) {
	for given, want := range map[string]string{"": "", "/": "", "ums": "/ums", "/ums": "/ums", "/ums/": "/ums"} {
		got, err := readSettings(env{"SERVICE_PREFIX": given}.get)
		if err != nil || got.prefix != want {
			t.Errorf("prefix %q is read as %q (%v), want %q", given, got.prefix, err, want)
		}
	}
}

func TestOutboxLimitIsRead(t *testing.T) {
	for given, want := range map[string]int{"": 1000, "1": 1, "1000000": 1_000_000} {
		got, err := readSettings(env{"FAKE_OUTBOX_LIMIT": given}.get)
		if err != nil || got.mails != want {
			t.Errorf("limit %q is read as %d (%v), want %d", given, got.mails, err, want)
		}
	}
	for _, wrong := range []string{"0", "-1", "1000001", "1e3", "many", "99999999999999999999"} {
		if _, err := readSettings(env{"FAKE_OUTBOX_LIMIT": wrong}.get); err == nil {
			t.Errorf("limit %q is not refused", wrong)
		}
	}
}

// request lets p's pages answer a request.
func request(t *testing.T, p *Provider, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	p.Mount().Handler.ServeHTTP(w, r)
	return w
}

func bob() providers.NewAccount {
	return providers.NewAccount{Key: "66e19957f72ba7349eb7b7b3", Username: "bob", Email: "bob@example.com", Password: secret.New(password)}
}

// crudQuery selects by one field, or all when it is "".
func crudQuery(field string, value any) crud.Query {
	if field == "" {
		return crud.Query{}
	}
	return crud.Query{Filter: crud.Document{field: value}}
}
