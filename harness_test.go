package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"user-manager/apidoc/conform"
	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/metrics"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/providertest"
	"user-manager/rond/rondtest"
	"user-manager/timer/timertest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// A harness is the whole service in this process, on a store in memory, with a plan
// of what goes wrong upstream. Every answer is held against the API description.
type harness struct {
	t        *testing.T
	plan     *faults.Plan       // counts and fails the calls of the service
	client   *crud.Client       // the store, beside the plan
	provider providers.Provider // the provider, beside the plan
	tenant   *auth0test.Tenant  // of the provider auth0; nil for the fake
	rond     *rondtest.Rond     // beside the plan; nil without ROND_ENABLED
	timer    *timertest.Service // beside the plan; nil without a TIMER_SERVICE over the network
	counts   *metrics.Metrics
	api      *api
	handler  http.Handler
	seen     *placeholders
	sight    *store // the store as the service sees it
	// timersInPlan: calls of the embedded Timer Service to the store are among those that the
	// plan counts.
	timersInPlan bool
}

// newChecker reads the API description once for all tests.
var newChecker = sync.OnceValues(conform.New)

// newHarness makes a service configured by env on top of: a store in memory, and
// passwords that are taken as given.
func newHarness(t *testing.T, env map[string]string) *harness {
	t.Helper()
	return newHarnessWith(t, env, oneByOne)
}

// oneByOne is the provider without its bulk import.
func oneByOne(p providers.Provider, plan *faults.Plan) providers.Provider {
	return providertest.NewFaulty(p, plan)
}

// newHarnessWith is newHarness with the provider as the service is to see it.
func newHarnessWith(t *testing.T, env map[string]string, wrap func(providers.Provider, *faults.Plan) providers.Provider) *harness {
	t.Helper()
	vars := map[string]string{"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false"}
	maps.Copy(vars, env)
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, plan: faults.NewPlan(), seen: newPlaceholders()}
	return h.open(vars, cfg, providers.Settings{}, wrap)
}

// open starts the service that vars, read as cfg, describe.
func (h *harness) open(vars map[string]string, cfg config, settings providers.Settings, wrap func(providers.Provider, *faults.Plan) providers.Provider) *harness {
	t := h.t
	t.Helper()
	log := testLog(t)
	h.counts = metrics.New("test")
	db := openCollections(t, cfg)
	clean, err := newStore(cfg, "http://embedded", crud.InProcess(db))
	if err != nil {
		t.Fatal(err)
	}
	if err := clean.seed(t.Context(), cfg.store); err != nil {
		t.Fatal(err)
	}
	h.client = clean.client
	settings.Getenv, settings.Log, settings.Local, settings.Timeout = getenv(environment(vars)), log, clean.client, cfg.upstreamTimeout
	settings.Observer = observerOf(h.counts)
	h.provider, err = providers.Open(t.Context(), cfg.provider, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if closer, ok := h.provider.(io.Closer); ok {
			closer.Close()
		}
	})
	h.sight = h.storeOn(db, cfg, vars)
	n := neighbours{store: h.sight, provider: wrap(h.provider, h.plan), metrics: h.counts}
	n.grants, n.timers = h.others(cfg, log, settings.Observer)
	h.api = newAPI(cfg, n, log)
	if *network {
		h.api.embedded = db.Public() // where an application's own pages find the store
	}
	checker, err := newChecker()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.passRefusals {
		checker = checker.WithSetting("UPSTREAM_ERROR_STATUS=passthrough")
	}
	h.handler = conform.Middleware(t, checker.WithPrefix(cfg.prefix), h.api.handler(), cfg.prefix+"/crud/", cfg.prefix+"/fake/", "/documentation")
	return h
}

