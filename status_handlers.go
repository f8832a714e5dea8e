package main

import (
	"context"
	"net/http"
	"slices"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

// serviceName is what the status routes call the service.
const serviceName = "user-manager"

// checkTimeout bounds one look at an upstream by a status route.
const checkTimeout = 3 * time.Second

// status is the body of the status routes.
type status struct {
	Name    string `json:"name"`
	Status  string `json:"status"`
	Version string `json:"version"`
	Message string `json:"message,omitempty"`
	// Unsettled counts the operations under way or left to be settled; check-up only.
	Unsettled *int `json:"unsettledOperations,omitempty"`
	// Upstreams are those over the network; check-up only.
	Upstreams []upstream.State `json:"upstreams,omitempty"`
}

// healthz handles GET /-/healthz.
func (a *api) healthz(w http.ResponseWriter, r *http.Request) error {
	return a.writeStatus(w, status{}, nil)
}

// ready handles GET /-/ready: users can be read and written. While the store is not called
// for now, this call is what finds out that it is there again, as any other is. A service
// that is about to stop is not ready.
func (a *api) ready(w http.ResponseWriter, r *http.Request) error {
	if isClosed(a.draining) || isClosed(a.stopping) {
		return a.writeStatus(w, status{}, errStopping)
	}
	return a.writeStatus(w, status{}, a.look(r.Context(), "store", a.checkStore))
}

// checkUp handles GET /-/check-up: every upstream is there.
func (a *api) checkUp(w http.ResponseWriter, r *http.Request) error {
	err := a.look(r.Context(), "all", a.checkAll)
	if err == nil {
		err = a.store.inspect(r.Context())
	}
	unsettled := a.users.Unsettled()
	return a.writeStatus(w, status{Unsettled: &unsettled, Upstreams: a.upstreams()}, err)
}

// upstreams tells which of those over the network are called.
func (a *api) upstreams() []upstream.State {
	states := a.store.state()
	if remote, ok := a.provider.(providers.Remote); ok {
		states = append(states, remote.State()...)
	}
	return slices.Concat(states, a.grants.state(), a.timers.state())
}

// look is do, or what it finds for another request that has just begun the same: anybody may
// ask, and each look calls upstreams. It goes on when its request is gone, for the others.
func (a *api) look(ctx context.Context, name string, do func(context.Context) error) error {
	_, err, _ := a.looks.Do(name, func() (any, error) { return nil, do(context.WithoutCancel(ctx)) })
	return err
}

func (a *api) checkAll(ctx context.Context) error {
	err := a.checkStore(ctx)
	if err == nil {
		err = a.checkProvider(ctx)
	}
	if err == nil {
		err = a.checkOthers(ctx)
	}
	return err
}

func (a *api) checkStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return a.store.check(ctx)
}

func (a *api) checkProvider(ctx context.Context) error {
	pinger, ok := a.provider.(providers.Pinger)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return pinger.Ping(ctx)
}

// checkOthers asks Rönd and the Timer Service, where they are made use of.
func (a *api) checkOthers(ctx context.Context) error {
	for _, ping := range []func(context.Context) error{a.grants.ping, a.timers.ping} {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		err := ping(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *api) writeStatus(w http.ResponseWriter, s status, err error) error {
	s.Name, s.Status, s.Version = serviceName, "OK", a.version
	code := http.StatusOK
	if err != nil {
		s.Status, s.Message = "KO", err.Error()+refusedSettings(err)
		code = http.StatusServiceUnavailable
		blameOn(w, err)
	}
	return encode(w, code, s)
}
