package crud_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// counted is a store that notes what it was asked.
type counted struct {
	next http.RoundTripper
	mu   sync.Mutex
	urls []string // guarded by mu
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.urls = append(c.urls, r.URL.String())
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

// storeOf returns a collection of n documents on a store whose pages have at most so many,
// and their ids.
func storeOf(t *testing.T, n, page int) (crud.Collection, *counted, []string) {
	t.Helper()
	db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", MaxLimit: page, Log: logtest.Logger(t),
		Collections: []embedded.Definition{embedded.Users("/users")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store := &counted{next: crud.InProcess(db)}
	client, err := crud.New("http://embedded", store, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	users := client.Collection("/users")
	docs := make([]crud.Document, n)
	for i := range docs {
		docs[i] = crud.Document{"userGroup": "g", "username": fmt.Sprintf("u%04d", i), "roles": []string{fmt.Sprintf("r%d", i), "all"}}
	}
	ids, err := users.InsertAll(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	store.urls = nil
	return users, store, ids
}

func read(t *testing.T, users crud.Collection, q crud.Query) (ids []string) {
	t.Helper()
	for doc, err := range users.All(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, doc["_id"].(string))
	}
	return ids
}

// TestServiceWithSmallerPages: the client learns how large they are, and reads all the same.
func TestServiceWithSmallerPages(t *testing.T) {
	t.Parallel()
	for _, page := range []int{1, 7, 10, 30, 199, 200} {
		t.Run(fmt.Sprint(page), func(t *testing.T) {
			t.Parallel()
			users, store, ids := storeOf(t, 30, page)
			if diff := cmp.Diff(ids, read(t, users, crud.Query{})); diff != "" {
				t.Errorf("all (-want +got):\n%s", diff)
			}
			some := crud.Query{Filter: crud.Document{"username": crud.Document{"$lt": "u0015"}}}
			if diff := cmp.Diff(ids[:15], read(t, users, some)); diff != "" {
				t.Errorf("some (-want +got):\n%s", diff)
			}
			store.urls = store.urls[:slices.IndexFunc(store.urls, func(url string) bool { return strings.Contains(url, "username") })]
			requests := 30/page + 1 // the last one tells that there are no more
			if page < 200 {
				requests++ // by which it is learned
			}
			if len(store.urls) != requests {
				t.Errorf("%d requests, want %d", len(store.urls), requests)
			}
			for _, sort := range []string{"", "-username", "userGroup"} {
				docs, err := users.List(t.Context(), crud.Query{Limit: 25, Sort: sort, Fields: []string{"_id"}})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, doc := range docs {
					got = append(got, doc["_id"].(string))
				}
				want := slices.Clone(ids)
				if sort == "-username" {
					slices.Reverse(want)
				}
				if diff := cmp.Diff(want[:25], got); diff != "" {
					t.Errorf("list by %q (-want +got):\n%s", sort, diff)
				}
			}
		})
	}
}

// TestManyLearnAtOnce: with the race detector.
func TestManyLearnAtOnce(t *testing.T) {
	t.Parallel()
	users, _, ids := storeOf(t, 20, 6)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if got := read(t, users, crud.Query{}); !slices.Equal(got, ids) {
				t.Errorf("%d documents, want %d", len(got), len(ids))
			}
		})
	}
	all.Wait()
}