// others are what has roles granted and users blocked, for the service that cfg describes,
// with the plan in front of them; over the network stand-ins are.
func (h *harness) others(cfg config, log *slog.Logger, o upstream.Observer) (*grants, *timers) {
	h.t.Helper()
	if h.rond == nil && cfg.rond.url != "" {
		h.rond = rondtest.New(rondtest.Config{})
	}
	if h.timer == nil && cfg.timers.url != "" {
		h.timer = timertest.New(timertest.Config{})
	}
	planned := func(service http.Handler) http.RoundTripper {
		return timertest.NewFaulty(crud.InProcess(service), h.plan)
	}
	grants, err := openGrants(cfg, rondtest.NewFaulty(crud.InProcess(h.rond), h.plan), log, o)
	if err != nil {
		h.t.Fatal(err)
	}
	var timers *timers
	switch {
	case cfg.timers.embedded: // its own calls of the store are not counted, unless a test asks for that
		on := h.client.Collection(cfg.store.timers)
		if h.timersInPlan {
			on = *h.sight.timers
		}
		timers, err = embeddedTimers(cfg, on, true, planned, log, o)
	case cfg.timers.url != "":
		timers, err = networkTimers(cfg, planned(h.timer), log, o)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return grants, timers
}

// testLog is the service's own log, of all that it can say. t fails if that has what no log
// may have.
func testLog(t testing.TB) *slog.Logger { return newLog(logtest.For(t), levelTrace) }

// A reply is an answer of the service, its body with placeholders.
type reply struct {
	status int
	header http.Header
	body   string
}

// call makes a request; ids, tokens and times of earlier answers may stand in path,
// body and header by their placeholders. A body is JSON unless a Content-Type is
// among the header's "Name: value" lines.
func (h *harness) call(method, path, body string, header ...string) reply {
	h.t.Helper()
	return h.callContext(h.t.Context(), method, path, body, header...)
}

func (h *harness) callContext(ctx context.Context, method, path, body string, header ...string) reply {
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(h.seen.fill(body))
	}
	r := httptest.NewRequestWithContext(ctx, method, h.seen.fill(path), sent)
	r.Host = "localhost"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, h.seen.fill(value))
	}
	search := logtest.For(h.t)
	search.Header(r.Header)
	search.Body(h.seen.fill(body))
	search.Secret(strings.TrimSuffix(r.RemoteAddr, ":1234")) // as httptest has it
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	search.Header(w.Header())
	search.Body(w.Body.String())
	return reply{w.Code, w.Header(), h.seen.hide(w.Body.String())}
}

// must is call for what has to succeed.
func (h *harness) must(method, path, body string, header ...string) reply {
	h.t.Helper()
	got := h.call(method, path, body, header...)
	if got.status > 299 {
		h.t.Fatalf("%s %s with %s = %d %s", method, path, body, got.status, got.body)
	}
	return got
}

// placeholders put "<id1>", "<time>" and "<token1>" in the place of values that
// differ from run to run: the same value always has the same placeholder.
type placeholders struct {
	mu     sync.Mutex        // guards all
	names  map[string]string // by value
	values map[string]string // by placeholder
	counts map[string]int
}

func newPlaceholders() *placeholders {
	return &placeholders{names: map[string]string{}, values: map[string]string{}, counts: map[string]int{}}
}

var varying = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|eyJ[\w-]+\.[\w-]+\.[\w-]+|"refreshToken":"[^"]+"|[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (p *placeholders) hide(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return varying.ReplaceAllStringFunc(text, func(value string) string {
		switch {
		case strings.HasPrefix(value, `"refreshToken"`):
			return `"refreshToken":"` + p.name("refresh", strings.Split(value, `"`)[3]) + `"`
		case strings.HasPrefix(value, "eyJ"):
			return p.name("token", value)
		case strings.Contains(value, "T"):
			return "<time>"
		case strings.Contains(value, "-"):
			return p.name("job", value)
		}
		return p.name("id", value)
	})
}

func (p *placeholders) name(kind, value string) string {
	if name, ok := p.names[value]; ok {
		return name
	}
	p.counts[kind]++
	name := fmt.Sprintf("<%s%d>", kind, p.counts[kind])
	p.names[value], p.values[name] = name, value
	return name
}

var placeholder = regexp.MustCompile(`<[a-zA-Z]+[0-9]+>`)

func (p *placeholders) fill(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := p.values[name]; ok {
			return value
		}
		if value, ok := p.values[strings.ToLower(name)]; ok { // "<ID1>": in capitals
			return strings.ToUpper(value)
		}
		return name
	})
}
