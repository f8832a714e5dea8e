package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"user-manager/metrics"
)

// accessConfig says who may call the service, and how.
type accessConfig struct {
	keys     keyring // of the environment
	keysFile string
	fileKeys keyring // of the file, when it was read first
	open     bool    // also where others than this machine reach it
	logins   loginRate
	proxies  proxies
	tls      tlsFiles
}

func (r *reader) access() accessConfig {
	c := accessConfig{
		keys:     r.keys("API_KEYS"),
		keysFile: r.text("API_KEYS_FILE"),
		open:     r.flag("ALLOW_UNAUTHENTICATED"),
		logins:   r.loginRate("LOGIN_RATE_LIMIT"),
		proxies:  r.proxies("TRUSTED_PROXIES"),
		tls:      r.tls("TLS_CERT_FILE", "TLS_KEY_FILE"),
	}
	if c.keysFile != "" {
		var err error
		if c.fileKeys, err = readKeys(c.keysFile); err != nil {
			r.wrong("API_KEYS_FILE", "%v", err)
		}
	}
	return c
}

// asksForKeys reports whether callers need a key.
func (c accessConfig) asksForKeys() bool { return c.keys.size() > 0 || c.keysFile != "" }

// readsFiles reports whether there are files that are read again on SIGHUP.
func (c accessConfig) readsFiles() bool { return c.keysFile != "" || c.tls.pair != nil }

// reachable refuses a service that others reach and that nobody guards.
func (r *reader) reachable(cfg config) {
	switch asks := cfg.access.asksForKeys(); {
	case asks && cfg.access.open:
		r.wrong("ALLOW_UNAUTHENTICATED", "contradicts API_KEYS and API_KEYS_FILE: with them only those may call who have a key")
	case !asks && !cfg.access.open && !cfg.loopback():
		r.wrong("HTTP_HOST", "others than this machine reach the service there: set API_KEYS or API_KEYS_FILE, or ALLOW_UNAUTHENTICATED=true where a gateway in front keeps away who must not call")
	}
}

// access decides who may call. It is safe for use by several goroutines.
type access struct {
	log         *slog.Logger
	metrics     *metrics.Metrics
	config      accessConfig
	keys        atomic.Pointer[keyring]
	certificate *certificate // nil: no TLS
	logins      *loginLimits // nil: failed logins are not limited
}

func newAccess(cfg config, m *metrics.Metrics, log *slog.Logger) *access {
	c := cfg.access
	a := &access{log: log, metrics: m, config: c, certificate: newCertificate(c.tls)}
	a.logins = newLoginLimits(c.logins, cfg.http.maxRequests/2) // those that wait have places of requests
	keys := c.keys.and(c.fileKeys)
	a.keys.Store(&keys)
	return a
}

type keyHolder struct{}

// recognized takes the key of a caller off the request, so that it goes nowhere else, and
// notes that there was one. Keys that are not ours go on: they are for the provider.
func (a *access) recognized(next http.Handler) http.Handler {
	if !a.config.asksForKeys() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, found := a.keys.Load().takeKeys(r.Header)
		ctx := r.Context()
		if found {
			ctx = context.WithValue(ctx, keyHolder{}, true)
		}
		r = r.WithContext(ctx) // another request, whose header may be another
		r.Header = header
		next.ServeHTTP(w, r)
	})
}

// guarded is next for those who have a key.
func (a *access) guarded(next http.Handler) http.Handler {
	if !a.config.asksForKeys() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(keyHolder{}) != nil {
			next.ServeHTTP(w, r)
			return
		}
		a.metrics.Refused(metrics.NoKey)
		message := "client-key: is required: one of this service's API keys, in this header or in secret"
		for _, name := range keyHeaders {
			if r.Header.Get(name) != "" {
				message = "client-key: is none of this service's API keys"
			}
		}
		leaveBody(w, r)
		w.Header().Set("WWW-Authenticate", `ApiKey header="client-key"`)
		turnAway(w, http.StatusUnauthorized, message)
	})
}

// reloads reads the files of keys and of the certificate again for each value of asked, until
// ctx is done.
func (a *access) reloads(ctx context.Context, asked <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
			a.reload(ctx)
		}
	}
}

// reload reads the files of keys and of the certificate again. One that cannot be used is
// logged, and what it had before stays.
func (a *access) reload(ctx context.Context) {
	if a.config.keysFile != "" {
		if fileKeys, err := readKeys(a.config.keysFile); err != nil {
			a.log.ErrorContext(ctx, "keys not read again, those of before stay", "err", err)
		} else {
			keys := a.config.keys.and(fileKeys)
			a.keys.Store(&keys)
			a.log.InfoContext(ctx, "keys read again", "keys", keys.size())
		}
	}
	if a.certificate != nil {
		if err := a.certificate.reload(); err != nil {
			a.log.ErrorContext(ctx, "certificate not read again, the one of before stays", "err", err)
		} else {
			a.log.InfoContext(ctx, "certificate read again", "validUntil", a.certificate.end())
		}
	}
	a.warn(ctx)
}

// warn logs what will be, or is, a problem with the keys and the certificate.
func (a *access) warn(ctx context.Context) {
	if short := a.keys.Load().short; short > 0 {
		a.log.WarnContext(ctx, "keys that can be found by trying: they should have more characters", "keys", short, "characters", shortKey)
	}
	if a.certificate == nil {
		return
	}
	switch end := a.certificate.end(); {
	case time.Now().After(end):
		a.log.WarnContext(ctx, "the certificate is over", "validUntil", end)
	case time.Until(end) < soon:
		a.log.WarnContext(ctx, "the certificate ends soon", "validUntil", end)
	}
}
