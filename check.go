package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/upstream"
)

// A finding is how something is that the configuration names.
type finding struct {
	what, where string
	err         error
}

// check looks whether everything that a right configuration names is there, and prints a
// line for each. It changes nothing, takes no port, and may run beside the service.
func check(ctx context.Context, cfg config, lookup func(string) (string, bool), stdout io.Writer) error {
	log := slog.New(slog.DiscardHandler) // what is wrong is printed
	findings := append([]finding{
		{what: "configuration", where: "in the environment"},
		findStore(ctx, cfg, log),
		findProvider(ctx, cfg, lookup, log),
	}, findOthers(ctx, cfg, log)...)
	findings = append(findings, findFiles(cfg.access)...)
	findings = append(findings, finding{"uploads", os.TempDir(), embedded.CheckFolder(os.TempDir())})
	if ctx.Err() != nil {
		return fmt.Errorf("check: broken off: %w", ctx.Err())
	}
	wrong := 0
	for _, f := range findings {
		result := "OK"
		if f.err != nil {
			result = chain(f.err) + refusedSettings(f.err)
			wrong++
		}
		if _, err := fmt.Fprintf(stdout, "%-14s %s: %s\n", f.what, f.where, result); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("check: %d of %d are not as they must be", wrong, len(findings))
	}
	return nil
}

// findStore looks at the file of the embedded store and tries the collections in memory, or
// reads from those of a CRUD Service.
func findStore(ctx context.Context, cfg config, log *slog.Logger) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if cfg.store.url == "" {
		file := cfg.store.path
		cfg.store.path = ":memory:"
		s, err := openEmbedded(ctx, cfg, log, upstream.Observer{})
		if err == nil {
			err = s.Close()
		}
		return finding{"store", "embedded in " + file, errors.Join(err, embedded.CheckFile(file))}
	}
	s, err := openNetwork(cfg, nil, log, upstream.Observer{})
	if err == nil {
		err = s.check(ctx)
	}
	return finding{"store", "CRUD Service at " + cfg.store.url, err}
}

func findProvider(ctx context.Context, cfg config, lookup func(string) (string, bool), log *slog.Logger) finding {
	f := finding{what: "provider", where: cfg.provider}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	provider, err := providers.Open(ctx, cfg.provider, providers.Settings{Getenv: getenv(lookup), Log: log, Timeout: cfg.upstreamTimeout})
	if err != nil {
		f.err = err
		return f
	}
	if pinger, ok := provider.(providers.Pinger); ok {
		f.err = pinger.Ping(ctx)
	}
	if closer, ok := provider.(io.Closer); ok {
		f.err = errors.Join(f.err, closer.Close())
	}
	return f
}

// findOthers asks Rönd and the Timer Service, where they are to be made use of.
func findOthers(ctx context.Context, cfg config, log *slog.Logger) []finding {
	ask := func(f finding, ping func(context.Context) error) finding {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if f.err == nil {
			f.err = ping(ctx)
		}
		return f
	}
	var found []finding
	if cfg.rond.url != "" {
		g, err := openGrants(cfg, nil, log, upstream.Observer{})
		found = append(found, ask(finding{"Rönd", cfg.rond.url, err}, g.ping))
	}
	if cfg.timers.url != "" {
		t, err := networkTimers(cfg, nil, log, upstream.Observer{})
		found = append(found, ask(finding{"Timer Service", cfg.timers.url, err}, t.ping))
	}
	return found
}

// findFiles are the files of keys and certificates, which the configuration has read.
func findFiles(c accessConfig) []finding {
	var found []finding
	if c.keysFile != "" {
		found = append(found, finding{what: "API keys", where: c.keysFile})
	}
	if c.tls.pair != nil {
		f := finding{what: "certificate", where: c.tls.cert}
		if end := newCertificate(c.tls).end(); time.Now().After(end) {
			f.err = fmt.Errorf("it was valid until %s", end.UTC().Format(time.RFC3339))
		}
		found = append(found, f)
	}
	return found
}
