package management

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Bounds of pauses between looks at a job.
const (
	shortestPolling = time.Second
	longestPolling  = 366 * 24 * time.Hour
	usualPolling    = 2 * time.Minute // of the zero Polling
)

// A Polling says how long a job may go on without being looked at: at most an interval, or
// until the next time of a schedule. The zero value is an interval of two minutes.
type Polling struct {
	every    time.Duration
	schedule cron.Schedule // nil: every
}

// errPolling names what is allowed.
var errPolling = errors.New(`want words such as "2 minutes" or "1 hour and 30 minutes", a duration such as "90s", ` +
	`or cron with five or six fields; at least one second, at most a year`)

// ParsePolling returns what text says: words such as "2 minutes", "1.5 hours", "a minute" or
// "1 hour and 30 minutes", a duration as Go writes it, or cron with five fields, with a
// sixth for seconds before them, or a name such as "@hourly". Schedules are of local time,
// unless "CRON_TZ=" and a zone stand before them. The error tells what is allowed.
func ParsePolling(text string) (Polling, error) {
	text = strings.TrimSpace(text)
	every, err := time.ParseDuration(text)
	if err != nil {
		every, err = parseWords(strings.ToLower(text))
	}
	if err == nil {
		if every < shortestPolling || every > longestPolling {
			return Polling{}, fmt.Errorf("%q: %w", text, errPolling)
		}
		return Polling{every: every}, nil
	}
	schedule, err := parseCron(text)
	if err != nil {
		return Polling{}, fmt.Errorf("%q: %w", text, errPolling)
	}
	return Polling{schedule: schedule}, nil
}

// Pause returns how long after from the next look may be at the latest.
func (p Polling) Pause(from time.Time) time.Duration {
	switch {
	case p.schedule != nil:
		next := p.schedule.Next(from)
		if next.IsZero() { // it has come to its end
			return usualPolling
		}
		return next.Sub(from)
	case p.every == 0:
		return usualPolling
	}
	return p.every
}

var cronParser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// parseCron returns the schedule of text, if there is a time in it.
func parseCron(text string) (cron.Schedule, error) {
	if strings.Contains(text, "TZ=") && !strings.Contains(text, " ") {
		return nil, errPolling // the parser does not bear that
	}
	schedule, err := cronParser.Parse(text)
	if err == nil && schedule.Next(time.Now()).IsZero() {
		err = errPolling
	}
	return schedule, err
}

var (
	// oneAmount is a number and its unit; several follow each other.
	oneAmount = regexp.MustCompile(`^(\d+(?:\.\d+)?\s*|[a-z]+\s+)([a-z]+)`)
	between   = regexp.MustCompile(`^(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+|\s+)`)
)

var units = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

var numbers = map[string]float64{
	"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
	"nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}

// parseWords returns the duration of words such as "1 hour and 30 minutes".
func parseWords(text string) (time.Duration, error) {
	var sum float64
	for {
		found := oneAmount.FindStringSubmatch(text)
		if found == nil {
			return 0, errPolling
		}
		n, err := parseNumber(strings.TrimSpace(found[1]))
		unit, known := units[found[2]]
		if err != nil || !known {
			return 0, errPolling
		}
		sum += n * float64(unit)
		if text = text[len(found[0]):]; text == "" {
			return time.Duration(math.Round(min(sum, float64(longestPolling)*2))), nil
		}
		gap := between.FindString(text)
		if gap == "" {
			return 0, errPolling
		}
		text = text[len(gap):]
	}
}

func parseNumber(text string) (float64, error) {
	if n, ok := numbers[text]; ok {
		return n, nil
	}
	return strconv.ParseFloat(text, 64)
}
