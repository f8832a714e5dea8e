package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/secret"
)

// Login implements [providers.Authenticator].
func (p *Provider) Login(ctx context.Context, username string, password secret.Text) (providers.Session, error) {
	return call(ctx, p, "POST /oauth/token", func() (providers.Session, error) {
		a, err := p.accountNamed(ctx, username)
		if errors.Is(err, errNoSuchUser) {
			matches(nobody(), password)
			return providers.Session{}, errWrongCredentials
		}
		if err != nil {
			return providers.Session{}, err
		}
		if !matches(a.passwordHash, password) {
			return providers.Session{}, errWrongCredentials
		}
		if a.blocked {
			return providers.Session{}, errBlocked
		}
		if err := p.countLogin(ctx, a); err != nil {
			return providers.Session{}, err
		}
		return p.newSession(ctx, a)
	})
}

// accountNamed returns the account that logs in as name, or errNoSuchUser. Where a
// name is one account's email address and another's username, it is the first's.
func (p *Provider) accountNamed(ctx context.Context, name string) (account, error) {
	name = strings.ToLower(name)
	if strings.Contains(name, "@") {
		a, err := p.accountWhere(ctx, emailField, name)
		if !errors.Is(err, errNoSuchUser) {
			return a, err
		}
	}
	return p.accountWhere(ctx, usernameField, name)
}

// countLogin notes that a logs in, unless it was blocked, deleted or given another
// password since it was read: any of them makes another generation.
func (p *Provider) countLogin(ctx context.Context, a account) error {
	unchanged := crud.Query{Filter: crud.Document{keyField: a.key, generationField: a.generation}}
	n, err := p.accounts.PatchAll(ctx, unchanged, crud.Document{
		"$set": crud.Document{lastLoginField: p.now().UTC().Format("2006-01-02T15:04:05.000Z07:00")},
		"$inc": crud.Document{loginsField: 1},
	})
	if err != nil || n == 1 {
		return err
	}
	now, err := p.accountWhere(ctx, keyField, a.key)
	switch {
	case errors.Is(err, errNoSuchUser):
		return errWrongCredentials
	case err != nil:
		return err
	case now.blocked:
		return errBlocked
	}
	return errWrongCredentials
}

// A family is the refresh tokens that come from one login: a document that knows the
// hash of the one that works. A new token takes the place of the one it was given
// for, in one conditional write, so of several uses at once one wins; whoever shows
// a token that is not current any more has, or is, a stolen one, and the family goes.

// newSession begins a family for a.
func (p *Provider) newSession(ctx context.Context, a account) (providers.Session, error) {
	p.sweepSessions(ctx)
	family := randomText(16)
	session, proof, err := p.session(ctx, a, family)
	if err != nil {
		return providers.Session{}, err
	}
	_, err = p.sessions.Insert(ctx, crud.Document{
		familyField: family, accountField: a.key, generationField: a.generation,
		currentField: hashToken(proof), expiresAtField: p.refreshExpiry(),
	})
	return session, err
}

// session makes the tokens of a session, and says which of them refreshes it.
func (p *Provider) session(ctx context.Context, a account, family string) (s providers.Session, proof secret.Text, err error) {
	access, expireAt, err := p.accessToken(ctx, a, family)
	if err != nil {
		return providers.Session{}, secret.Text{}, err
	}
	if p.settings.website {
		return providers.Session{ExpireAt: expireAt, Cookies: []*http.Cookie{p.cookie(access)}}, access, nil
	}
	refresh := secret.New(family + "." + randomText(32))
	return providers.Session{AccessToken: access, RefreshToken: refresh, ExpireAt: expireAt}, refresh, nil
}

// cookie returns the cookie that is a website's session. It outlives its token, since
// it is what a new one is got for.
func (p *Provider) cookie(access secret.Text) *http.Cookie {
	return &http.Cookie{
		Name:     "sid",
		Value:    access.Reveal(),
		Path:     "/",
		MaxAge:   int(p.settings.refreshTTL / time.Second),
		HttpOnly: true,
		Secure:   false, // the fake is for plain HTTP on this machine, where browsers would drop it
		SameSite: http.SameSiteLaxMode,
	}
}

func (p *Provider) refreshExpiry() int64 { return p.now().Add(p.settings.refreshTTL).UnixMilli() }

