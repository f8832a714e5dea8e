package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFilesAndDocumentsSayTheSame(t *testing.T) {
	for name, f := range map[string]file{"without arrays": {rows: 3}, "with arrays": {rows: 3, arrays: true}} {
		t.Run(name, func(t *testing.T) {
			r := csv.NewReader(bytes.NewReader(f.csv()))
			r.Comma = rune(f.delimiter()[0])
			rows, err := r.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for i, u := range f.stored() {
				text, err := json.Marshal(u.document)
				if err != nil {
					t.Fatal(err)
				}
				var doc map[string]any
				if err := json.Unmarshal(text, &doc); err != nil {
					t.Fatal(err)
				}
				if doc["_id"] != u.id || doc["username"] != u.username || doc["email"] != u.email {
					t.Errorf("document %s of user %v", text, u)
				}
				if diff := cmp.Diff(rows[i+1], cellsOf(rows[0], doc)); diff != "" {
					t.Errorf("row and document (-row +document):\n%s", diff)
				}
			}
			if len(rows) != f.rows+1 {
				t.Errorf("%d rows, want %d and a header", len(rows), f.rows)
			}
		})
	}
}

// cellsOf writes a document as the cells of a row.
func cellsOf(header []string, doc map[string]any) []string {
	var cells []string
	for _, name := range header {
		switch value := doc[name].(type) {
		case string:
			cells = append(cells, value)
		case bool:
			cells = append(cells, map[bool]string{true: "true", false: "false"}[value])
		case []any:
			var items []string
			for _, item := range value {
				items = append(items, item.(string))
			}
			cells = append(cells, "["+strings.Join(items, ", ")+"]")
		}
	}
	return cells
}

func TestInsertAlone(t *testing.T) {
	took, err := insertAlone(t.Context(), file{rows: sqliteBatch + 1, arrays: true}, t.TempDir(), "normal")
	if err != nil || took <= 0 {
		t.Errorf("took %v, error %v", took, err)
	}
}

func TestBulkTables(t *testing.T) {
	imports := []*bulkSeries{
		{file: file{rows: 200, arrays: false}, rounds: []bulkRun{{wanted: 200, done: 200, took: 20 * time.Millisecond, peak: 25 << 20, alone: 4 * time.Millisecond}}},
		{file: file{rows: 100_000, arrays: true}, rounds: []bulkRun{
			{wanted: 100_000, done: 100_000, took: 5 * time.Second, peak: 80 << 20, firstHalf: 2 * time.Second, alone: 2 * time.Second},
			{wanted: 100_000, done: 100_000, took: 4 * time.Second, peak: 70 << 20, firstHalf: 2 * time.Second, alone: time.Second},
			{wanted: 100_000, done: 100_000, took: 3 * time.Second, peak: 60 << 20, firstHalf: time.Second, alone: time.Second},
		}},
	}
	jobs := jobSeries()
	for _, s := range jobs {
		s.rounds = []bulkRun{{wanted: 10_000, done: 10_000, took: 8 * time.Second, peak: 30 << 20, share: 0.048}}
	}
	var out bytes.Buffer
	writeImports(&out, imports)
	writeHalves(&out, imports)
	writeJobs(&out, jobs)
	golden := filepath.Join("testdata", "bulk.golden.md")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// TestImportsAndJobs measures the service itself, on little.
func TestImportsAndJobs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	for name, c := range map[string]struct {
		args string
		want []string
	}{
		"imports":                 {"-import -rows 20,300 -users 30", []string{"\n| 20 ", "\n| 300 ", "\n| import ", "| 30 of 30 |", "\n| mails "}},
		"the middle of an import": {"-import -rows 10000 -users 1", []string{"### The halves of an import", "\n| mails "}},
		"limited":                 {"-limited -users 30", []string{"### Within 5 % of a processor and 70 MiB", "GOMEMLIMIT", "| 30 of 30 |", "\n| mails "}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), strings.Fields(c.args), &out, io.Discard); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in the output:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestWrongBulkAnswersAreErrors(t *testing.T) {
	for name, c := range map[string]struct{ pattern, answer, want string }{
		"a row less":        {"PATCH /users/import", `{"inserted":["1"],"invalid":[]}`, "1 ids, 1 of them distinct, of 2 rows"},
		"an id twice":       {"PATCH /users/import", `{"inserted":["1","1"],"invalid":[]}`, "2 ids, 1 of them distinct"},
		"an invalid row":    {"PATCH /users/import", `{"inserted":["1"],"invalid":[{"row":3,"error":"why"}]}`, "row 3: why"},
		"no JSON":           {"PATCH /users/import", `{`, "unexpected end"},
		"a job that failed": {"POST /jobs/bulk-activation", `{"jobId":"1","status":"failed"}`, "the job is failed"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("PATCH /users/import", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"inserted":["1","2"]}`) })
			served := http.NewServeMux()
			served.Handle("/", mux)
			served.HandleFunc(c.pattern, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, c.answer) })
			server := httptest.NewServer(served)
			defer server.Close()
			target := &target{address: strings.TrimPrefix(server.URL, "http://"), process: &process{}}
			ids, _, err := importFile(t.Context(), target, file{rows: 2, arrays: true})
			if err == nil {
				_, _, err = activate(t.Context(), target, ids, time.Hour)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestRunOfBulkSaysWhatIsMissing(t *testing.T) {
	if err := (bulkRun{wanted: 3, done: 2}).complete("mails"); err == nil || err.Error() != "mails: 2 of 3" {
		t.Errorf("error %v", err)
	}
}

func TestBulkOptionsAreChecked(t *testing.T) {
	for _, args := range []string{"-rows 0", "-rows x", "-rows 1,", "-rows 900000", "-users 0", "-import -url http://127.0.0.1:1", "-limited -url http://127.0.0.1:1"} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil || err == flag.ErrHelp {
			t.Errorf("%s: no error", args)
		}
	}
}

// TestExpiringUsers: each row's date is so much after the one before.
func TestExpiringUsers(t *testing.T) {
	f := file{rows: 2, expires: time.Date(2030, 1, 31, 23, 59, 59, 999e6, time.UTC), apart: time.Millisecond}
	want := "userGroup,username,email,name,surname,newsletter,expirationDate\n" +
		"customers,user-0,user-0@example.com,Name 0,Surname,true,2030-01-31T23:59:59.999Z\n" +
		"customers,user-1,user-1@example.com,Name 1,Surname,true,2030-02-01T00:00:00.000Z\n"
	if diff := cmp.Diff(want, string(f.csv())); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

// TestReadLateness: a user that is blocked before its date is no success.
func TestReadLateness(t *testing.T) {
	for name, test := range map[string]struct {
		updated string
		late    time.Duration // -1: an error
	}{
		"in time": {"2030-01-01T00:00:00.250Z", 250 * time.Millisecond},
		"early":   {"2029-12-31T23:59:59.999Z", -1},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, `[{"_id":"1","expirationDate":"2030-01-01T00:00:00.000Z","updatedAt":%q}]`, test.updated)
			}))
			defer server.Close()
			var r expiryRun
			err := r.readLateness(t.Context(), &target{address: server.Listener.Addr().String()})
			if (err != nil) != (test.late < 0) || err == nil && r.late.Max != test.late {
				t.Errorf("late %v, %v; want %v", r.late.Max, err, test.late)
			}
		})
	}
}
