package crud

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noDocuments answers every list with none and notes what it was asked for.
type noDocuments struct{ asked []*http.Request }

func (n *noDocuments) RoundTrip(r *http.Request) (*http.Response, error) {
	n.asked = append(n.asked, r)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("[]"))}, nil
}

// TestAllInKeepsURLsShort: whatever the values are made of, every URL stays below what
// proxies bear, and every value is asked for once.
func TestAllInKeepsURLsShort(t *testing.T) {
	t.Parallel()
	const most = 8 << 10
	for what, value := range map[string]string{
		"ids":                    "66e19957f72ba7349eb7b7b2",
		"addresses":              "ada.lovelace+users@example.com",
		"angle brackets":         "<<<<>>>>",
		"ampersands":             "&&&&&&&&",
		"quotes":                 `""""""""`,
		"backslashes":            `\\\\\\\\`,
		"control characters":     "\x00\x01\x02\x1f\x7f",
		"line breaks and tabs":   "\n\r\t",
		"letters with accents":   "éèêëàâ",
		"characters beyond them": "漢字仮名😀😀",
		"separators of lines":    "\u2028\u2029",
		"what is not UTF-8":      "\xff\xfe",
		"percent signs":          "%%%%",
		"long values":            strings.Repeat("&", 320),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store := &noDocuments{}
			client, err := New("http://crud-service", store, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			values := make([]string, 1000)
			for i := range values {
				values[i] = value + strconv.Itoa(i)
			}
			q := Query{Filter: map[string]any{"createdAt": map[string]any{"$gte": "2024-01-01T00:00:00.000Z"}}, States: AllStates}
			for _, err := range client.Collection("/users").AllIn(t.Context(), "username", values, q) {
				t.Fatal(err)
			}
			asked := 0
			for _, r := range store.asked {
				if n := len(r.URL.String()); n > most {
					t.Errorf("a URL of %d bytes, want at most %d", n, most)
				}
				asked += strings.Count(r.URL.Query().Get("_q"), strings.TrimSuffix(jsonOf(t, value), `"`))
			}
			if asked != len(values) {
				t.Errorf("%d values were asked for, want %d", asked, len(values))
			}
		})
	}
}

// jsonOf returns value as JSON has it in a filter.
func jsonOf(t *testing.T, value string) string {
	t.Helper()
	text, err := plainJSON(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil { // what is not UTF-8 is none of its characters
		t.Fatal(err)
	}
	if text, err = plainJSON(value); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestListsAreNotShorterThanNeeded: what makes URLs short does not make them many.
func TestListsAreNotShorterThanNeeded(t *testing.T) {
	t.Parallel()
	var ids []any
	for i := range 400 {
		ids = append(ids, fmt.Sprintf("66e19957f72ba7349eb7%04x", i))
	}
	tests := map[string]struct {
		values []any
		most   int
		want   []int
	}{
		"by their length":        {ids, 6 << 10, []int{186, 186, 28}},
		"no more than a page":    {ids, 1 << 20, []int{199, 199, 2}},
		"each once":              {append(ids[:3:3], ids[:3]...), 1 << 20, []int{3}},
		"one at a time":          {ids[:3], 33, []int{1, 1, 1}},
		"one that does not fit":  {ids[:3], 32, nil},
		"numbers and other ones": {[]any{json.Number("12"), true, nil, "a"}, 1 << 20, []int{4}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sizes []int
			pieces, fit := lists(test.values, test.most)
			for _, some := range pieces {
				sizes = append(sizes, len(some))
			}
			if diff := cmp.Diff(test.want, sizes); diff != "" || fit != (test.want != nil) {
				t.Errorf("fit: %v; lists (-want +got):\n%s", fit, diff)
			}
		})
	}
}
