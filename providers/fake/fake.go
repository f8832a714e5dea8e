// Package fake is a provider for local work: a real one, with accounts, sessions,
// refusals and mails, that needs no service and sends nothing anywhere. Accounts are
// kept in the embedded store beside the users; mails land in an outbox that has a
// page of its own. It is called fake because its accounts are not for people's real
// passwords: their hashes are made to be quick.
package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/upstream"
)

func init() {
	providers.Register("fake", providers.Driver{
		Check: func(getenv func(string) string) error {
			_, err := readSettings(getenv)
			return err
		},
		Open: func(ctx context.Context, s providers.Settings) (providers.Provider, error) { return Open(ctx, s) },
	})
}

// Provider is the fake. It is safe for use by several goroutines, and beside other
// Providers on the same store.
type Provider struct {
	settings settings
	log      *slog.Logger
	observer upstream.Observer
	now      func() time.Time // time.Now, except in tests
	closer   io.Closer        // the store, if it is the provider's own; or nil

	client   *crud.Client
	accounts crud.Collection
	sessions crud.Collection
	outbox   crud.Collection
	secrets  crud.Collection

	signingKey atomic.Pointer[[]byte] // nil until it is first needed
	sweptAt    atomic.Int64           // when expired sessions were last removed, Unix milliseconds
	trimming   chan struct{}          // holds a value while someone trims the outbox
	untrimmed  atomic.Int64           // mails since then; more than there may be at first
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Importer = (*Provider)(nil)
	_ providers.Pinger   = (*Provider)(nil)
	_ providers.Frontend = (*Provider)(nil)
	_ io.Closer          = (*Provider)(nil)
)

// storeTimeout is how long a call of a store of the provider's own may take.
const storeTimeout = 10 * time.Second

// Open returns the fake, with its accounts in s.Local, which must have the
// [Collections], or in memory without it. Its variables are FAKE_TOKEN_TTL and
// FAKE_REFRESH_TOKEN_TTL (durations such as "1h", of at least a second),
// FAKE_WEBSITE_SCOPE ("true" or "false"), FAKE_OUTBOX_LIMIT (the mails that are kept, 1
// to 1,000,000) and the service's SERVICE_PREFIX.
func Open(ctx context.Context, s providers.Settings) (*Provider, error) {
	settings, err := readSettings(s.Getenv)
	if err != nil {
		return nil, err
	}
	p := &Provider{settings: settings, log: s.Log, observer: s.Observer, now: time.Now, client: s.Local, trimming: make(chan struct{}, 1)}
	kept := "embedded store"
	if p.client == nil {
		kept = "memory"
		if err := p.openOwnStore(ctx, s.Log); err != nil {
			return nil, err
		}
	}
	p.untrimmed.Store(settings.spareMails()) // the first mail looks at what is there
	p.accounts = p.client.Collection(accountsPath)
	p.sessions = p.client.Collection(sessionsPath)
	p.outbox = p.client.Collection(outboxPath)
	p.secrets = p.client.Collection(settingsPath)
	p.log.Warn("the fake provider's accounts are for development", "keptIn", kept, "mails", settings.prefix+outboxPage)
	return p, nil
}

func (p *Provider) openOwnStore(ctx context.Context, log *slog.Logger) error {
	store, err := embedded.Open(ctx, embedded.Config{Path: ":memory:", Collections: Collections(), Log: log})
	if err != nil {
		return fmt.Errorf("open a store in memory: %w", err)
	}
	p.client, err = crud.New("http://fake", crud.InProcess(store), storeTimeout)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	p.closer = store
	return nil
}

// Close gives up the store that Open made, if it made one.
func (p *Provider) Close() error {
	if p.closer == nil {
		return nil
	}
	return p.closer.Close()
}

// Ping implements [providers.Pinger]: the fake is as well as its store.
func (p *Provider) Ping(ctx context.Context) error {
	return callOnly(ctx, p, "GET /ping", func() error { return p.client.Ping(ctx) })
}

// settings are what the environment says.
type settings struct {
	tokenTTL   time.Duration
	refreshTTL time.Duration
	website    bool   // sessions are cookies
	mails      int    // that the outbox keeps: the newest
	prefix     string // of the service's routes: "" or "/word"
}

// maxMails is the most that an outbox may be told to keep.
const maxMails = 1_000_000

// readSettings reads the environment. Its error names every wrong variable.
func readSettings(getenv func(string) string) (settings, error) {
	var problems []error
	duration := func(name, fallback string) time.Duration {
		d, err := time.ParseDuration(cmp.Or(getenv(name), fallback))
		if err != nil || d < time.Second {
			problems = append(problems, fmt.Errorf("%s: must be a duration of at least 1s, such as 1h", name))
		}
		return d
	}
	s := settings{
		tokenTTL:   duration("FAKE_TOKEN_TTL", "1h"),
		refreshTTL: duration("FAKE_REFRESH_TOKEN_TTL", "720h"),
	}
	var err error
	if s.website, err = strconv.ParseBool(cmp.Or(getenv("FAKE_WEBSITE_SCOPE"), "false")); err != nil {
		problems = append(problems, errors.New("FAKE_WEBSITE_SCOPE: must be true or false"))
	}
	if s.mails, err = strconv.Atoi(cmp.Or(getenv("FAKE_OUTBOX_LIMIT"), "1000")); err != nil || s.mails < 1 || s.mails > maxMails {
		problems = append(problems, fmt.Errorf("FAKE_OUTBOX_LIMIT: must be a number from 1 to %d", maxMails))
	}
	if prefix := strings.Trim(getenv("SERVICE_PREFIX"), "/"); prefix != "" {
		s.prefix = "/" + prefix
	}
	return s, errors.Join(problems...)
}
