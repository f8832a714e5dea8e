package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// resignTime is how long the store may take to note that this process ends. The others on
// the store find out otherwise, too, but later.
const resignTime = 5 * time.Second

// A life is how long the service goes on: until it is told to stop, and then for a while.
type life struct {
	log      *slog.Logger
	delay    time.Duration      // between SIGTERM and the end of serving
	draining chan struct{}      // closed when the service is about to stop
	reload   chan struct{}      // holds a value when files are to be read again; nil: there are none
	nohup    bool               // goes on when its terminal is closed
	stop     context.CancelFunc // ends serving
}

// nohup is whether whoever started the process had it go on when its terminal is closed. It is
// set before main has signals come, which makes an end of that.
var nohup = signal.Ignored(syscall.SIGHUP)

func newLife(cfg config, stop context.CancelFunc, log *slog.Logger) *life {
	l := &life{log: log, delay: cfg.drain, draining: make(chan struct{}), nohup: nohup, stop: stop}
	if cfg.access.readsFiles() {
		l.reload = make(chan struct{}, 1)
	}
	return l
}

// obey does what signals ask for, until they ask for the end or ctx is done: SIGHUP has
// files read again, SIGTERM ends the service after the delay, any other at once; and so does
// SIGHUP where there is no file, for then it is a closed terminal.
func (l *life) obey(ctx context.Context, signals <-chan os.Signal) {
	defer l.stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				if l.hangUp() {
					return
				}
			case syscall.SIGTERM:
				l.drain(ctx, signals)
				return
			default:
				return
			}
		}
	}
}

// hangUp has files read again, or reports that the service ends.
func (l *life) hangUp() (ends bool) {
	if l.reload == nil {
		return !l.nohup
	}
	select {
	case l.reload <- struct{}{}:
	default: // that is going to be done anyway
	}
	return false
}

// drain lets everybody know that the service is about to stop, and gives them the delay to
// go elsewhere. Another signal ends it.
func (l *life) drain(ctx context.Context, signals <-chan os.Signal) {
	close(l.draining)
	l.log.InfoContext(ctx, "not ready any more, stopping soon", "delay", l.delay.String())
	delay := time.NewTimer(l.delay)
	defer delay.Stop()
	for {
		select {
		case <-delay.C:
			return
		case <-ctx.Done():
			return
		case s := <-signals:
			if s != syscall.SIGHUP || l.hangUp() {
				return
			}
		}
	}
}

// untilTold does what is over soon, and breaks it off when signals ask for the end.
func untilTold(ctx context.Context, signals <-chan os.Signal, do func(context.Context) error) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watch.Go(func() { newLife(config{}, stop, slog.New(slog.DiscardHandler)).obey(ctx, signals) })
	return do(ctx)
}

// listen takes the port.
func listen(cfg config) (net.Listener, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(strings.Trim(cfg.host, "[]"), cfg.port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("HTTP_PORT: %w: stop the process that has it, or choose another port", err)
	}
	if err != nil {
		return nil, fmt.Errorf("HTTP_HOST and HTTP_PORT: %w", err)
	}
	if err := cfg.listensAt(ln.Addr()); err != nil {
		_ = ln.Close() // nobody has come yet
		return nil, err
	}
	return ln, nil
}

// isClosed reports whether a channel that may be nil is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// leaving counts the requests under way, and has clients come by another connection next
// time once the service is about to stop. Connections without a request stay open until
// the end: one that is closed may be just about to be used.
func (a *api) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.underWay.Add(1)
		defer a.underWay.Add(-1)
		if isClosed(a.draining) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// sayWhatIsLeft logs what is under way when the end begins.
func (a *api) sayWhatIsLeft(ctx context.Context) {
	a.log.InfoContext(ctx, "stopping", "requests", a.underWay.Load(), "jobs", a.jobs.Running(), "operations", a.users.Unsettled())
}
