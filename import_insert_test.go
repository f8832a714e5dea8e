package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// A sentBulk is a POST /users/bulk that a store over the network is sent.
type sentBulk struct {
	users []crud.Document
	store http.Handler // behind the one that gets the bulk
}

// has reports whether one of the users has the name.
func (b sentBulk) has(name string) bool {
	return slices.ContainsFunc(b.users, func(user crud.Document) bool { return user["name"] == name })
}

// insert inserts users as somebody else.
func (b sentBulk) insert(t *testing.T, users []crud.Document) {
	t.Helper()
	client, err := crud.New("http://store", crud.InProcess(b.store), 1<<40)
	if err == nil {
		_, err = client.Collection("/users").InsertAll(t.Context(), users)
	}
	if err != nil {
		t.Error(err)
	}
}

// meetBulks has meet see each bulk before the store does; it reports whether it answered.
func (s *remoteStore) meetBulks(t *testing.T, meet func(w http.ResponseWriter, b sentBulk) bool) {
	t.Helper()
	store := s.next
	s.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && r.URL.Path == "/users/bulk" {
			body, err := io.ReadAll(r.Body)
			b := sentBulk{store: store}
			if err == nil {
				err = json.Unmarshal(body, &b.users)
			}
			if err != nil {
				t.Error(err)
			}
			if meet(w, b) {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		store.ServeHTTP(w, r)
	})
}

// refuse answers as the store does.
func refuse(w http.ResponseWriter, status int, message string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message})
	return true
}

// send imports rows below a header.
func (h *harness) send(header string, rows []string) reply {
	h.t.Helper()
	file := []byte(header + "\n" + strings.Join(rows, "\n"))
	return h.call("PATCH", "/users/import", multipartBody(h.t, []string{"file"}, file), multipartType)
}

const customerHeader = "userGroup,email,name"

// TestImportBesideAnother: of users that another import of the same file makes at the same
// time, none is said to be of ours.
func TestImportBesideAnother(t *testing.T) {
	t.Parallel()
	const n = 20
	for what, first := range map[string]int{"that was first in all": 0, "that was first in the second half": n / 2} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, remote := remoteHarness(t, nil)
			var once sync.Once
			remote.meetBulks(t, func(_ http.ResponseWriter, b sentBulk) bool {
				once.Do(func() { b.insert(t, b.users[first:]) })
				return false
			})
			got := h.send(customerHeader, newCustomers(n)).imported(t)
			if len(got.Inserted) != first || len(got.Invalid) != n-first {
				t.Errorf("%d inserted, %d invalid, want %d and %d", len(got.Inserted), len(got.Invalid), first, n-first)
			}
		})
	}
}

// TestImportsOfOneFileAtOnce: each user is in the answer of the import that made it.
func TestImportsOfOneFileAtOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "30"})
	answers := make([]importAnswer, 3)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = h.send(customerHeader, newCustomers(n)).imported(t) })
	}
	group.Wait()
	var all []string
	for _, answer := range answers {
		all = append(all, answer.Inserted...)
	}
	slices.Sort(all)
	if once := slices.Compact(slices.Clone(all)); len(once) != n || len(all) != n {
		t.Errorf("%d ids of %d users, want each of %d once", len(all), len(once), n)
	}
}

// TestImportOfWhatTheStoreCannotStore: a value that makes the store fail, alone or many of
// them, is the fault of its row.
func TestImportOfWhatTheStoreCannotStore(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string][]int{"one row": {7}, "rows that follow each other": {3, 4, 5}, "first and last": {0, 39}, "many": {1, 4, 9, 16, 17, 18, 25, 36}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, size := range []string{"1", "250"} {
				h, remote := remoteHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": size})
				remote.meetBulks(t, func(w http.ResponseWriter, b sentBulk) bool {
					return b.has("2030-13-01") && refuse(w, 500, "Invalid Date")
				})
				rows := newCustomers(40)
				for _, i := range bad {
					rows[i] = fmt.Sprintf("customers,user%d@example.com,2030-13-01", i)
				}
				got := h.send(customerHeader, rows).imported(t)
				var invalid []int
				for _, row := range got.Invalid {
					invalid = append(invalid, row.Row-2)
				}
				if !slices.Equal(invalid, bad) || len(got.Inserted) != len(rows)-len(bad) {
					t.Errorf("in batches of %s: rows %v are invalid and %d inserted, want %v and %d", size, invalid, len(got.Inserted), bad, len(rows)-len(bad))
				}
			}
		})
	}
}

