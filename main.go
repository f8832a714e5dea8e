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
	"sync"
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
	takeStandardLog(os.Stdout, os.LookupEnv)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := run(context.Background(), os.Args[1:], os.LookupEnv, os.Stdout, signals); err != nil {
		fmt.Fprintln(os.Stderr, "user-manager:", err)
		os.Exit(exitStatus(err))
	}
}

// run does what args ask for. Without any it wires the service and serves until ctx is done
// or signals say that it has to end, see [life.obey].
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout io.Writer, signals <-chan os.Signal) error {
	asked, err := readArgs(args)
	switch {
	case err != nil:
		return err
	case asked.help:
		return printHelp(stdout)
	case asked.version:
		return printVersion(stdout)
	}
	cfg, err := loadConfig(lookup)
	switch {
	case err != nil:
		return fmt.Errorf("configuration:\n%w", err)
	case asked.check:
		return untilTold(ctx, signals, func(ctx context.Context) error { return check(ctx, cfg, lookup, stdout) })
	case asked.probe != "":
		return untilTold(ctx, signals, func(ctx context.Context) error { return probe(ctx, cfg, asked.probe) })
	}
	return start(ctx, cfg, lookup, newLog(stdout, cfg.logLevel), signals)
}

// start opens the service and serves until it has to end.
func start(ctx context.Context, cfg config, lookup func(string) (string, bool), log *slog.Logger, signals <-chan os.Signal) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	life := newLife(cfg, stop, log)
	watch.Go(func() { life.obey(ctx, signals) })

	service, err := open(ctx, cfg, lookup, log)
	if err == nil {
		err = service.run(ctx, life)
		service.close()
	}
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) { // told to end while it opened
		log.InfoContext(ctx, "stopped")
		return nil
	}
	return err
}

// run serves until ctx is done, lets what is under way finish, and leaves the rest to the
// next start.
func (s *service) run(ctx context.Context, life *life) error {
	ln, err := listen(s.cfg) // here, so a taken port is run's error
	if err != nil {
		return err
	}
	s.announce(ctx, ln.Addr())
	told := ctx
	ctx, end := context.WithCancel(context.WithoutCancel(told))
	defer end()
	g, ctx := errgroup.WithContext(ctx) // the first to fail stops the others
	g.Go(func() error {
		select {
		case <-told.Done():
		case <-ctx.Done():
		}
		s.api.sayWhatIsLeft(ctx)
		end()
		return nil
	})
	s.api.draining, s.api.stopping = life.draining, ctx.Done()
	handler := s.api.handler()
	g.Go(func() error {
		return server{httpConfig: s.cfg.http, log: s.log, metrics: s.api.metrics, tls: s.api.access.certificate.config()}.serve(ctx, ln, handler)
	})
	g.Go(func() error { return s.api.access.reloads(ctx, life.reload) })
	g.Go(func() error { return s.api.users.Run(ctx) })
	g.Go(func() error { return s.api.jobs.Run(ctx) })
	g.Go(func() error { return s.api.timers.run(ctx, handler) })
	err = g.Wait()
	s.resign(context.WithoutCancel(ctx))
	return err
}

// resign takes the process off the journal, if the store answers soon.
func (s *service) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resignTime)
	defer cancel()
	if err := s.api.users.Resign(ctx); err != nil {
		s.log.WarnContext(ctx, "process not taken off the journal", "err", err)
	}
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
	n := neighbours{metrics: newMetrics(cfg)}
	observer := observerOf(n.metrics)
	if s.store, err = openStore(ctx, cfg, log, observer); err != nil {
		return nil, fmt.Errorf("open store (EMBEDDED_PATH=%s): %w", cfg.store.path, err)
	}
	s.closers = append(s.closers, s.store)
	provider, err := providers.Open(ctx, cfg.provider, providers.Settings{Getenv: getenv(lookup), Log: log, Local: s.store.local(), Timeout: cfg.upstreamTimeout, FanOut: cfg.fanOut, Observer: observer})
	if err != nil {
		return nil, err
	}
	if closer, ok := provider.(io.Closer); ok {
		s.closers = append(s.closers, closer)
	}
	grants, err := openGrants(cfg, nil, log, observer)
	if err != nil {
		return nil, err
	}
	timers, err := openTimers(cfg, s.store, log, observer)
	if err != nil {
		return nil, err
	}
	n.store, n.provider, n.grants, n.timers = s.store, provider, grants, timers
	s.api = newAPI(cfg, n, log)
	s.api.browsers = newBrowsers(cfg, n.metrics)
	err = errors.Join(s.api.users.Recover(ctx), s.api.jobs.Recover(ctx))
	switch {
	case err != nil && ctx.Err() != nil: // told to end meanwhile
		return nil, ctx.Err()
	case err != nil && s.store.embedded != nil:
		return nil, fmt.Errorf("read what an earlier run left open: %w", err)
	case err != nil:
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

	metrics *metrics.Metrics // counts what is called; nil: nothing is counted
}

// newAPI joins the neighbours.
func newAPI(cfg config, n neighbours, log *slog.Logger) *api {
	a := &api{
		log:          log,
		access:       newAccess(cfg, n.metrics, log),
		neighbours:   n,
		enrichment:   cfg.enrichment,
		forwarding:   cfg.forwarding,
		prefix:       cfg.prefix,
		version:      cfg.version,
		maxBody:      cfg.http.maxBody,
		maxDepth:     cfg.http.maxDepth,
		timeout:      cfg.upstreamTimeout,
		passRefusals: cfg.passRefusals,
		clientIP:     cfg.http.logClientIP,
		embedded:     n.store.public(cfg),
		imports:      cfg.imports,
		bulkLimit:    cfg.bulkLimit,
		maxJobBody:   cfg.jobs.maxBody,
		webhook:      newWebhook(cfg),
	}
	a.bounds = newBounds(cfg, a.metrics)
	a.jobs = a.newQueue(cfg, n.store)
	a.users = users.New(a.usersConfig(cfg, n.store))
	a.metrics.Watch(a.sources())
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
		FanOut:         cfg.fanOut,
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
	s.api.access.warn(ctx)
	s.log.InfoContext(ctx, "listening",
		"addr", addr.String(), "tls", s.api.access.certificate != nil, "keys", s.api.access.keys.Load().size(), "store", s.store.name, "provider", s.cfg.provider, "version", s.cfg.version)
}
