package auth0test_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A matcher compares answers with recorded ones. What a tenant chooses itself must have
// the recorded shape, and stand for the same thing wherever it stands: it remembers what
// stands for what.
type matcher struct {
	r      *replayer
	ours   map[string]string // recorded value: what this tenant gave instead
	taken  map[string]string // the other way round
	stamps []stamp
	step   int
	writes bool   // the step is no GET
	asked  []byte // body of the request as sent
	found  []string
}

type stamp struct {
	recorded, got string
	step          int
}

func newMatcher(r *replayer) *matcher {
	m := &matcher{r: r, ours: map[string]string{}, taken: map[string]string{}}
	for recorded, ours := range given {
		m.ours[recorded] = ours
	}
	return m
}

func (m *matcher) clone() *matcher {
	c := *m
	c.ours, c.taken, c.stamps = maps.Clone(m.ours), maps.Clone(m.taken), slices.Clone(m.stamps)
	c.asked = slices.Clone(m.asked)
	return &c
}

// translate puts this tenant's values in place of placeholders and of recorded values.
func (m *matcher) translate(text string) string {
	var pairs []string
	for recorded, ours := range m.ours {
		pairs = append(pairs, recorded, ours)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (m *matcher) differ(format string, args ...any) {
	m.found = append(m.found, fmt.Sprintf(format, args...))
}

// differences says where an answer differs from the recorded one, but for the body's
// places that are named.
func (m *matcher) differences(st step, got answer, places []string) []string {
	m.found, m.step, m.writes = nil, m.step+1, st.Request.Method != http.MethodGet
	if got.status != st.Response.Status {
		m.differ("status: want %d, got %d", st.Response.Status, got.status)
	}
	if want := st.Response.Headers["content-type"]; want != got.contentType() {
		m.differ("content type: want %q, got %q", want, got.contentType())
	}
	m.limits(st, got.header)
	m.body(st.Response.Body, got.body, places)
	return m.found
}

func (m *matcher) body(want any, got []byte, places []string) {
	text, isText := want.(string)
	var value any
	switch {
	case want == nil:
		if len(got) > 0 {
			m.differ("body: want none")
		}
	case isText:
		if text != string(got) {
			m.differ("body: want %q", text)
		}
	case json.Unmarshal(got, &value) != nil:
		m.differ("body: want JSON")
	default:
		m.value("", want, value, places)
	}
}

func (m *matcher) value(at string, want, got any, places []string) {
	if slices.Contains(places, at) {
		return
	}
	switch want := want.(type) {
	case string:
		text, isText := got.(string)
		if !isText || !m.text(want, text) {
			m.differ("body %s: want %q, got %v", at, want, got)
		}
	case []any:
		items, isList := got.([]any)
		if !isList || len(items) != len(want) {
			m.differ("body %s: want %d items, got %v", at, len(want), got)
			return
		}
		for i := range want {
			m.value(at+"/"+strconv.Itoa(i), want[i], items[i], places)
		}
	case map[string]any:
		m.object(at, want, got, places)
	default:
		if want != got {
			m.differ("body %s: want %v, got %v", at, want, got)
		}
	}
}

func (m *matcher) object(at string, want map[string]any, got any, places []string) {
	object, isObject := got.(map[string]any)
	if !isObject {
		m.differ("body %s: want an object, got %v", at, got)
		return
	}
	keys := maps.Clone(want)
	maps.Copy(keys, object)
	for _, key := range slices.Sorted(maps.Keys(keys)) { // one order, so that a report is the same each time
		expected, recorded := want[key]
		actual, given := object[key]
		switch place := at + "/" + key; {
		case slices.Contains(places, place):
		case !given:
			m.differ("body %s: missing", place)
		case !recorded:
			m.differ("body %s: want nothing, got %v", place, actual)
		default:
			m.value(place, expected, actual, places)
		}
	}
}

var (
	instants = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	tickets  = regexp.MustCompile(`ticket=[A-Za-z0-9]{32}#$`)
	// What a tenant names itself: users, connections, jobs. The name is the group.
	ids = []*regexp.Regexp{
		regexp.MustCompile(`^(?:auth0\|)?([0-9a-f]{24})$`),
		regexp.MustCompile(`^(con_[A-Za-z0-9]{16})$`),
		regexp.MustCompile(`^(job_[A-Za-z0-9]{16})$`),
	}
)

// text says whether a text fits the recorded one.
func (m *matcher) text(want, got string) bool {
	for _, id := range ids {
		if recorded := id.FindStringSubmatch(want); recorded != nil {
			ours := id.FindStringSubmatch(got)
			return ours != nil && strings.Contains(want, "|") == strings.Contains(got, "|") && m.learn(recorded[1], ours[1])
		}
	}
	switch {
	case want == "{{token}}":
		return m.accessToken(got)
	case want == "{{id_token}}":
		return m.idToken(got)
	case want == "{{refresh_token}}":
		return got != m.ours[want] && len(got) == len(m.ours[want]) // rotation is on
	case instants.MatchString(want):
		return m.instant(want, got)
	case tickets.MatchString(want):
		return tickets.MatchString(got) && tickets.ReplaceAllString(m.translate(want), "") == tickets.ReplaceAllString(got, "")
	default:
		return m.translate(want) == got
	}
}

// learn says whether ours may stand for what was recorded: always for the same thing.
func (m *matcher) learn(recorded, ours string) bool {
	if known, ok := m.ours[recorded]; ok {
		return known == ours
	}
	if other, ok := m.taken[ours]; ok {
		return other == recorded
	}
	m.ours[recorded], m.taken[ours] = ours, recorded
	return true
}

// instant says whether a time has its recorded place among the others: equal where the
// recorded ones are, and not the other way round. What a later step wrote is later.
func (m *matcher) instant(want, got string) bool {
	at, err := time.Parse(time.RFC3339, got)
	if !instants.MatchString(got) || err != nil || at.After(time.Now()) {
		return false
	}
	for _, s := range m.stamps {
		order, recorded := strings.Compare(got, s.got), strings.Compare(want, s.recorded)
		if recorded == 0 && order != 0 || order*recorded < 0 || recorded > 0 && order == 0 && m.writes && m.step > s.step {
			return false
		}
	}
	m.stamps = append(m.stamps, stamp{want, got, m.step})
	return true
}
