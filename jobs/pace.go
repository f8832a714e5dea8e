package jobs

import (
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	slowest     = rate.Limit(1.0 / 60) // a pace is never lowered below
	fastest     = rate.Limit(1000)     // from where a pace is lowered that has no limit
	firstWait   = time.Second          // pause after a 429 that names none, doubled each time up to
	lastWait    = time.Minute
	longestWait = time.Hour // that an upstream can ask for
)

// A Pacer spaces the calls of one upstream, for all jobs that share it, and slows down
// when the upstream says so. It is safe for use by several goroutines.
type Pacer struct {
	// Waited is told how long calls waited that had to; nil: nobody is. It is called by
	// several goroutines, and to be set before the first call.
	Waited func(took time.Duration)

	most    rate.Limit
	limiter *rate.Limiter // its limit is changed under mu

	mu      sync.Mutex
	until   time.Time  // no call before; guarded by mu
	epoch   int        // how often the pace was lowered; guarded by mu
	streak  int        // how often since the last success; guarded by mu
	ceiling rate.Limit // the pace that was too much; guarded by mu
}

// NewPacer returns a pacer of at most perSecond calls a second; 0: no limit, until the
// upstream shows that it has one.
func NewPacer(perSecond float64) *Pacer {
	p := &Pacer{most: rate.Limit(perSecond)}
	if perSecond <= 0 {
		p.most = rate.Inf
	}
	p.limiter = rate.NewLimiter(p.most, 1)
	return p
}

// slot returns when the next call may start, if no pause comes between.
func (p *Pacer) slot() time.Time {
	now := time.Now()
	return now.Add(p.limiter.ReserveN(now, 1).DelayFrom(now))
}

// pausedUntil returns until when nothing may be called.
func (p *Pacer) pausedUntil() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until
}

// begin returns what to tell succeeded or throttled of a call that begins now.
func (p *Pacer) begin() (epoch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.epoch
}

// succeeded raises the pace a little: back to what was too much, then slowly by a
// quarter of that, for it may be too much still, and from there as before.
func (p *Pacer) succeeded(epoch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if epoch < p.epoch {
		return
	}
	p.streak = 0
	pace := p.limiter.Limit()
	switch {
	case pace >= p.most:
	case pace < p.ceiling:
		p.setPace(pace + p.ceiling/50)
	case pace < p.ceiling*5/4:
		p.setPace(pace + p.ceiling/150)
	default:
		p.setPace(pace + pace/50)
	}
}

// setPace changes the pace; mu is held.
func (p *Pacer) setPace(pace rate.Limit) {
	if p.most == rate.Inf && pace >= fastest {
		pace = rate.Inf
	}
	p.limiter.SetLimit(min(pace, p.most))
}

// throttled pauses all calls, for as long as the upstream asks, and halves the pace,
// unless nothing has succeeded since that was done before: then the pause was too
// short. Calls that were under way together count as one. It returns how much longer
// the pause has become.
func (p *Pacer) throttled(epoch int, after time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if epoch < p.epoch {
		return p.pause(now, after)
	}
	if after <= 0 {
		after = jittered(min(firstWait<<min(p.streak, 10), lastWait))
	}
	if p.streak == 0 {
		p.ceiling = min(p.limiter.Limit(), fastest)
		p.setPace(max(p.ceiling/2, slowest))
	}
	p.epoch++
	p.streak++
	return p.pause(now, after)
}

// pause lets no call begin for a while, and returns how much longer it is than before;
// mu is held.
func (p *Pacer) pause(now time.Time, d time.Duration) time.Duration {
	until := now.Add(min(d, longestWait))
	if p.until.Before(now) {
		p.until = now
	}
	longer := max(until.Sub(p.until), 0)
	p.until = p.until.Add(longer)
	return longer
}

// jittered returns d or up to a quarter more, at most lastWait: those who wait for the
// same do not all come back at once.
func jittered(d time.Duration) time.Duration {
	return min(d+rand.N(d/4+1), lastWait)
}
