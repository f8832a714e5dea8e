package crud

import (
	"io"
	"net/http"
	"slices"
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
			values := slices.Repeat([]string{value}, 1000)
			q := Query{Filter: map[string]any{"createdAt": map[string]any{"$gte": "2024-01-01T00:00:00.000Z"}}, States: AllStates}
			for _, err := range client.Collection("/users").AllIn(t.Context(), "username", values, q) {
				t.Fatal(err)
			}
			asked := 0
			for _, r := range store.asked {
				if n := len(r.URL.String()); n > most {
					t.Errorf("a URL of %d bytes, want at most %d", n, most)
				}
				asked += strings.Count(r.URL.Query().Get("_q"), jsonOf(t, value))
			}
			if asked != len(values) {
				t.Errorf("%d values were asked for, want %d", asked, len(values))
			}
		})
	}
}

func jsonOf(t *testing.T, value string) string {
	t.Helper()
	text, err := plainJSON(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestListsAreNotShorterThanNeeded: what makes URLs short does not make them many.
func TestListsAreNotShorterThanNeeded(t *testing.T) {
	t.Parallel()
	var sizes []int
	for some := range lists(slices.Repeat([]string{"66e19957f72ba7349eb7b7b2"}, 400)) {
		sizes = append(sizes, len(some))
	}
	if diff := cmp.Diff([]int{186, 186, 28}, sizes); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}