// TestLongFilters: whatever a filter's list is on, and wherever, what it selects is what
// it would in one piece, and no URL is too long.
func TestLongFilters(t *testing.T) {
	t.Parallel()
	users, store, ids := storeOf(t, 260, 200)
	var names, roles []string
	for i := range ids {
		names = append(names, fmt.Sprintf("u%04d", i), fmt.Sprintf("nobody with a long name %d", i))
		roles = append(roles, fmt.Sprintf("r%d", i), fmt.Sprintf("nobody with a long name %d", i))
	}
	in := func(field string, values any) crud.Document {
		return crud.Document{field: crud.Document{"$in": values}}
	}
	group := crud.Document{"userGroup": "g"}
	tests := map[string]struct {
		filter crud.Document
		want   []string
	}{
		"ids":                       {in("_id", ids), ids},
		"ids, some given twice":     {in("_id", slices.Concat(ids, ids[:200])), ids},
		"ids and another condition": {crud.Document{"_id": crud.Document{"$in": ids, "$gt": ids[99]}, "userGroup": "g"}, ids[100:]},
		"in an and":                 {crud.Document{"$and": []any{group, in("_id", ids)}}, ids},
		"in an and of documents":    {crud.Document{"$and": []crud.Document{in("username", names[:500]), in("_id", ids[:2])}}, ids[:2]},
		"names":                     {in("username", names), ids},
		"an array by its items":     {in("roles", roles), ids},
		"an array by two of each":   {in("roles", append(slices.Clone(roles), "all")), ids},
		"the longer of two":         {crud.Document{"_id": crud.Document{"$in": ids[:100]}, "username": crud.Document{"$in": names}}, ids[:100]},
		"nobody":                    {in("_id", slices.Repeat([]string{"000000000000000000000000"}, 300)), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			q := crud.Query{Filter: test.filter, States: crud.AllStates}
			got := read(t, users, q)
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("all (-want +got):\n%s", diff)
			}
			if n, err := users.Count(t.Context(), q); err != nil || n != len(test.want) {
				t.Errorf("count: %d, %v; want %d", n, err, len(test.want))
			}
		})
	}
	for _, url := range store.urls {
		if len(url) > 8000 {
			t.Errorf("a URL of %d bytes", len(url))
		}
	}
}

// TestLongFiltersOfWrites: what changes all is split where a document cannot match twice.
func TestLongFiltersOfWrites(t *testing.T) {
	t.Parallel()
	users, store, ids := storeOf(t, 260, 200)
	set := crud.Document{"$set": crud.Document{"name": "Ann"}}
	byID := crud.Query{Filter: crud.Document{"_id": crud.Document{"$in": ids}}}
	if n, err := users.PatchAll(t.Context(), byID, set); n != 260 || err != nil {
		t.Errorf("changed: %d, %v; want 260", n, err)
	}
	roles := make([]string, 600)
	for i := range roles {
		roles[i] = fmt.Sprintf("r%d", i) + strings.Repeat(" ", 20)
	}
	sent := len(store.urls)
	byRole := crud.Query{Filter: crud.Document{"roles": crud.Document{"$in": roles}}}
	wantTooLong(t, func() error { _, err := users.PatchAll(t.Context(), byRole, set); return err })
	text := crud.Query{Filter: crud.Document{"name": strings.Repeat("a", 8000)}}
	wantTooLong(t, func() error { _, err := users.PatchAll(t.Context(), text, set); return err })
	wantTooLong(t, func() error { _, err := users.DeleteAll(t.Context(), text); return err })
	wantTooLong(t, func() error { _, err := users.Count(t.Context(), text); return err })
	wantTooLong(t, func() error { _, err := users.List(t.Context(), text); return err })
	wantTooLong(t, func() error {
		for _, err := range users.All(t.Context(), text) {
			return err
		}
		return nil
	})
	oneValue := crud.Query{Filter: crud.Document{"name": crud.Document{"$in": []string{"a", strings.Repeat("a", 8000)}}}}
	wantTooLong(t, func() error { _, err := users.Count(t.Context(), oneValue); return err })
	if len(store.urls) != sent {
		t.Errorf("%d requests were sent, want none", len(store.urls)-sent)
	}
	if n, err := users.DeleteAll(t.Context(), byRole); n != 0 || err != nil {
		t.Errorf("removed: %d, %v; want none", n, err)
	}
	if n, err := users.DeleteAll(t.Context(), byID); n != 260 || err != nil {
		t.Errorf("removed: %d, %v; want 260", n, err)
	}
}

func wantTooLong(t *testing.T, do func() error) {
	t.Helper()
	failed, ok := errors.AsType[*upstream.Error](do())
	if !ok || failed.Status != http.StatusBadRequest || !strings.HasPrefix(failed.Message, "the filter is too long") {
		t.Errorf("error %v, want a filter that is too long", failed)
	}
}
