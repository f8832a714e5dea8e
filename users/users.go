// Package users joins the two places where a user lives: the document in the store
// and the account at the provider. Every operation on a user reaches both, or is
// undone. Start with orders.go: it has the order of the steps of each operation and
// how each step is taken back; sequence.go carries them out.
package users

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/rond"
	"user-manager/timer"
	"user-manager/upstream"
)

// Kinds of [Refusal].
var (
	ErrInvalid      = errors.New("invalid")
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("conflict")
	ErrUnauthorized = errors.New("unauthorized")
	ErrTooEarly     = errors.New("too early")
)

// A Refusal is a no of this package's own, before anything was changed. Its message
// is for the caller: it names the field and holds no other user's data.
type Refusal struct {
	Kind    error // one of the kinds above
	Message string
	// problems say how a user does not match its group's schema, if that is why.
	problems []string
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Refusal{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// A Config says with what users are managed, and how.
type Config struct {
	Users  crud.Collection
	Groups crud.Collection
	// Roles resolves permissions; nil: there are none.
	Roles *crud.Collection
	// Journal notes operations while they are under way, so that the next start can
	// finish or undo them, and so that no two processes are at work on one user; its field
	// "lock" must be unique. nil: they are noted in memory only.
	Journal *crud.Collection
	// StoreIsOurs says that no other process works on the store: then whatever the
	// journal has open at start is left over from a crash.
	StoreIsOurs bool
	// OpenJob reports whether the activation with the given id is still to be gone on with.
	// nil: none outlives its process, and what one left is undone.
	OpenJob  func(ctx context.Context, id string) (bool, error)
	Provider providers.Provider
	// Rond grants the roles of users to their accounts; nil: the store keeps them, and that
	// is all.
	Rond *rond.Client
	// Timers has users blocked when they expire; nil: nobody is.
	Timers *timer.Client
	// ScheduleImported: imported users are blocked then too.
	ScheduleImported bool
	Log              *slog.Logger
	// Timeout bounds each call of the provider; the store's client has its own.
	Timeout time.Duration
	// FanOut bounds the calls of upstreams that one request or job makes at once; 0:
	// [upstream.FanOut].
	FanOut int
	Now    func() time.Time // nil: time.Now

	// HardDelete: deleting a user deletes the account; otherwise it is blocked.
	HardDelete bool
	// RandomPassword: accounts always get a random password.
	RandomPassword bool
	// PasswordLength of random passwords, at least 8.
	PasswordLength int
	// UserIDKey is the property of the provider's user info that holds the id of
	// the account.
	UserIDKey string
	// InfoFields says what of the user is added to its user info.
	InfoFields UserInfoFields
}

// Service manages users. Its methods may be called from several goroutines;
// operations on one user never overlap: an activation, which may take long, marks the user
// instead, and every other is refused meanwhile. Several Services may share a store that is
// not ours if they share a Journal too, by which they keep out of each other's way
// (shared.go).
type Service struct {
	Config
	provider  bounded
	importer  providers.Importer // nil: the provider takes one account at a time
	groups    *groups
	journal   *journal
	recovered atomic.Bool // the notes of earlier processes are known
	markedAt  time.Time   // when marks were last looked for; Recover's and then Run's
	locks     upstream.Locks
	// withoutTimer holds a value when an import may have made users without a timer.
	withoutTimer chan struct{}
}

// New returns a Service. Call [Service.Run] to have it settle what operations left
// open.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.FanOut = cmp.Or(cfg.FanOut, upstream.FanOut)
	provider := bounded{cfg.Provider, cfg.Timeout, cfg.FanOut}
	importer, _ := cfg.Provider.(providers.Importer)
	cfg.Provider = nil // only within bounds
	return &Service{
		Config:       cfg,
		provider:     provider,
		importer:     importer,
		groups:       newGroups(cfg.Groups),
		withoutTimer: make(chan struct{}, 1),
		journal:      newJournal(cfg.Journal, cfg.Now, importer != nil, !cfg.StoreIsOurs),
	}
}

// newKey returns 24 hexadecimal digits that were never used before.
func newKey() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
