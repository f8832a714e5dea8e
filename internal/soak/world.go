package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/fake"
	"user-manager/rond/rondtest"
)

// What is in every world.
const (
	domain         = "soak.example.com" // of all addresses
	password       = "Correct-Horse-7-Battery"
	apiKey         = "soak-2f7c0d1b9e5a48c6"
	callbackSecret = "a secret of the timers of a soak"
	webhookSecret  = "a secret of the webhooks of a soak"
)

// A world is the service with all that is around it, and what its clients know.
type world struct {
	name      string
	o         options
	book      *book
	upstreams []*upstream
	replicas  []*replica // the first is not killed where there are several
	file      string     // of the embedded store; "" when the store is an upstream
	db        *embedded.Store
	tenant    *auth0test.Tenant // nil: the accounts are the fake's, in the store
	rond      *rondtest.Rond    // nil: there is none
	hooks     *webhooks

	mu     sync.Mutex
	people []*person       // all that clients have made; guarded by mu
	sown   map[string]bool // ids of accounts made beside the service that may have no user; guarded by mu
	jobs   []*job          // acknowledged ones; guarded by mu
	shared []string        // ids of users that all clients work on; guarded by mu
}

// definitions are those of the collections of a store.
func definitions() []embedded.Definition {
	return append(fake.Collections(), embedded.Users("/users"), embedded.Groups("/ums-config"), embedded.Roles("/roles"),
		embedded.Journal("/journal"), embedded.Jobs("/jobs"), embedded.Timers("/timers"))
}

// everywhere are the settings of every copy.
func everywhere(o options) []string {
	return []string{
		"LOG_LEVEL=" + o.logLevel, "UPSTREAM_TIMEOUT=" + upstreamTimeout.String(), "RANDOM_PWD_GEN=false",
		fmt.Sprintf("DELAY_SHUTDOWN_SECONDS=%d", int(o.drain.Seconds())), "API_KEYS=" + apiKey,
		"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=100", "IMPORT_SCHEDULES_EXPIRATION=true",
		"WEBHOOK_SECRET=" + webhookSecret,
	}
}

