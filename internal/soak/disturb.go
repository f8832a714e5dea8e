package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// disturb kills and restarts copies, and has upstreams fail, until ctx is done; then every
// copy runs. The copy of a world that has no other is left alone in the second half, so that
// its memory can be compared.
func (w *world) disturb(ctx context.Context) error {
	var outages sync.WaitGroup
	defer outages.Wait()
	if len(w.upstreams) > 0 && w.o.faults > 0 {
		outages.Go(func() { w.breakUpstreams(ctx) })
	}
	rng := rand.New(rand.NewPCG(w.o.seed, nameSeed(w.name)))
	victim := w.replicas[len(w.replicas)-1]
	if len(w.replicas) == 1 {
		var half context.CancelFunc
		ctx, half = context.WithTimeout(ctx, w.o.duration/2)
		defer half()
	}
	for w.o.kills > 0 {
		wait(ctx, w.o.kills/2+time.Duration(rng.Int64N(int64(w.o.kills))))
		if ctx.Err() != nil {
			break
		}
		if rng.IntN(4) == 0 {
			victim.stop(ctx)
		} else {
			victim.kill()
		}
		wait(ctx, time.Duration(rng.IntN(2000))*time.Millisecond)
		if err := victim.start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// breakUpstreams has one upstream after the other be gone for a few seconds.
func (w *world) breakUpstreams(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.o.seed, 19))
	for {
		wait(ctx, w.o.outages/2+time.Duration(rng.Int64N(int64(w.o.outages))))
		if ctx.Err() != nil {
			return
		}
		w.upstreams[rng.IntN(len(w.upstreams))].fail(time.Second + time.Duration(rng.IntN(3000))*time.Millisecond)
	}
}
