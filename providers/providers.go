// Package providers says what an authentication provider is: the service that holds
// the accounts people log in with. Each driver lives in a package of its own below
// this one and makes itself known with [Register]; providertest is the suite that
// every driver passes.
package providers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"user-manager/secret"
	"user-manager/upstream"
)

// Kinds of refusal. A driver returns them as the cause of an [*upstream.Error], made
// with [Refuse], so that errors.Is finds them and the provider's own words are kept.
var (
	ErrInvalid      = errors.New("account data refused")
	ErrUnauthorized = errors.New("credentials refused")
	ErrNotFound     = errors.New("account not found")
	ErrConflict     = errors.New("account already exists")
)

// ErrMisconfigured is the cause of an [*upstream.Error] when the provider refuses what the
// service itself is configured with, such as its client, its secret or a scope: whoever
// called the service is not to blame.
var ErrMisconfigured = errors.New("the service's own settings are refused")

// Taken is the cause of a conflict over a property that must be unique; errors.Is
// finds [ErrConflict] in it. A driver returns it where the provider says which it is.
type Taken struct {
	Property string // "email", "username"
}

// Error says which property is taken, and nothing of its value.
func (t Taken) Error() string { return ErrConflict.Error() + ": its " + t.Property + " is taken" }

// Unwrap returns [ErrConflict].
func (Taken) Unwrap() error { return ErrConflict }

// Service is how providers are called in error messages.
const Service = "Auth"

// Refuse returns the error for a provider's definite no: nothing was changed.
// route is the call, such as "POST /users"; message is the provider's own.
func Refuse(route string, reason error, message string) error {
	return &upstream.Error{Service: Service, Route: route, Status: refusalStatus(reason), Message: message, Err: reason}
}

func refusalStatus(reason error) int {
	switch {
	case errors.Is(reason, ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(reason, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(reason, ErrConflict):
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

// Provider is what every driver can do. All methods may be called at once from
// several goroutines and return soon after ctx is done. Their errors are
// [*upstream.Error] values of service [Service]; those with a 4xx status changed
// nothing, any other may have come after the work was done.
type Provider interface {
	Authenticator
	Directory
	Mailer
}

// Authenticator lets people in.
type Authenticator interface {
	// Login exchanges a user name or email address and a password for a session.
	// Wrong credentials and a blocked account are ErrUnauthorized.
	Login(ctx context.Context, username string, password secret.Text) (Session, error)
	// Refresh exchanges a refresh token, and the access token it came with (expired
	// or not), for a new session. A refresh token works once. One that is unknown,
	// used or of a blocked or deleted account is ErrUnauthorized. A session of cookies
	// has no refresh token: the value of its "sid" takes the place of both, given as
	// accessToken.
	Refresh(ctx context.Context, refreshToken, accessToken secret.Text) (Session, error)
	// UserInfo returns the properties of the account that t was given to, "sub"
	// among them. A ticket that is missing, expired or of a blocked or deleted
	// account is ErrUnauthorized.
	UserInfo(ctx context.Context, t Ticket) (map[string]any, error)
}

// Directory keeps accounts.
type Directory interface {
	// Create makes an account. An email address or user name that is taken is
	// ErrConflict; data that the provider does not accept is ErrInvalid.
	Create(ctx context.Context, a NewAccount) (Account, error)
	// Find returns the account that a Create with a.Key made, for the caller that
	// never saw its answer, or ErrNotFound.
	Find(ctx context.Context, a NewAccount) (Account, error)
	// Account returns the account with the given id, or ErrNotFound.
	Account(ctx context.Context, id string) (Account, error)
	// Update changes the account and returns it. Errors are those of Create, and
	// ErrNotFound. To block an account ends its sessions.
	Update(ctx context.Context, id string, c Change) (Account, error)
	// Delete removes the account, or returns ErrNotFound (which a provider that
	// does not tell may leave out).
	Delete(ctx context.Context, id string) error
}

// Mailer sends mails to the owners of accounts.
type Mailer interface {
	// ChangePassword sends the account's owner a mail with a link that sets a new
	// password. An unknown id is ErrNotFound; an account without an address is
	// ErrInvalid.
	ChangePassword(ctx context.Context, id string) error
}

// Pinger is a [Provider] that can say whether its service can be reached.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Remote is a [Provider] that is called over the network.
type Remote interface {
	// State tells whether its services are called.
	State() []upstream.State
}

// Frontend is a [Provider] with pages of its own, served below a path of the
// service, such as the fake's outbox.
type Frontend interface {
	Mount() Pages
}

// Pages are what a [Frontend] serves. Their handler is given paths without the service's
// prefix.
type Pages struct {
	Path    string // of all of them, such as "/fake/"
	Handler http.Handler
	// Linked are the paths that links in mails lead to: whoever has such a link may open it.
	// The others are for those who may call the service.
	Linked []string
}

// An Account is the side of a user that logs in.
type Account struct {
	ID       string // the provider's id: the user's authUserId
	Username string // "" for none
	Email    string // "" for none
	Blocked  bool
	// Properties are all that the provider tells of the account, by its own names.
	Properties map[string]any
}

// NewAccount is what an account is made of. An account needs a user name or an
// email address.
type NewAccount struct {
	// Key is 24 lower-case hexadecimal digits, never used before. A provider that
	// lets its client choose makes the account's id of it.
	Key      string
	Username string
	Email    string
	Password secret.Text
	Blocked  bool
}

// Change is what is to become of an account; a nil field stays as it is.
type Change struct {
	Username *string // "" removes it
	Email    *string // "" removes it
	Blocked  *bool
}

// Session is a login that worked: tokens, or cookies when the provider keeps the
// session itself.
type Session struct {
	AccessToken  secret.Text
	RefreshToken secret.Text
	ExpireAt     time.Time // of the access token
	// Cookies, when not empty, are all there is: the answer to the client has them
	// and no body. One with a Raw line is handed on as that.
	Cookies []*http.Cookie
}

// Ticket is what a logged-in client shows: an access token, or the value of its
// "sid" cookie.
type Ticket struct {
	AccessToken secret.Text
	SessionID   secret.Text
}
