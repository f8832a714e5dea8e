package upstream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"user-manager/upstream"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, time.February, 3, 15, 14, 35, 0, time.UTC)
	tests := map[string]struct {
		header string
		want   time.Duration
	}{
		"seconds":                      {"7", 7 * time.Second},
		"no wait":                      {"0", 0},
		"an hour":                      {"3600", time.Hour},
		"more than an hour":            {"86400", time.Hour},
		"more seconds than a number":   {"99999999999999999999999", time.Hour},
		"a date":                       {"Sat, 03 Feb 2024 15:15:05 GMT", 30 * time.Second},
		"a date of the oldest form":    {"Sat Feb  3 15:15:05 2024", 30 * time.Second},
		"a date that is now":           {"Sat, 03 Feb 2024 15:14:35 GMT", 0},
		"a date that is past":          {"Sat, 03 Feb 2024 15:14:05 GMT", 0},
		"a date long past":             {"Sat, 03 Feb 1024 15:14:05 GMT", 0},
		"a date after more than hours": {"Sun, 04 Feb 2024 15:14:35 GMT", time.Hour},
		"a date in ages":               {"Sat, 03 Feb 9024 15:14:35 GMT", time.Hour},
		"nothing":                      {"", 0},
		"a negative number":            {"-7", 0},
		"a fraction":                   {"1.5", 0},
		"a word":                       {"soon", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := upstream.ParseRetryAfter(test.header, now); got != test.want {
				t.Errorf("wait: %v, want %v", got, test.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	busy := &upstream.Error{Status: 429, RetryAfter: time.Minute}
	tests := map[string]struct {
		err  error
		want time.Duration
	}{
		"no error":         {nil, 0},
		"another error":    {errors.New("something else"), 0},
		"it did not say":   {&upstream.Error{Status: 429}, 0},
		"it said":          {busy, time.Minute},
		"wrapped":          {fmt.Errorf("create user: %w", busy), time.Minute},
		"the outer of two": {&upstream.Error{Status: 503, RetryAfter: time.Second, Err: busy}, time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := upstream.RetryAfter(test.err); got != test.want {
				t.Errorf("wait: %v, want %v", got, test.want)
			}
		})
	}
}