// newRemote makes the world whose store, provider and Rönd are services over the network, with
// two copies of the service.
func newRemote(ctx context.Context, o options, binary, dir string) (_ *world, err error) {
	w := &world{name: "remote", o: o, book: newBook(), sown: map[string]bool{}, rond: rondtest.New(rondtest.Config{}), hooks: &webhooks{received: map[string]int{}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(ctx))
		}
	}()
	if w.db, err = embedded.Open(ctx, embedded.Config{Path: ":memory:", Collections: definitions(), Log: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	if err := w.seed(ctx, o.module); err != nil {
		return nil, err
	}
	store, err := w.serve(newFaulty("CRUD Service", w.db, o.faults, o.seed))
	if err != nil {
		return nil, err
	}
	rond, err := w.serve(newFaulty("Rönd", w.rond, o.faults, o.seed))
	if err != nil {
		return nil, err
	}
	hooks, err := w.serve(newFaulty("webhooks", w.hooks, o.faults, o.seed))
	if err != nil {
		return nil, err
	}
	tenant := newFaulty("Auth0", nil, o.faults, o.seed)
	provider, err := w.serve(tenant)
	if err != nil {
		return nil, err
	}
	w.tenant = auth0test.New(auth0test.Config{Domain: provider.url, ImportRate: 2000, IndexLag: 300 * time.Millisecond})
	tenant.next = w.tenant // before the first copy is there
	at, err := url.Parse(hooks.url)
	if err != nil {
		return nil, err
	}
	env := append(everywhere(o),
		"CRUD_SERVICE="+store.url, "USERS_CRUD_ENDPOINT=/users", "UMS_CONFIG_CRUD_ENDPOINT=/ums-config", "ROLES_CRUD_ENDPOINT=/roles",
		"JOURNAL_CRUD_ENDPOINT=/journal", "JOBS_CRUD_ENDPOINT=/jobs", "TIMER_SERVICE=embedded", "TIMERS_CRUD_ENDPOINT=/timers",
		"TIMER_CALLBACK_SECRET="+callbackSecret, "ROND_ENABLED=true", "ROND_SERVICE="+rond.url, "ROND_RESOURCE_TYPE=user-manager",
		"AUTH_MODULE=auth0", "AUTH0_DOMAIN="+provider.url, "AUTH0_AUDIENCE="+auth0test.Audience, "AUTH0_JOB_POLLING_INTERVAL=2 seconds",
		"AUTH0_CLIENT_ID="+auth0test.ClientID, "AUTH0_CLIENT_SECRET="+auth0test.ClientSecret,
		"AUTH0_MANAGEMENT_CLIENT_ID="+auth0test.ManagementClientID, "AUTH0_MANAGEMENT_CLIENT_SECRET="+auth0test.ManagementClientSecret,
		"JOBS_WEBHOOK_URL="+hooks.url+"/jobs", "WEBHOOK_ALLOWED_HOSTS="+at.Host,
	)
	return w, w.join(ctx, binary, dir, env, "A", "B")
}

// newEmbedded makes the world of one copy that has its store and its provider inside.
func newEmbedded(ctx context.Context, o options, binary, dir string) (*world, error) {
	w := &world{name: "embedded", o: o, book: newBook(), file: filepath.Join(dir, "users.db")}
	return w, w.join(ctx, binary, dir, append(everywhere(o), "EMBEDDED_PATH="+w.file), "C")
}

// seed puts the demo groups into the store.
func (w *world) seed(ctx context.Context, module string) error {
	text, err := os.ReadFile(filepath.Join(module, "demo-groups.json"))
	if err != nil {
		return err
	}
	var groups []crud.Document
	if err := json.Unmarshal(text, &groups); err != nil {
		return err
	}
	client, err := clientOf(w.db)
	if err != nil {
		return err
	}
	_, err = client.Collection("/ums-config").InsertAll(ctx, groups)
	return err
}

// clientOf returns a client of a store in this process, beside all faults.
func clientOf(db *embedded.Store) (*crud.Client, error) {
	return crud.New("http://embedded", crud.InProcess(db), time.Minute)
}

func (w *world) serve(f *faulty) (*upstream, error) {
	u, err := listen(f)
	if err == nil {
		w.upstreams = append(w.upstreams, u)
	}
	return u, err
}

// join starts copies of the service.
func (w *world) join(ctx context.Context, binary, dir string, env []string, names ...string) error {
	for _, name := range names {
		r, err := newReplica(name, binary, dir, w.o, env, w.book)
		if err != nil {
			return err
		}
		if w.o.logs != "" {
			if r.log.file, err = os.Create(filepath.Join(w.o.logs, name+".log")); err != nil {
				return err
			}
		}
		w.replicas = append(w.replicas, r)
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// heal ends all faults.
func (w *world) heal() {
	for _, u := range w.upstreams {
		u.heal()
	}
}

// close ends what of the world still runs.
func (w *world) close(ctx context.Context) error {
	var errs []error
	for _, r := range w.replicas {
		r.stop(context.WithoutCancel(ctx))
		if r.log.file != nil {
			errs = append(errs, r.log.file.Close())
		}
	}
	for _, u := range w.upstreams {
		errs = append(errs, u.close())
	}
	if w.db != nil {
		errs = append(errs, w.db.Close())
		w.db = nil
	}
	return errors.Join(errs...)
}

// pick returns the copy that a request is led to: any that is up, or the first.
func (w *world) pick(rng *rand.Rand) *replica {
	for range 4 {
		if r := w.replicas[rng.IntN(len(w.replicas))]; r.up.Load() {
			return r
		}
	}
	return w.replicas[0]
}

// sow makes an account at the tenant, beside the service.
func (w *world) sow(id, name string) error {
	account, err := json.Marshal([]map[string]any{{"user_id": id, "email": name + "@" + domain, "username": name, "password": password}})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.sown["auth0|"+id] = true
	w.mu.Unlock()
	return w.tenant.Sow(account)
}

// accounts returns those of the provider by id, with "username", "email" and "blocked".
func (w *world) accounts(ctx context.Context, store *crud.Client) (map[string]crud.Document, error) {
	found := map[string]crud.Document{}
	if w.tenant != nil {
		for _, a := range w.tenant.Users() {
			found[text(a, "user_id")] = a
		}
		return found, nil
	}
	for doc, err := range store.Collection("/fake/accounts").All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return nil, err
		}
		found["fake|"+text(doc, "key")] = doc
	}
	return found, nil
}

// text returns a field that is a text, or "".
func text(doc crud.Document, field string) string {
	s, _ := doc[field].(string)
	return s
}

// list returns a field that is a list of texts.
func list(doc crud.Document, field string) []string {
	items, _ := doc[field].([]any)
	words := make([]string, 0, len(items))
	for _, item := range items {
		words = append(words, strings.TrimSpace(fmt.Sprint(item)))
	}
	return words
}
