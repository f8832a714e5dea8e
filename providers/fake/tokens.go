package fake

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"user-manager/crud"
	"user-manager/secret"
)

// issuer is who the access tokens say they are from.
const issuer = "fake"

// signingMethod is the only one that is made and accepted.
var signingMethod = jwt.SigningMethodHS256

// claims are what an access token says.
type claims struct {
	jwt.RegisteredClaims
	Generation int64  `json:"gen"` // of the account, when the token was made
	Family     string `json:"fam"` // of the refresh token that came with it
}

// key returns the key of the account that the token was given to.
func (c claims) key() string { return strings.TrimPrefix(c.Subject, scheme) }

// accessToken makes an access token for a.
func (p *Provider) accessToken(ctx context.Context, a account, family string) (token secret.Text, expireAt time.Time, err error) {
	key, err := p.key(ctx)
	if err != nil {
		return secret.Text{}, time.Time{}, err
	}
	now := p.now()
	expireAt = now.Add(p.settings.tokenTTL + time.Second - 1).Truncate(time.Second).UTC() // tokens know whole seconds
	signed, err := jwt.NewWithClaims(signingMethod, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   a.id(),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expireAt),
			ID:        randomText(16),
		},
		Generation: a.generation,
		Family:     family,
	}).SignedString(key)
	if err != nil {
		return secret.Text{}, time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return secret.New(signed), expireAt, nil
}

// readToken returns what an access token of ours says that is not expired, or
// errNotLoggedIn.
func (p *Provider) readToken(ctx context.Context, token secret.Text) (claims, error) {
	return p.parse(ctx, token, jwt.WithExpirationRequired(), jwt.WithTimeFunc(p.now))
}

// readOldToken is readToken for a token that may be expired.
func (p *Provider) readOldToken(ctx context.Context, token secret.Text) (claims, error) {
	return p.parse(ctx, token, jwt.WithoutClaimsValidation())
}

func (p *Provider) parse(ctx context.Context, token secret.Text, options ...jwt.ParserOption) (claims, error) {
	key, err := p.key(ctx)
	if err != nil {
		return claims{}, err
	}
	var said claims
	options = append(options, jwt.WithValidMethods([]string{signingMethod.Alg()}))
	_, err = jwt.ParseWithClaims(token.Reveal(), &said, func(*jwt.Token) (any, error) { return key, nil }, options...)
	if err != nil || said.Issuer != issuer || !strings.HasPrefix(said.Subject, scheme) {
		return claims{}, errNotLoggedIn
	}
	return said, nil
}

// signingKeyName is what the signing key is called among the fake's settings.
const signingKeyName = "signing-key"

// key returns the key that access tokens are signed with. The first who needs it
// makes it; of several who do at once, the store's unique index lets one succeed.
func (p *Provider) key(ctx context.Context) ([]byte, error) {
	if key := p.signingKey.Load(); key != nil {
		return *key, nil
	}
	key, err := p.storedKey(ctx)
	if errors.Is(err, crud.ErrNotFound) {
		_, err = p.secrets.Insert(ctx, crud.Document{nameField: signingKeyName, valueField: randomText(32)})
		if err != nil && !errors.Is(err, crud.ErrDuplicate) {
			return nil, err
		}
		key, err = p.storedKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.signingKey.Store(&key)
	return key, nil
}

func (p *Provider) storedKey(ctx context.Context) ([]byte, error) {
	doc, err := p.secrets.First(ctx, crud.Query{Filter: crud.Document{nameField: signingKeyName}})
	if err != nil {
		return nil, err
	}
	key, err := base64.RawURLEncoding.DecodeString(text(doc, valueField))
	if err != nil || len(key) != 32 {
		return nil, errors.New("the stored signing key is damaged") // err would show it
	}
	return key, nil
}

// randomText returns n random bytes as text that fits into URLs and cookies.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
