package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestListThatBreaksOff: a list or export of which the store gave only a part does not
// pass for a whole one.
func TestListThatBreaksOff(t *testing.T) {
	t.Parallel()
	const part = `[` + "\n" + `{"_id":"66e19957f72ba7349eb7b7b2"}`
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, part)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(store.Close)
	url := wholeService(t, store.URL)
	for _, path := range []string{"/users/", "/users/export", "/users/66e19957f72ba7349eb7b7b2"} {
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
			res, err := http.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != part {
				t.Errorf("%d %q, then %v", res.StatusCode, body, err)
			}
		})
	}
}
