package management

import (
	"errors"
	"testing"
	"time"
)

func TestParsePolling(t *testing.T) {
	from := time.Date(2025, 6, 1, 12, 0, 10, 0, time.Local)
	tests := map[string]struct {
		text string
		want time.Duration // 0: it is refused
	}{
		"words":                      {"2 minutes", 2 * time.Minute},
		"one":                        {"1 hour", time.Hour},
		"several":                    {"1 hour and 30 minutes", 90 * time.Minute},
		"several with a comma":       {"1 hour, 30 minutes", 90 * time.Minute},
		"several with comma and and": {"1 hour, 1 minute, and 5 seconds", time.Hour + time.Minute + 5*time.Second},
		"several with a space":       {"1 minute 30 seconds", 90 * time.Second},
		"a fraction":                 {"1.5 hours", 90 * time.Minute},
		"an article":                 {"a minute", time.Minute},
		"another article":            {"an hour", time.Hour},
		"a number in words":          {"two minutes", 2 * time.Minute},
		"capitals":                   {"  Thirty Seconds ", 30 * time.Second},
		"short units":                {"90 sec", 90 * time.Second},
		"without a space":            {"90seconds", 90 * time.Second},
		"a day":                      {"1 day", 24 * time.Hour},
		"a duration":                 {"90s", 90 * time.Second},
		"a longer duration":          {"1h30m", 90 * time.Minute},
		"the shortest":               {"1 second", time.Second},
		"cron":                       {"*/5 * * * *", 4*time.Minute + 50*time.Second},
		"cron with seconds":          {"*/15 * * * * *", 5 * time.Second},
		"cron in a zone":             {"CRON_TZ=UTC */5 * * * *", 4*time.Minute + 50*time.Second},
		"a name of cron":             {"@every 3m", 3 * time.Minute},

		"nothing":             {"", 0},
		"no unit":             {"120", 0},
		"no number":           {"minutes", 0},
		"an unknown unit":     {"2 moments", 0},
		"an unknown number":   {"umpteen minutes", 0},
		"half of it":          {"2 minutes and", 0},
		"no gap":              {"2 minutes3", 0},
		"too short":           {"0.5 seconds", 0},
		"too short, in words": {"0 minutes", 0},
		"negative":            {"-2m", 0},
		"too long":            {"60 weeks", 0},
		"far too long":        {"99999999999999999999999999 weeks", 0},
		"cron with four":      {"* * * *", 0},
		"cron with seven":     {"* * * * * * *", 0},
		"cron that never is":  {"0 0 30 2 *", 0},
		"a zone alone":        {"TZ=UTC", 0},
		"an unknown zone":     {"CRON_TZ=Nowhere * * * * *", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := ParsePolling(test.text)
			if (err != nil) != (test.want == 0) || err != nil && !errors.Is(err, errPolling) {
				t.Fatalf("error: %v", err)
			}
			if err == nil && p.Pause(from) != test.want {
				t.Errorf("pause %v, want %v", p.Pause(from), test.want)
			}
		})
	}
}

func TestZeroPolling(t *testing.T) {
	if got := (Polling{}).Pause(time.Now()); got != 2*time.Minute {
		t.Errorf("pause %v, want two minutes", got)
	}
}

func FuzzParsePolling(f *testing.F) {
	for _, text := range []string{"2 minutes", "1h", "*/5 * * * *", "@daily", "TZ=UTC * * * * *", "1 hour, and a minute", "@every 1s", "CRON_TZ=UTC  ", "TZ= * * * * *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolling(text)
		if err == nil && p.Pause(time.Now()) <= 0 {
			t.Errorf("%q: pause %v", text, p.Pause(time.Now()))
		}
	})
}
