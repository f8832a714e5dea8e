package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/metrics"
)

var (
	home  = netip.MustParseAddr("203.0.113.9")
	there = netip.MustParseAddr("198.51.100.1")
)

// fail makes a login that fails, and reports why it may not be made.
func (l *loginLimits) fail(t *testing.T, username string, from netip.Addr) error {
	t.Helper()
	attempt, err := l.begin(t.Context(), username, from)
	attempt.end(true)
	return err
}

// wantLimited checks that err is a refusal for the reason, which ends after wait.
func wantLimited(t *testing.T, err error, reason string, wait time.Duration) {
	t.Helper()
	limited, ok := errors.AsType[*loginLimited](err)
	if !ok || limited.reason != reason || limited.wait != wait {
		t.Errorf("got %v (%+v), want %s for %v", err, limited, reason, wait)
	}
}

func TestFailedLoginsOfAnAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimits(loginRate{3, time.Minute}, 1000)
		for range 3 {
			if err := l.fail(t, "ann@example.com", home); err != nil {
				t.Fatal(err)
			}
		}
		for _, same := range []string{"ann@example.com", " Ann@Example.COM\n", "ANN@EXAMPLE.COM"} {
			wantLimited(t, l.fail(t, same, there), metrics.AccountLimited, 20*time.Second)
		}
		if err := l.fail(t, "bob@example.com", home); err != nil {
			t.Errorf("another account: %v", err)
		}
		time.Sleep(5 * time.Second)
		wantLimited(t, l.fail(t, "ann@example.com", home), metrics.AccountLimited, 15*time.Second)
		time.Sleep(15 * time.Second)
		if err := l.fail(t, "ann@example.com", home); err != nil {
			t.Errorf("after the time that was named: %v", err)
		}
		wantLimited(t, l.fail(t, "ann@example.com", home), metrics.AccountLimited, 20*time.Second)
		time.Sleep(time.Hour)
		for range 3 { // no more than a full bucket
			if err := l.fail(t, "ann@example.com", home); err != nil {
				t.Fatal(err)
			}
		}
		wantLimited(t, l.fail(t, "ann@example.com", home), metrics.AccountLimited, 20*time.Second)
	})
}

func TestFailedLoginsOfAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimits(loginRate{1, time.Minute}, 1000)
		for n := range 10 {
			if err := l.fail(t, fmt.Sprint("user", n), netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", n))); err != nil {
				t.Fatal(err)
			}
		}
		wantLimited(t, l.fail(t, "another", netip.MustParseAddr("2001:db8::ffff:1")), metrics.AddressLimited, 6*time.Second)
		for what, from := range map[string]netip.Addr{"the next network": netip.MustParseAddr("2001:db8:0:1::1"), "of IPv4": home, "not known": {}} {
			if err := l.fail(t, "from "+what, from); err != nil {
				t.Errorf("an address %s: %v", what, err)
			}
		}
		for n := range 100 { // addresses that are not known are not one address
			if err := l.fail(t, fmt.Sprint("person", n), netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestLoginsThatSucceed take nothing, nor do those that the provider did not answer.
func TestLoginsThatSucceed(t *testing.T) {
	t.Parallel()
	l := newLoginLimits(loginRate{2, time.Minute}, 1000)
	for range 1000 {
		attempt, err := l.begin(t.Context(), "ann", home)
		if err != nil {
			t.Fatal(err)
		}
		attempt.end(false)
	}
	if n := len(l.accounts.byKey) + len(l.addresses.byKey); n != 0 {
		t.Errorf("%d buckets are kept", n)
	}
}

// TestLoginsUnderWay: as many as may fail are under way, the others wait; when those fail the
// others are refused without being tried, when they succeed the others go on.
func TestLoginsUnderWay(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("they fail: ", fails), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLoginLimits(loginRate{10, time.Hour}, 1000)
				var tried, refused atomic.Int64
				var people sync.WaitGroup
				began := time.Now()
				for range 100 {
					people.Go(func() {
						attempt, err := l.begin(t.Context(), "ann", home)
						if err != nil {
							refused.Add(1)
							return
						}
						tried.Add(1)
						time.Sleep(time.Second) // the provider's
						attempt.end(fails)
					})
				}
				synctest.Wait()
				if n := tried.Load(); n != 10 {
					t.Errorf("%d are under way, want 10", n)
				}
				people.Wait()
				wantTried, wantTook := int64(100), 10*time.Second
				if fails {
					wantTried, wantTook = 10, time.Second
				}
				if tried.Load() != wantTried || refused.Load() != 100-wantTried || time.Since(began) != wantTook {
					t.Errorf("%d tried, %d refused, in %v; want %d and the others in %v", tried.Load(), refused.Load(), time.Since(began), wantTried, wantTook)
				}
			})
		})
	}
}

func TestLoginThatWaitsForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimits(loginRate{1, time.Hour}, 1000)
		first, err := l.begin(t.Context(), "ann", home)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := l.begin(ctx, "ann", there); !errors.Is(err, errUnderWay) || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		first.end(false)
		if attempt, err := l.begin(t.Context(), "ann", there); err != nil {
			t.Error(err)
		} else {
			attempt.end(false)
		}
	})
}

// TestBucketsAreBounded: of too many those are dropped that are nearest to full, and with time
// all are.
func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimits(loginRate{5, time.Minute}, 1000)
		l.accounts.most = 100
		for range 5 {
			if err := l.fail(t, "ann", netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		}
		underWay, err := l.begin(t.Context(), "bob", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10_000 {
			if err := l.fail(t, fmt.Sprint("user", n), netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(l.accounts.lacking) != 100 || len(l.accounts.byKey) != 101 {
			t.Errorf("%d buckets of failed logins and %d in all, want 100 and 101", len(l.accounts.lacking), len(l.accounts.byKey))
		}
		wantLimited(t, l.fail(t, "ann", netip.Addr{}), metrics.AccountLimited, 12*time.Second)
		underWay.end(false)
		time.Sleep(time.Hour)
		for range 10 {
			attempt, err := l.begin(t.Context(), "eve", netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			attempt.end(false)
		}
		if n := len(l.accounts.byKey); n != 0 {
			t.Errorf("%d buckets are left", n)
		}
	})
}

// TestManyLogins: whatever happens at once, no account has more failures in a time than it
// may, and nothing is left under way.
func TestManyLogins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoginLimits(loginRate{5, time.Minute}, 1000)
		l.accounts.most, l.addresses.most = 1000, 1000
		var failures [8]atomic.Int64
		var people sync.WaitGroup
		for n := range 200 {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			people.Go(func() {
				for range 50 {
					who := random.IntN(len(failures))
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(5000))*time.Millisecond)
					attempt, err := l.begin(ctx, fmt.Sprint("user", who), netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(3))}))
					cancel()
					if err != nil {
						continue
					}
					time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
					failed := random.IntN(2) == 0
					if failed {
						failures[who].Add(1)
					}
					attempt.end(failed)
				}
			})
		}
		began := time.Now()
		people.Wait()
		most := 5 + int64(time.Since(began)/(12*time.Second))
		for who := range failures {
			if n := failures[who].Load(); n > most || n == 0 {
				t.Errorf("%d logins of one account failed in %v, want up to %d", n, time.Since(began), most)
			}
		}
		for _, b := range []*buckets{&l.accounts, &l.addresses} {
			for _, one := range b.byKey {
				if one.underWay != 0 || one.ended != nil || b.lacking[one.place] != one {
					t.Errorf("left behind: %+v", *one)
				}
			}
		}
	})
}

func TestConfigOfTheLoginRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]loginRate{
		"": {10, time.Minute}, "10/1m": {10, time.Minute}, "3 / 1h30m": {3, 90 * time.Minute}, "1/1s": {1, time.Second}, "1000/24h": {1000, 24 * time.Hour}, "off": {},
	} {
		cfg, err := loadConfig(environment(map[string]string{"LOGIN_RATE_LIMIT": text}))
		if err != nil || cfg.access.logins != want {
			t.Errorf("LOGIN_RATE_LIMIT=%s is %v, %v; want %v", text, cfg.access.logins, err, want)
		}
	}
	for _, text := range []string{"10", "10/m", "0/1m", "-1/1m", "1001/1m", "10/500ms", "10/25h", "ten/1m", "/", "10/1m/1m", "false", "1.5/1m"} {
		_, err := loadConfig(environment(map[string]string{"LOGIN_RATE_LIMIT": text}))
		if err == nil || !strings.Contains(err.Error(), `LOGIN_RATE_LIMIT: must be off, or a number from 1 to 1000 and a time from 1s to 24h, such as 10/1m, not "`+text) {
			t.Errorf("LOGIN_RATE_LIMIT=%s: %v", text, err)
		}
	}
}

// BenchmarkLoginLimit is what the limit costs a login that nothing hinders.
func BenchmarkLoginLimit(b *testing.B) {
	l := newLoginLimits(loginRate{10, time.Minute}, 1000)
	b.ReportAllocs()
	for b.Loop() {
		attempt, err := l.begin(b.Context(), "ann@example.com", home)
		if err != nil {
			b.Fatal(err)
		}
		attempt.end(false)
	}
}
