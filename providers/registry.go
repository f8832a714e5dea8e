package providers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"user-manager/crud"
)

// Settings is what a driver is opened with.
type Settings struct {
	// Getenv looks up the driver's own variables.
	Getenv func(string) string
	Log    *slog.Logger
	// Local is the embedded store, for a driver that keeps its accounts there;
	// nil when the store is another service.
	Local *crud.Client
}

// An OpenFunc checks the settings and returns the provider. It calls no other
// service. Every wrong variable is named in its error.
type OpenFunc func(ctx context.Context, s Settings) (Provider, error)

// drivers is filled by the init functions of the imported drivers, then only read.
var drivers = map[string]OpenFunc{}

// Register makes a driver known to [Open] by name. Drivers call it from init; the
// same name twice is a mistake in the program and panics.
func Register(name string, open OpenFunc) {
	if _, taken := drivers[name]; taken {
		panic("providers: two drivers named " + name)
	}
	drivers[name] = open
}

// Names returns the names of the registered drivers, sorted.
func Names() []string { return slices.Sorted(maps.Keys(drivers)) }

// Open opens the named provider. An unknown name is an error that lists the known.
// A provider that holds resources is an [io.Closer].
func Open(ctx context.Context, name string, s Settings) (Provider, error) {
	open, ok := drivers[name]
	if !ok {
		return nil, fmt.Errorf("no provider is named %q; known are %s", name, strings.Join(Names(), ", "))
	}
	p, err := open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open provider %s: %w", name, err)
	}
	return p, nil
}
