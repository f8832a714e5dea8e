// User-manager manages the users of an application: their data in a store and their
// accounts at an authentication provider, always both. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/sync/errgroup"

	"user-manager/metrics"
	"user-manager/providers"
	_ "user-manager/providers/auth0"
	_ "user-manager/providers/auth0client"
	_ "user-manager/providers/fake"
	"user-manager/users"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.LookupEnv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "user-manager:", err)
		os.Exit(1)
	}
}

// run wires the service and serves until ctx is done.
func run(ctx context.Context, lookup func(string) (string, bool), stdout io.Writer) error {
	cfg, err := loadConfig(lookup)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	log := newLog(stdout, cfg.logLevel)
	service, err := open(ctx, cfg, lookup, log)
	if err != nil {
		return err
	}
	defer service.close()

	ln, err := net.Listen("tcp", net.JoinHostPort(cfg.host, cfg.port)) // here, so a taken port is run's error
	if err != nil {
		return err
	}
	service.announce(ctx, ln.Addr())
	g, ctx := errgroup.WithContext(ctx) // the first to fail stops the others
	service.api.stopping = ctx.Done()
	handler := service.api.handler()
	g.Go(func() error { return serve(ctx, cfg.http, log, ln, handler) })
	g.Go(func() error { return service.api.users.Run(ctx) })
	g.Go(func() error { return service.api.jobs.Run(ctx) })
	g.Go(func() error { return service.api.timers.run(ctx, handler) })
	err = g.Wait()
	if resigned := service.api.users.Resign(context.WithoutCancel(ctx)); resigned != nil {
		log.WarnContext(ctx, "process not taken off the journal", "err", resigned)
	}
	return err
}

// service is everything that run serves, and what has to be closed after it.
type service struct {
	cfg     config
	log     *slog.Logger
	store   *store
	api     *api
	closers []io.Closer
}

// open opens the store, the provider and the other neighbours, and settles what an earlier
// process left open.
func open(ctx context.Context, cfg config, lookup func(string) (string, bool), log *slog.Logger) (_ *service, err error) {
	s := &service{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.store, err = openStore(ctx, cfg, log); err != nil {
		return nil, fmt.Errorf("open store (EMBEDDED_PATH=%s): %w", cfg.store.path, err)
	}
	s.closers = append(s.closers, s.store)
	provider, err := providers.Open(ctx, cfg.provider, providers.Settings{Getenv: getenv(lookup), Log: log, Local: s.store.local(), Timeout: cfg.upstreamTimeout})
	if err != nil {
		return nil, err
	}
	if closer, ok := provider.(io.Closer); ok {
		s.closers = append(s.closers, closer)
	}
	grants, err := openGrants(cfg, nil, log)
	if err != nil {
		return nil, err
	}
	timers, err := openTimers(cfg, s.store, log)
	if err != nil {
		return nil, err
	}
	s.api = newAPI(cfg, neighbours{s.store, provider, grants, timers}, log)
	if err := errors.Join(s.api.users.Recover(ctx), s.api.jobs.Recover(ctx)); err != nil {
		if s.store.embedded != nil {
			return nil, fmt.Errorf("read what an earlier run left open: %w", err)
		}
		log.WarnContext(ctx, "store not reached yet", "err", err) // Run tries again
	}
	return s, nil
}

func (s *service) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i].Close(); err != nil {
			s.log.Error("not closed cleanly", "err", err)
		}
	}
}

// neighbours are the services that this one works on.
type neighbours struct {
	store    *store
	provider providers.Provider
	grants   *grants // nil: roles are kept in the store, and that is all
	timers   *timers // nil: nobody is blocked on expirationDate
}

// newAPI joins the neighbours.
func newAPI(cfg config, n neighbours, log *slog.Logger) *api {
	a := &api{
		log:          log,
		metrics:      metrics.New(),
		access:       &access{},
		neighbours:   n,
		enrichment:   cfg.enrichment,
		forwarding:   cfg.forwarding,
		prefix:       cfg.prefix,
		version:      cfg.version,
		maxBody:      cfg.http.maxBody,
		timeout:      cfg.upstreamTimeout,
		passRefusals: cfg.passRefusals,
		embedded:     n.store.public(cfg),
		imports:      cfg.imports,
		bulkLimit:    cfg.bulkLimit,
		maxJobBody:   cfg.jobs.maxBody,
		webhook:      newWebhook(cfg),
		streams:      make(chan struct{}, maxStreams),
	}
	a.jobs = a.newQueue(cfg, n.store)
	a.users = users.New(a.usersConfig(cfg, n.store))
	return a
}

func (a *api) usersConfig(cfg config, s *store) users.Config {
	c := users.Config{
		Users:          s.users,
		Groups:         s.groups,
		Roles:          s.roles,
		Journal:        s.journal,
		StoreIsOurs:    s.embedded != nil,
		Provider:       a.provider,
		Log:            a.log,
		Timeout:        cfg.upstreamTimeout,
		HardDelete:     cfg.hardDelete,
		RandomPassword: cfg.randomPassword,
		PasswordLength: cfg.passwordLength,
		UserIDKey:      cfg.userIDKey,
		InfoFields:     cfg.info,
	}
	if s.jobs != nil {
		c.OpenJob = a.openActivation
	}
	if a.grants != nil {
		c.Rond = a.grants.client
	}
	if a.timers != nil {
		c.Timers, c.ScheduleImported = a.timers.client, cfg.timers.imported
	}
	return c
}

// announce says what this is, and that it listens.
func (s *service) announce(ctx context.Context, addr net.Addr) {
	if s.store.journal == nil {
		s.log.WarnContext(ctx, "operations under way are noted in memory only: set JOURNAL_CRUD_ENDPOINT to have a crash leave nothing half done, and to run more than one copy")
	}
	if s.store.jobs == nil {
		s.log.WarnContext(ctx, "jobs are kept in memory only: set JOBS_CRUD_ENDPOINT to have them survive a restart")
	}
	if s.api.timers == nil {
		s.log.WarnContext(ctx, "nobody is blocked when the expirationDate comes: set TIMER_SERVICE to have it so")
	}
	s.log.InfoContext(ctx, "listening",
		"addr", addr.String(), "store", s.store.name, "provider", s.cfg.provider, "version", s.cfg.version)
}

// buildVersion is the version of the module that was built, or "dev".
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