// TestImportIntoABrokenStore: when the store fails for whatever it is sent, no row is at
// fault.
func TestImportIntoABrokenStore(t *testing.T) {
	t.Parallel()
	const message = "; before that 200 users were inserted and 0 updated, and 0 rows were invalid, up to row 201"
	for what, fail := range map[string]func(w http.ResponseWriter) bool{
		"in its own words": func(w http.ResponseWriter) bool { return refuse(w, 500, "disk full") },
		"without words":    func(w http.ResponseWriter) bool { w.WriteHeader(500); return true },
		"not there":        func(w http.ResponseWriter) bool { return refuse(w, 503, "no backend") },
		"without an answer": func(http.ResponseWriter) bool {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, remote := remoteHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "200"})
			bulks := 0
			remote.meetBulks(t, func(w http.ResponseWriter, _ sentBulk) bool {
				bulks++
				return bulks > 1 && fail(w)
			})
			got := h.send(customerHeader, newCustomers(500))
			if got.status != 500 || !strings.Contains(got.body, message) {
				t.Errorf("got %d %.300s", got.status, got.body)
			}
		})
	}
	t.Run("in every call", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t, nil)
		h.plan.ArmFrom(2, faults.Refuse500)
		got := h.send(customerHeader, newCustomers(500))
		if calls := len(h.plan.Calls()); got.status != 500 || !strings.Contains(got.body, "0 rows were invalid") || calls > 10 {
			t.Errorf("after %d calls %d %s", calls, got.status, got.body)
		}
	})
}

// TestImportAgainAfterAFailure: users without a name that a failed import has made are not
// those of the next.
func TestImportAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	h, remote := remoteHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "2"})
	bulks := 0
	remote.meetBulks(t, func(w http.ResponseWriter, b sentBulk) bool {
		if bulks++; bulks == 2 {
			return refuse(w, 503, "no backend")
		}
		if bulks == 3 { // the first of the second import
			panic(http.ErrAbortHandler)
		}
		return false
	})
	rows := []string{"contacts,Ann", "contacts,Bob", "contacts,Cid", "contacts,Dan"}
	for _, want := range []string{"before that 2 users were inserted", "before that 0 users were inserted"} {
		if got := h.send("userGroup,name", rows); got.status != 500 || !strings.Contains(got.body, want) {
			t.Errorf("got %d %s, want 500 and %q", got.status, got.body, want)
		}
	}
	if n := len(h.all("/users")); n != 2 {
		t.Errorf("%d users, want 2", n)
	}
}

// TestRefusalsPassedOn: of what an upstream says only so much is passed on.
func TestRefusalsPassedOn(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ message, want string }{
		"of an item": {"body/0/name must be good", "the store refuses the user: name must be good"},
		"a long one": {"body/0/" + strings.Repeat("é", 300), "the store refuses the user: " + strings.Repeat("é", 200) + "…"},
		"of others":  {strings.Repeat("no", 300), "the store refuses the user: " + strings.Repeat("no", 100) + "…"},
		"no words":   {"", "the store refuses the user: Bad Request"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, remote := remoteHarness(t, nil)
			remote.meetBulks(t, func(w http.ResponseWriter, _ sentBulk) bool { return refuse(w, 400, test.message) })
			got := h.send(customerHeader, newCustomers(1)).imported(t)
			if len(got.Invalid) != 1 || got.Invalid[0].Error != "Skipping record: "+test.want {
				t.Errorf("got %+v, want %s", got.Invalid, test.want)
			}
		})
	}
}

// TestImportOfNamesLeftByAFailure: a name that a failed creation has left is free.
func TestImportOfNamesLeftByAFailure(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	const user = `{"userGroup":"customers","email":"user1@example.com"}`
	h.must("POST", "/users/?sendResetPwdEmail=false", `{"userGroup":"customers","email":"other@example.com"}`)
	account := slices.IndexFunc(h.plan.Calls(), func(call string) bool { return !strings.HasPrefix(call, crud.Service) })
	h.plan.Reset()
	h.plan.ArmFrom(account+1, faults.Unreachable)
	if got := h.call("POST", "/users/?sendResetPwdEmail=false", user); got.status < 500 {
		t.Fatalf("creation = %d %s", got.status, got.body)
	}
	h.plan.Reset()
	if n := len(h.all("/users")); n != 2 {
		t.Fatalf("%d users, want one that is left", n)
	}
	if got := h.send(customerHeader, newCustomers(3)).imported(t); len(got.Inserted) != 3 {
		t.Errorf("got %+v, want three that are inserted", got)
	}
}
