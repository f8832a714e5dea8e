package providers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// Settings is what a driver is opened with.
type Settings struct {
	// Getenv looks up the driver's own variables.
	Getenv func(string) string
	Log    *slog.Logger
	// Local is the embedded store, for a driver that keeps its accounts there;
	// nil when the store is another service.
	Local *crud.Client
	// Timeout bounds a call of a driver whose accounts are another service's, all its
	// tries together.
	Timeout time.Duration
	// FanOut bounds the calls that such a driver makes at once for one call of its own; 0:
	// [upstream.FanOut].
	FanOut int
	// Base makes the calls of such a driver; nil: over sockets.
	Base http.RoundTripper
	// Observer is told of the driver's calls, and of its waits for limits.
	Observer upstream.Observer
}

// A Driver makes providers of one kind.
type Driver struct {
	// Check reports every wrong variable of the driver's own.
	Check func(getenv func(string) string) error
	// Open returns the provider. It calls no other service.
	Open func(ctx context.Context, s Settings) (Provider, error)
}

// drivers is filled by the init functions of the imported drivers, then only read.
var drivers = map[string]Driver{}

// Register makes a driver known to [Check] and [Open] by name. Drivers call it from
// init; the same name twice is a mistake in the program and panics.
func Register(name string, d Driver) {
	if _, taken := drivers[name]; taken {
		panic("providers: two drivers named " + name)
	}
	drivers[name] = d
}

// Names returns the names of the registered drivers, sorted.
func Names() []string { return slices.Sorted(maps.Keys(drivers)) }

// Check reports every wrong variable of the named driver. An unknown name is an error
// that lists the known.
func Check(name string, getenv func(string) string) error {
	driver, ok := drivers[name]
	if !ok {
		return fmt.Errorf("AUTH_MODULE: no provider is named %q; known are %s", name, strings.Join(Names(), ", "))
	}
	return driver.Check(getenv)
}

// Open checks the variables of the named provider and opens it. A provider that holds
// resources is an [io.Closer].
func Open(ctx context.Context, name string, s Settings) (Provider, error) {
	if err := Check(name, s.Getenv); err != nil {
		return nil, fmt.Errorf("open provider: %w", err)
	}
	p, err := drivers[name].Open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open provider %s: %w", name, err)
	}
	return p, nil
}