// Refresh implements [providers.Authenticator]. A website's session has no refresh
// token and is refreshed by its cookie, once too: accessToken is the cookie's value,
// refreshToken is empty or the same.
func (p *Provider) Refresh(ctx context.Context, refreshToken, accessToken secret.Text) (providers.Session, error) {
	return call(ctx, p, "POST /refreshtoken", func() (providers.Session, error) {
		said, err := p.readOldToken(ctx, accessToken)
		if errors.Is(err, errNotLoggedIn) {
			return providers.Session{}, errRefresh
		}
		if err != nil {
			return providers.Session{}, err
		}
		if p.settings.website && (refreshToken.IsZero() || refreshToken == accessToken) {
			return p.rotate(ctx, said.key(), said.Family, accessToken)
		}
		family, _, _ := strings.Cut(refreshToken.Reveal(), ".")
		return p.rotate(ctx, said.key(), family, refreshToken)
	})
}

// rotate exchanges proof for a new session of the family, which must be of the
// account with the given key.
func (p *Provider) rotate(ctx context.Context, key, family string, proof secret.Text) (providers.Session, error) {
	a, err := p.accountOfFamily(ctx, key, family)
	if errors.Is(err, errNoSuchUser) || errors.Is(err, crud.ErrNotFound) {
		return providers.Session{}, errRefresh
	}
	if err != nil {
		return providers.Session{}, err
	}
	p.sweepSessions(ctx)
	session, next, err := p.session(ctx, a, family)
	if err != nil {
		return providers.Session{}, err
	}
	unused := crud.Query{Filter: crud.Document{familyField: family, currentField: hashToken(proof)}}
	n, err := p.sessions.PatchAll(ctx, unused, crud.Document{
		"$set": crud.Document{currentField: hashToken(next), expiresAtField: p.refreshExpiry()},
	})
	if err != nil {
		return providers.Session{}, err
	}
	if n == 0 {
		if _, err := p.sessions.DeleteAll(ctx, crud.Query{Filter: crud.Document{familyField: family}}); err != nil {
			return providers.Session{}, err
		}
		return providers.Session{}, errRefresh
	}
	return session, nil
}

// accountOfFamily returns the account with the given key if the family is its, and
// both are alive. Otherwise the error is one that is or wraps errNoSuchUser,
// errRefresh or [crud.ErrNotFound].
func (p *Provider) accountOfFamily(ctx context.Context, key, family string) (account, error) {
	doc, err := p.sessions.First(ctx, crud.Query{Filter: crud.Document{familyField: family}})
	if err != nil {
		return account{}, err
	}
	if text(doc, accountField) != key || number(doc, expiresAtField) <= p.now().UnixMilli() {
		return account{}, errRefresh
	}
	a, err := p.accountWhere(ctx, keyField, key)
	if err != nil {
		return account{}, err
	}
	if a.blocked || a.generation != number(doc, generationField) {
		return account{}, errRefresh
	}
	return a, nil
}

// UserInfo implements [providers.Authenticator]. The cookie of a website's session
// is an access token like any other.
func (p *Provider) UserInfo(ctx context.Context, t providers.Ticket) (map[string]any, error) {
	return call(ctx, p, "GET /userinfo", func() (map[string]any, error) {
		token := t.AccessToken
		if token.IsZero() {
			token = t.SessionID
		}
		said, err := p.readToken(ctx, token)
		if err != nil {
			return nil, err
		}
		a, err := p.accountWhere(ctx, keyField, said.key())
		if errors.Is(err, errNoSuchUser) {
			return nil, errNotLoggedIn
		}
		if err != nil {
			return nil, err
		}
		if a.blocked || a.generation != said.Generation {
			return nil, errNotLoggedIn
		}
		return a.userInfo(), nil
	})
}

// hashToken returns what is kept of a token that opens a session.
func hashToken(token secret.Text) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:])
}

// removeSessions removes the families of an account. They are dead already, by their
// generation or with the account, so a failure only leaves rubbish until it expires.
func (p *Provider) removeSessions(ctx context.Context, key string) {
	p.tidy(ctx, p.sessions, crud.Document{accountField: key})
}

// sweepEvery is how often expired families are removed, at most.
const sweepEvery = time.Minute

// sweepSessions removes expired families when that is due.
func (p *Provider) sweepSessions(ctx context.Context) {
	now, last := p.now(), p.sweptAt.Load()
	if now.UnixMilli() < last+sweepEvery.Milliseconds() || !p.sweptAt.CompareAndSwap(last, now.UnixMilli()) {
		return
	}
	p.tidy(ctx, p.sessions, crud.Document{expiresAtField: crud.Document{"$lte": now.UnixMilli()}})
}

// tidy removes documents that nobody needs; when that fails it is tried again some
// other time.
func (p *Provider) tidy(ctx context.Context, c crud.Collection, filter crud.Document) {
	if _, err := c.DeleteAll(ctx, crud.Query{Filter: filter}); err != nil {
		p.log.Warn("tidy up after the fake provider", "err", err)
	}
}
