package auth0

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// tokenCalls counts the calls for tokens and makes them, each after a second, or lets them
// fail.
type tokenCalls struct {
	next   http.RoundTripper
	count  atomic.Int64
	broken atomic.Bool
}

func (c *tokenCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/oauth/token" {
		c.count.Add(1)
		if err := upstream.Wait(req.Context(), time.Second); err != nil {
			return nil, err
		}
		if c.broken.Load() {
			return nil, errors.New("connection lost")
		}
	}
	return c.next.RoundTrip(req)
}

// withTokens returns a provider of the tenant and what counts its tokens.
func withTokens(t *testing.T, cfg auth0test.Config, more map[string]string) (*Provider, *tokenCalls) {
	t.Helper()
	calls := &tokenCalls{next: crud.InProcess(auth0test.New(cfg))}
	return open(t, calls, more), calls
}

// unknown asks for an account that does not exist.
func unknown(ctx context.Context, p *Provider) error {
	_, err := p.Account(ctx, "auth0|0123456789abcdef01234567")
	return err
}

func wantUnknown(t *testing.T, p *Provider) {
	t.Helper()
	if err := unknown(t.Context(), p); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("%v, want that there is no account", err)
	}
}

func TestTokenIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, calls := withTokens(t, auth0test.Config{}, nil)
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() { wantUnknown(t, p) })
		}
		group.Wait()
		time.Sleep(23 * time.Hour)
		wantUnknown(t, p)
		if got := calls.count.Load(); got != 1 {
			t.Errorf("%d tokens were fetched, want 1", got)
		}
		time.Sleep(58 * time.Minute) // it is valid for two more
		for range 3 {
			wantUnknown(t, p)
		}
		if got := calls.count.Load(); got != 2 {
			t.Errorf("%d tokens were fetched until the first expires, want 2", got)
		}
	})
}

// TestTokenThatCannotBeRenewed: the old one goes on while it is valid.
func TestTokenThatCannotBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, calls := withTokens(t, auth0test.Config{}, nil)
		wantUnknown(t, p)
		calls.broken.Store(true)
		time.Sleep(24*time.Hour - time.Minute)
		wantUnknown(t, p)
		wantUnknown(t, p)
		if got := calls.count.Load(); got > 1+3 { // tries of one call
			t.Errorf("%d calls for tokens, want one more with its tries", got)
		}
		time.Sleep(2 * time.Minute)
		err := unknown(t.Context(), p)
		if failed, ok := errors.AsType[*upstream.Error](err); !ok || failed.Status != 0 || !failed.NotDone || failed.Route != tokenRoute {
			t.Errorf("%#v, want that nothing was done, for want of a token", err)
		}
		calls.broken.Store(false)
		time.Sleep(10 * time.Second)
		wantUnknown(t, p)
	})
}

// TestWaitersForAToken: each leaves when its own context is done, and the fetch ends with
// the last.
func TestWaitersForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, calls := withTokens(t, auth0test.Config{}, nil)
		var group sync.WaitGroup
		leave := func(after time.Duration) {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				start := time.Now()
				err := unknown(ctx, p)
				if !errors.Is(err, context.DeadlineExceeded) || !upstream.Refused(err) || time.Since(start) != after {
					t.Errorf("%v after %v, want the end of its time after %v", err, time.Since(start), after)
				}
			})
		}
		leave(100 * time.Millisecond)
		synctest.Wait()
		leave(500 * time.Millisecond)
		group.Go(func() { wantUnknown(t, p) }) // which the first does not take along
		group.Wait()
		if got := calls.count.Load(); got != 1 {
			t.Errorf("%d tokens were fetched, want 1", got)
		}
		time.Sleep(nextRequest)
		p.tokens.drop(p.tokens.held().value)
		leave(100 * time.Millisecond)
		leave(200 * time.Millisecond)
		group.Wait()
		if len(p.tokens.fetches.underWay) != 0 {
			t.Error("a fetch for which nobody waits is under way")
		}
		wantUnknown(t, p)
	})
}

