package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"user-manager/crud"
)

// largeBatches are the settings of imports whose rows are all in one batch.
var largeBatches = map[string]string{"USER_IMPORT_BATCH_SIZE": "10000", "COLLECTION_DEFINITION_FOLDER": importFolder + "/definitions"}

// rowsOf makes n rows by their numbers.
func rowsOf(n int, row func(i int) string) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = row(i)
	}
	return rows
}

// checkFew checks the outcomes of an import, and that it took no more than most calls.
func checkFew(t *testing.T, calls map[string]int, got importAnswer, updated, inserted, invalid, most int) {
	t.Helper()
	all := 0
	for _, n := range calls {
		all += n
	}
	if all > most {
		t.Errorf("%d calls, want at most %d: %v", all, most, calls)
	}
	if len(got.Updated) != updated || len(got.Inserted) != inserted || len(got.Invalid) != invalid {
		t.Errorf("%d updated, %d inserted, %d invalid, want %d, %d, %d", len(got.Updated), len(got.Inserted), len(got.Invalid), updated, inserted, invalid)
	}
}

// TestCallsOfALargeBatch: rows that stand in each other's way do not make an import take
// more and more calls.
func TestCallsOfALargeBatch(t *testing.T) {
	ordinaryPages(t)
	t.Parallel()
	for what, test := range map[string]struct {
		header                  string
		rows                    []string
		inserted, invalid, most int
		users                   int // there before, of company Acme
	}{
		"250 rows with one address": {
			header: "userGroup,email", rows: rowsOf(250, func(int) string { return "open,ann@example.com" }),
			inserted: 1, invalid: 249, most: 5,
		},
		"10,000 rows with one address": {
			header: "userGroup,email", rows: rowsOf(10_000, func(int) string { return "open,ann@example.com" }),
			inserted: 1, invalid: 9999, most: 5,
		},
		"pairs with one tax code": {
			header: "userGroup,username,taxCode", rows: rowsOf(4000, func(i int) string { return fmt.Sprintf("open,user%d,T%d", i, i/2) }),
			inserted: 2000, invalid: 2000, most: 100,
		},
		"one tax code": {
			header: "userGroup,username,taxCode", rows: rowsOf(4000, func(i int) string { return fmt.Sprintf("open,user%d,T", i) }),
			inserted: 1, invalid: 3999, most: 100,
		},
		"badges of a large company": {
			header: "userGroup,company,badge", rows: rowsOf(20, func(i int) string { return fmt.Sprintf("open,Acme,%d", i+1980) }),
			inserted: 0, invalid: 20, most: depending(10, 15), users: 2000,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && len(test.rows) > 1000 {
				t.Skip("many rows")
			}
			h := newHarness(t, largeBatches)
			h.addImportGroups()
			for i := range test.users {
				user := crud.Document{"userGroup": "open", "company": "Acme", "badge": fmt.Sprint(i)}
				if _, err := h.client.Collection("/users").Insert(t.Context(), user); err != nil {
					t.Fatal(err)
				}
			}
			calls, got := h.importing(test.header, test.rows)
			checkFew(t, calls, got, 0, test.inserted, test.invalid, test.most)
		})
	}
	t.Run("1,000 rows of one user", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t, largeBatches)
		h.addImportGroups()
		id, _, _ := strings.Cut(h.updatesOf(1)[0], ",")
		calls, got := h.importing("_id,name", rowsOf(1000, func(i int) string { return fmt.Sprintf("%s,Name %d", id, i) }))
		checkFew(t, calls, got, 1000, 0, 0, 2010)
	})
	t.Run("dry run of 10,000 rows with one address", func(t *testing.T) {
		t.Parallel()
		if testing.Short() {
			t.Skip("many rows")
		}
		h := newHarness(t, largeBatches)
		h.addImportGroups()
		h.plan.Reset()
		file := "userGroup,email\n" + strings.Repeat("open,ann@example.com\n", 10_000)
		got := h.must("PATCH", "/users/import?dryRun=true", multipartBody(t, []string{"file"}, []byte(file)), multipartType).imported(t)
		if calls := len(h.plan.Calls()); got.Insertable != 1 || len(got.Invalid) != 9999 || calls > 5 {
			t.Errorf("%d insertable, %d invalid, %d calls, want 1, 9999 and at most 5", got.Insertable, len(got.Invalid), calls)
		}
	})
}

// TestRowsSentToAStoreThatRefusesMany: rows that the store's schema refuses do not have all
// others sent again and again.
func TestRowsSentToAStoreThatRefusesMany(t *testing.T) {
	t.Parallel()
	const n, bad = 2000, 200
	h, remote := remoteHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "10000"})
	bulks, sent := 0, 0
	remote.meetBulks(t, func(w http.ResponseWriter, b sentBulk) bool {
		bulks, sent = bulks+1, sent+len(b.users)
		for i, user := range b.users {
			if user["name"] == "bad" {
				return refuse(w, 400, fmt.Sprintf("body/%d/name must be good", i))
			}
		}
		return false
	})
	rows := rowsOf(n, func(i int) string {
		if i%(n/bad) == 3 {
			return fmt.Sprintf("customers,user%d@example.com,bad", i)
		}
		return fmt.Sprintf("customers,user%d@example.com,good", i)
	})
	got := h.send(customerHeader, rows).imported(t)
	if len(got.Inserted) != n-bad || len(got.Invalid) != bad {
		t.Errorf("%d inserted, %d invalid, want %d, %d", len(got.Inserted), len(got.Invalid), n-bad, bad)
	}
	if bulks > 3*bad || sent > 30*n {
		t.Errorf("%d bulks of %d rows were sent, want at most %d of %d", bulks, sent, 3*bad, 30*n)
	}
}
