package main

import (
	"context"
	"errors"
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"user-manager/metrics"
)

// loginRate is how many logins of an account may fail in a time. The zero value: any number.
type loginRate struct {
	failures int
	in       time.Duration
}

const (
	maxLoginFailures = 1000
	maxLoginTime     = 24 * time.Hour
	// addressFactor is how many times as many logins of an address may fail as of an account:
	// many people may share one.
	addressFactor = 10
)

// loginRate reads "10/1m" or "off".
func (r *reader) loginRate(name string) loginRate {
	text := r.text(name)
	if text == "off" {
		return loginRate{}
	}
	count, period, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	in, periodErr := time.ParseDuration(strings.TrimSpace(period))
	if err != nil || periodErr != nil || n < 1 || n > maxLoginFailures || in < time.Second || in > maxLoginTime {
		r.wrong(name, "must be off, or a number from 1 to %d and a time from 1s to 24h, such as 10/1m, not %q", maxLoginFailures, text)
		return loginRate{}
	}
	return loginRate{n, in}
}

// loginLimits limit how many logins of an account, and of an address, may fail in a time. Those
// that are under way count as if they were to fail, so that trying many at once gets nobody
// further; but for their room a login waits, as long as not too many do. A nil one limits nothing.
// It is safe for use by several goroutines.
//
// Neither accounts nor addresses are kept, but hashes of them that mean nothing outside of
// this process.
type loginLimits struct {
	seed      maphash.Seed
	start     time.Time     // what times are counted from
	waiting   chan struct{} // holds a value for each login that waits
	mu        sync.Mutex
	accounts  buckets // guarded by mu
	addresses buckets // guarded by mu
}

// newLoginLimits returns limits for which so many logins may wait at once.
func newLoginLimits(rate loginRate, waiting int) *loginLimits {
	if rate.failures == 0 {
		return nil
	}
	return &loginLimits{
		seed:      maphash.MakeSeed(),
		start:     time.Now(),
		waiting:   make(chan struct{}, waiting),
		accounts:  newBuckets(rate.failures, rate.in),
		addresses: newBuckets(rate.failures*addressFactor, rate.in),
	}
}

// A loginLimited is a login that may not be tried yet.
type loginLimited struct {
	reason string        // of [metrics.Metrics.Refused]
	wait   time.Duration // until the next may be tried
}

func (e *loginLimited) Error() string { return "too many failed logins" }

// errUnderWay is a login for which those under way left no room in time, or none to wait in.
var errUnderWay = errors.New("too many logins of the same account or address are under way")

// A loginAttempt is a login under way; nil is one that nobody counts.
type loginAttempt struct {
	of               *loginLimits
	account, address *bucket // address is nil when it is not known
}

// begin waits until a login of an account from an address, which may be the zero Addr, may be
// tried; the attempt must be ended. It returns a [*loginLimited] when too many have failed, and
// [errUnderWay] when too many wait, or the context is done before those under way leave room.
func (l *loginLimits) begin(ctx context.Context, username string, from netip.Addr) (*loginAttempt, error) {
	if l == nil {
		return nil, nil
	}
	account, address := l.keys(username, from)
	attempt, ended, err := l.try(account, address, from.IsValid())
	if ended == nil {
		return attempt, err
	}
	select {
	case l.waiting <- struct{}{}:
		defer func() { <-l.waiting }()
	default:
		return nil, errUnderWay
	}
	for ended != nil {
		select {
		case <-ended:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, errUnderWay
		}
		attempt, ended, err = l.try(account, address, from.IsValid())
	}
	return attempt, err
}

// keys returns what stands for an account, however its name is written, and for an address.
func (l *loginLimits) keys(username string, from netip.Addr) (account, address uint64) {
	name := strings.ToLower(strings.ToUpper(strings.TrimSpace(username))) // the upper case of ſ is that of s
	return maphash.String(l.seed, name), maphash.Comparable(l.seed, household(from))
}

// try returns an attempt, or the error of one that may not be made; or what is closed when
// a login has ended whose room this one needs.
func (l *loginLimits) try(account, address uint64, known bool) (_ *loginAttempt, ended <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	l.accounts.forget(now)
	l.addresses.forget(now)
	if wait := l.accounts.refused(account, now); wait > 0 {
		return nil, nil, &loginLimited{metrics.AccountLimited, wait}
	}
	if wait := l.addresses.refused(address, now); wait > 0 {
		return nil, nil, &loginLimited{metrics.AddressLimited, wait}
	}
	if ended := l.accounts.full(account, now); ended != nil {
		return nil, ended, nil
	}
	if ended := l.addresses.full(address, now); ended != nil {
		return nil, ended, nil
	}
	attempt := &loginAttempt{of: l, account: l.accounts.enter(account)}
	if known {
		attempt.address = l.addresses.enter(address)
	}
	return attempt, nil, nil
}

// end says how the login ended: failed when the provider refused the credentials.
func (a *loginAttempt) end(failed bool) {
	if a == nil {
		return
	}
	l := a.of
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	l.accounts.leave(a.account, failed, now)
	if a.address != nil {
		l.addresses.leave(a.address, failed, now)
	}
}