// TestRefusedToken: a token that the Management API refuses is given up.
func TestRefusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, calls := withTokens(t, auth0test.Config{}, nil)
		wantUnknown(t, p)
		time.Sleep(nextRequest)
		p.tokens.mu.Lock()
		good := p.tokens.current.value.Reveal()
		p.tokens.current.value = secret.New(good[:len(good)-9] + "forged000")
		p.tokens.mu.Unlock()
		wantUnknown(t, p)
		if got := calls.count.Load(); got != 2 {
			t.Errorf("%d tokens were fetched, want 2", got)
		}
	})
}

// TestMisconfigured: what the tenant has against the service's own settings is never the
// caller's fault.
func TestMisconfigured(t *testing.T) {
	account := func(ctx context.Context, p *Provider) error { return unknown(ctx, p) }
	login := func(ctx context.Context, p *Provider) error {
		_, err := p.Login(ctx, "ada", secret.New("Correct-Horse-7"))
		return err
	}
	refresh := func(ctx context.Context, p *Provider) error {
		_, err := p.Refresh(ctx, secret.New("a token"), secret.Text{})
		return err
	}
	ping := func(ctx context.Context, p *Provider) error { return p.Ping(ctx) }
	imports := func(ctx context.Context, p *Provider) error {
		_, err := p.Import(ctx, []providers.ImportAccount{{Key: "0123456789abcdef01234567", Email: "ada@example.com"}})
		return err
	}
	type variables = map[string]string
	tests := map[string]struct {
		cfg  auth0test.Config
		more variables
		call func(context.Context, *Provider) error
	}{
		"wrong secret of the manager":      {auth0test.Config{}, variables{"AUTH0_MANAGEMENT_CLIENT_SECRET": "wrong"}, account},
		"unknown manager":                  {auth0test.Config{}, variables{"AUTH0_MANAGEMENT_CLIENT_ID": "nobody"}, account},
		"no grant for the manager":         {auth0test.Config{}, variables{"AUTH0_MANAGEMENT_CLIENT_ID": "", "AUTH0_MANAGEMENT_CLIENT_SECRET": ""}, account},
		"another tenant's API":             {auth0test.Config{Domain: "other.test"}, nil, account},
		"no scope":                         {auth0test.Config{Scopes: []string{"create:users"}}, nil, account},
		"no scope, at ping":                {auth0test.Config{Scopes: []string{"read:users", "create:users", "update:users"}}, nil, ping},
		"no scope at all, at ping":         {auth0test.Config{Scopes: []string{}}, nil, ping},
		"wrong secret, at ping":            {auth0test.Config{}, variables{"AUTH0_MANAGEMENT_CLIENT_SECRET": "wrong"}, ping},
		"unknown connection, at ping":      {auth0test.Config{}, variables{"AUTH_CONNECTION": "nowhere"}, ping},
		"wrong secret, at login":           {auth0test.Config{}, variables{"AUTH0_CLIENT_SECRET": "wrong"}, login},
		"unknown application, at login":    {auth0test.Config{}, variables{"AUTH0_CLIENT_ID": "nobody"}, login},
		"an application without passwords": {auth0test.Config{}, variables{"AUTH0_CLIENT_ID": auth0test.ManagementClientID, "AUTH0_CLIENT_SECRET": auth0test.ManagementClientSecret}, login},
		"wrong audience, at login":         {auth0test.Config{}, variables{"AUTH0_AUDIENCE": "https://nowhere"}, login},
		"unknown connection, at login":     {auth0test.Config{}, variables{"AUTH_CONNECTION": "nowhere"}, login},
		"wrong secret, at refresh":         {auth0test.Config{}, variables{"AUTH0_CLIENT_SECRET": "wrong"}, refresh},
		"unknown connection, at import":    {auth0test.Config{}, variables{"AUTH_CONNECTION": "nowhere"}, imports},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, crud.InProcess(auth0test.New(test.cfg)), test.more)
				err := test.call(t.Context(), p)
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || !errors.Is(err, providers.ErrMisconfigured) || failed.Message == "" || !failed.Refused() {
					t.Errorf("%#v, want words about the settings", err)
				}
			})
		})
	}
}
