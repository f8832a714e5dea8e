package embedded_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/timer/embedded"
)

// TestFiresInTime: never early, and within a second, however far ahead and in whatever
// order timers were scheduled.
func TestFiresInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, to, start := w.service(embedded.Config{}), &callee{}, time.Now()
		stop := w.run(s, to)
		synctest.Wait()
		ahead := map[string]time.Duration{
			"past": -time.Hour, "now": 0, "moment": time.Millisecond, "second": time.Second, "look": 10 * time.Second,
			"hour": time.Hour + 123*time.Millisecond, "night": 8 * time.Hour,
		}
		ids := map[string]string{}
		for _, name := range []string{"night", "hour", "second", "look", "moment", "now", "past"} {
			ids[name] = w.schedule(s, name, start.Add(ahead[name]))
		}
		time.Sleep(9 * time.Hour)
		stop()
		for name, d := range ahead {
			times := to.times(name, start)
			if want := max(d, 0).Seconds(); len(times) != 1 || times[0] < want || times[0] > want+1 {
				t.Errorf("%s: called after %v seconds, want once after %v", name, times, want)
			}
			if diff := cmp.Diff(stored{Status: 1}, w.stored(ids[name])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}
