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
	most    rate.Limit
	limiter *rate.Limiter // its limit is changed under mu

	mu      sync.Mutex
	until   time.Time  // no call before; guarded by mu
	epoch   int        // how often the pace was lowered; guarded by mu
	streak  int        // how often since the last success; guarded by mu
	ceiling rate.Limit // the pace that was too much; guarded by mu
	calls   int        // in this epoch; guarded by mu
	since   time.Time  // first call of the epoch; guarded by mu
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

// begin counts a call, and returns what to give to succeeded or throttled.
func (p *Pacer) begin() (epoch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == 0 {
		p.since = time.Now()
	}
	p.calls++
	return p.epoch
}

// succeeded raises the pace a little: by a fiftieth of what was too much while it is
// below that, and by a tenth of this above.
func (p *Pacer) succeeded(epoch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if epoch < p.epoch || p.epoch == 0 {
		return
	}
	p.streak = 0
	pace := p.limiter.Limit()
	if pace >= p.most {
		return
	}
	step := p.ceiling / 50
	if pace > p.ceiling {
		step /= 10
	}
	p.setPace(pace + step)
}

// setPace changes the pace; mu is held.
func (p *Pacer) setPace(pace rate.Limit) {
	if p.most == rate.Inf && pace >= fastest {
		pace = rate.Inf
	}
	p.limiter.SetLimit(min(pace, p.most))
}

// throttled pauses all calls, for as long as the upstream asks, and halves the pace. Of
// calls that were under way together only the first lowers it. It returns how much
// longer the pause has become.
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
	p.ceiling = min(p.limiter.Limit(), p.measured(now), fastest)
	p.setPace(max(p.ceiling/2, slowest))
	p.epoch++
	p.streak++
	p.calls = 0
	return p.pause(now, after)
}

// measured is the pace at which this epoch's calls were made; mu is held.
func (p *Pacer) measured(now time.Time) rate.Limit {
	return max(rate.Limit(float64(p.calls)/max(now.Sub(p.since).Seconds(), 0.001)), slowest)
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
